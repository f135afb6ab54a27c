package host

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A System answers what the event package asks of the running system, at once
// or not at all.
type System struct {
	mounts *MountTable
	host   string // the host's mount namespace
	finder *finder

	// A look at a network file system goes through this pair, to a goroutine
	// that may hang on a dead server. While it does there are no answers.
	ask    chan string
	answer chan look
	hung   bool

	lies lie // the last answer
}

// A lie is whether a path may lie on a device, by one version of the mount table.
type lie struct {
	path    string
	dev     event.Dev
	version uint64
	ok      bool
}

// An identity tells a file from all others that there are.
type identity struct {
	dev event.Dev
	ino uint64
}

// A look is what there is at a path.
type look struct {
	identity
	links uint32
	isDir bool

	// In Unix milliseconds, 0 if the file system does not say.
	born, changed int64
}

// lookPatience is how long the deliver loop waits for a network file system's
// cached word. A live one answers in microseconds.
const lookPatience = 20 * time.Millisecond

// NewSystem returns a System of this host, whose mounts others keep up to date.
func NewSystem(mounts *MountTable) *System {
	l := &System{mounts: mounts, host: hostView(), finder: newFinder(), ask: make(chan string), answer: make(chan look)}
	go func() {
		for path := range l.ask {
			l.answer <- identify(path)
		}
	}()
	return l
}

// Close ends the goroutine, unless it hangs.
func (l *System) Close() {
	close(l.ask)
	l.finder.close()
}

// Seek implements event.Lookup.
func (l *System) Seek(root []byte, dev event.Dev) { l.finder.seek(region{string(root), dev}) }

// Found implements event.Lookup.
func (l *System) Found(dev event.Dev, ino uint64) string { return l.finder.of(identity{dev, ino}) }

// FD implements event.Lookup.
func (l *System) FD(pid uint32, fd int32, at int64) (string, event.Dev, uint64, bool) {
	d, ok := procFD(int(pid), int(fd), l.mounts)
	if !ok || startedAfter(int(pid), at) {
		return "", 0, 0, false
	}
	if m, known := MountOf(l.mounts.Mounts(), d.path); known && !IsNetwork(m.Type) {
		// The path may be of another mount namespace: then it is not this file's age.
		got := identify(d.path)
		ok = got.identity != identity{d.dev, d.ino} || got.before(at)
	}
	return d.path, d.dev, d.ino, ok
}

// Is implements event.Lookup.
func (l *System) Is(path []byte, dev event.Dev, ino uint64) bool {
	got, _ := l.look(string(path))
	return got.identity == identity{dev, ino}
}

// Born implements event.Lookup. Nor is a server's clock ours.
func (l *System) Born(path []byte, dev event.Dev, ino uint64) int64 {
	got, local := l.look(string(path))
	if !local || got.identity != (identity{dev, ino}) {
		return 0
	}
	return got.born
}

// Only implements event.Lookup. A server's clock is another one than the
// kernel's, so the age of its files tells nothing.
func (l *System) Only(path []byte, dev event.Dev, ino uint64, at int64) bool {
	got, local := l.look(string(path))
	return got.identity == identity{dev, ino} && got.links == 1 && (!local || got.before(at))
}

// Lies implements event.Lookup. What the table denies is looked at: it may be behind.
func (l *System) Lies(path []byte, dev event.Dev) bool {
	if c := &l.lies; c.dev != dev || c.path != string(path) || c.version != l.mounts.version.Load() {
		*c = lie{string(path), dev, l.mounts.version.Load(), l.mounts.holds(string(path), dev)}
	}
	if l.lies.ok {
		return true
	}
	got, _ := l.look(string(path))
	return got.ino != 0 && got.dev == dev
}

// Still implements event.Lookup. Names are part of what the time of a file's last
// change is of.
func (l *System) Still(path []byte, dir int, dev event.Dev, ino uint64, at int64) bool {
	got, local := l.look(string(path))
	for i := dir + 1; local && i < len(path); i++ {
		local = path[i] != '/' || identify(string(path[:i])).isDir
	}
	return local && got.identity == identity{dev, ino} && got.links == 1 && got.before(at) &&
		got.changed != 0 && got.changed <= at+clockStep
}

// Now implements event.Lookup.
func (l *System) Now() int64 { return time.Now().UnixMilli() }

// clockStep is how much later than an event the file it changed may say that it
// was, in milliseconds: the clock of events goes on in steps of up to ten.
const clockStep = 10

// before says whether the file was there at a time, in Unix milliseconds, or may
// have been.
func (k look) before(at int64) bool { return k.born <= at }

// on corrects the device of what is on a mount. A btrfs tells a subvolume's in a
// file's attributes, and its own in records and in the mount table.
func (k look) on(m Mount) look {
	if dev, ok := parseDev(m.Dev); ok && m.Type == "btrfs" && k.ino != 0 {
		k.dev = dev
	}
	return k
}

// look says what is at path, and whether that is on no network file system.
func (l *System) look(path string) (got look, local bool) {
	m, ok := MountOf(l.mounts.Mounts(), path)
	if ok && !IsNetwork(m.Type) {
		return identify(path).on(m), true
	}
	if l.hung {
		select {
		case <-l.answer: // to a question of the past
			l.hung = false
		default:
			return look{}, false
		}
	}
	l.ask <- path
	select {
	case got = <-l.answer:
		return got, false
	case <-time.After(lookPatience):
		l.hung = true
		return look{}, false
	}
}

// identify says what is at path now, the zero look for nothing. It takes the
// attributes that are cached rather than ask a server.
func identify(path string) look {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC|unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT,
		unix.STATX_TYPE|unix.STATX_INO|unix.STATX_NLINK|unix.STATX_BTIME|unix.STATX_CTIME, &st)
	if err != nil {
		return look{}
	}
	got := look{identity: identity{event.MakeDev(st.Dev_major, st.Dev_minor), st.Ino}, links: st.Nlink, isDir: st.Mode&unix.S_IFMT == unix.S_IFDIR}
	if st.Mask&unix.STATX_BTIME != 0 {
		got.born = max(millis(st.Btime), 1) // images are made with files of 1970
	}
	if st.Mask&unix.STATX_CTIME != 0 {
		got.changed = millis(st.Ctime)
	}
	return got
}

func millis(t unix.StatxTimestamp) int64 { return t.Sec*1000 + int64(t.Nsec)/1e6 }
