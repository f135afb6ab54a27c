package host

import (
	"strconv"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// A System answers what package paths asks of the running system, in a bounded
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

// Search implements paths.Host.
func (l *System) Search(root []byte, of event.Inode) string {
	if len(root) > 0 {
		l.finder.seek(region{string(root), of.Dev})
	}
	return l.finder.of(of)
}

// Descriptor implements paths.Host.
func (l *System) Descriptor(pid uint32, fd int32) (string, paths.File, int64, bool) {
	type found struct {
		directory
		began int64
	}
	d, ok := askProcess(l, pid, func() (d found, ok bool) {
		if d.directory, ok = procFD(int(pid), int(fd), l.mounts); ok {
			d.began, ok = began(int(pid))
		}
		return d, ok
	})
	if !ok {
		return "", paths.File{}, 0, false
	}
	f := paths.File{Inode: event.Inode{Dev: d.dev, Ino: d.ino}}
	if m, known := l.mounts.of(d.path); known && !m.Network() {
		// The path may be of another mount namespace: then it is not this file's age.
		if got, _ := l.look(d.path, followWay); got.Inode == f.Inode {
			f.Born = got.born
		}
	}
	return d.path, f, d.began, true
}

// Stat implements paths.Host. A server's clock is another one than the kernel's, so the
// age of its files tells nothing.
func (l *System) Stat(path []byte) paths.File { return fileOf(l.look(string(path), followWay)) }

func fileOf(got look, local bool) paths.File {
	f := paths.File{Inode: got.Inode, Dir: got.isDir, Local: local, Links: got.links}
	if local {
		f.Born, f.Changed = got.born, got.changed
	}
	return f
}

// Mounted implements paths.Host. What the table denies is looked at: it may be behind.
func (l *System) Mounted(path []byte, dev event.Dev) bool {
	if c := &l.lies; c.dev != dev || c.path != string(path) || c.version != l.mounts.version.Load() {
		*c = lie{string(path), dev, l.mounts.version.Load(), l.mounts.holds(string(path), dev)}
	}
	if l.lies.ok {
		return true
	}
	got, _ := l.look(string(path), followWay)
	return got.Ino != 0 && got.Dev == dev
}

// Now implements paths.Host.
func (l *System) Now() int64 { return time.Now().UnixMilli() }

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
