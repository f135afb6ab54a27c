package host

import (
	"strconv"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A System answers what the event package asks of the running system, in a bounded
// time or not at all.
//
// Processes and paths belong to others, who may make a look at them hang. So each look
// is made by a crew, but for what the kernel has in memory of a path.
type System struct {
	mounts *MountTable
	host   string // the host's mount namespace
	finder *finder
	procs  *crew
	paths  *crew

	lies lie // the last answer
}

// A lie is whether a path may lie on a device, by one version of the mount table.
type lie struct {
	path    string
	dev     event.Dev
	version uint64
	ok      bool
}

// Bounds of looks that hang: threads that the kernel does not give back.
const (
	mostProcs     = 16
	procsEach     = 4 // of one user
	procsPatience = 100 * time.Millisecond

	mostPaths     = 8
	pathsEach     = 1 // on one mount
	pathsPatience = 250 * time.Millisecond
)

// NewSystem returns a System of this host, whose mounts others keep up to date. It
// calls hangs with whatever a look hangs at, from the goroutine that asked.
func NewSystem(mounts *MountTable, hangs func(what string)) *System {
	l := &System{mounts: mounts, host: hostView()}
	l.procs = newCrew(mostProcs, procsEach, procsPatience, func(key uint64) { hangs("a process of user " + strconv.FormatUint(key&^unsetLogin, 10)) })
	l.paths = newCrew(mostPaths, pathsEach, pathsPatience, func(key uint64) { hangs(l.pointOf(key)) })
	l.finder = newFinder(mounts)
	return l
}

// Close ends the search for directories. What hangs is left behind.
func (l *System) Close() { l.finder.close() }

// Looks says how looks at processes and at paths fare.
func (l *System) Looks() (procs, paths CrewStats) { return l.procs.stats(), l.paths.stats() }

// pointOf names the mount with a key.
func (l *System) pointOf(key uint64) string {
	m, _ := l.mounts.withID(strconv.FormatUint(key, 10))
	return "the file system at " + m.Point
}

// Seek implements paths.Lookup.
func (l *System) Seek(root []byte, dev event.Dev) { l.finder.seek(region{string(root), dev}) }

// Found implements paths.Lookup.
func (l *System) Found(dev event.Dev, ino uint64) string { return l.finder.of(identity{dev, ino}) }

// FD implements paths.Lookup.
func (l *System) FD(pid uint32, fd int32, at int64) (string, event.Dev, uint64, bool) {
	d, ok := askProcess(l, pid, func() (d directory, ok bool) {
		d, ok = procFD(int(pid), int(fd), l.mounts)
		return d, ok && !startedAfter(int(pid), at)
	})
	if !ok {
		return "", 0, 0, false
	}
	if m, known := l.mounts.of(d.path); known && !m.Network() {
		// The path may be of another mount namespace: then it is not this file's age.
		got, _ := l.look(d.path, followWay)
		ok = got.identity != identity{d.dev, d.ino} || got.before(at)
	}
	return d.path, d.dev, d.ino, ok
}

// Is implements paths.Lookup.
func (l *System) Is(path []byte, dev event.Dev, ino uint64) bool {
	got, _ := l.look(string(path), followWay)
	return got.identity == identity{dev, ino}
}

// Only implements paths.Lookup. A server's clock is another one than the
// kernel's, so the age of its files tells nothing.
func (l *System) Only(path []byte, dev event.Dev, ino uint64, at int64) bool {
	got, local := l.look(string(path), followWay)
	return got.identity == identity{dev, ino} && got.links == 1 && (!local || got.before(at))
}

// Lies implements paths.Lookup. What the table denies is looked at: it may be behind.
func (l *System) Lies(path []byte, dev event.Dev) bool {
	if c := &l.lies; c.dev != dev || c.path != string(path) || c.version != l.mounts.version.Load() {
		*c = lie{string(path), dev, l.mounts.version.Load(), l.mounts.holds(string(path), dev)}
	}
	if l.lies.ok {
		return true
	}
	got, _ := l.look(string(path), followWay)
	return got.ino != 0 && got.dev == dev
}

// Still implements paths.Lookup. Names are part of what the time of a file's last
// change is of.
func (l *System) Still(path []byte, dir int, dev event.Dev, ino uint64, at int64) bool {
	got, local := l.look(string(path), followWay)
	for i := dir + 1; local && i < len(path); i++ {
		if path[i] == '/' {
			way, _ := l.look(string(path[:i]), followWay)
			local = way.isDir
		}
	}
	return local && got.identity == identity{dev, ino} && got.links == 1 && got.before(at) &&
		got.changed != 0 && got.changed <= at+clockStep
}

// Now implements paths.Lookup.
func (l *System) Now() int64 { return time.Now().UnixMilli() }

// clockStep is how much later than an event the file it changed may say that it
// was, in milliseconds: the clock of events goes on in steps of up to ten.
const clockStep = 10

// look says what is at path, the zero look for nothing or for not knowing, and whether
// that is certainly on a file system that this kernel alone keeps. The last part of
// path is not followed if it is a link, those before it only where links says so.
func (l *System) look(path string, links follow) (got look, local bool) {
	m, known := l.mounts.of(path)
	if m.Foreign() {
		return look{}, false
	}
	if known && !m.Network() {
		if got, err := lookCached(path, links); !mayWait(err) {
			return l.placed(got, m)
		}
	}
	got, _ = ask(l.paths, func() uint64 { return numberOf(m.ID) }, func() look { return identify(l.mounts, path, links) })
	return l.placed(got, m)
}

// placed takes back what must not be believed of a look, which m or another mount
// holds.
func (l *System) placed(got look, m Mount) (look, bool) {
	known := m.ID != ""
	if got.mount != "" && got.mount != m.ID {
		m, known = l.mounts.withID(got.mount)
	}
	if m.Foreign() {
		return look{}, false
	}
	return got.on(m), known && !m.Network()
}

func numberOf(id string) uint64 {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
