package host

import (
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A finder looks for directories of which records tell the inode only, below those
// that command lines name: find /mnt/efs -name '*.tmp' -delete names no other, and
// is gone when it is asked. It reads names and numbers of directories, never files,
// and not for long.
//
// Each walk is made by a crew, so that one which hangs does not keep others from being
// made.
type finder struct {
	mounts *MountTable
	crew   *crew
	roots  chan region
	off    atomic.Bool

	mu     sync.Mutex
	found  map[event.Inode]string
	size   int                  // bytes of the paths in found
	walked map[string]time.Time // when a root was, so that it is not again at once
}

// A region is the directories on a device, below a root.
type region struct {
	root string
	dev  event.Dev
}

// Bounds of a walk. What it does not reach stays unresolved, as before.
const (
	walkTime    = 300 * time.Millisecond
	walkDirs    = 20_000
	walkAgain   = 5 * time.Second
	mostFound   = 1 << 15
	mostBytes   = 4 << 20 // of paths that were found, and of those still to be read
	mostWalks   = 4       // that hang
	walkWait    = walkTime + time.Second
	mostWalked  = 256
	mostWaiters = 16
)

func newFinder(mounts *MountTable) *finder {
	f := &finder{
		mounts: mounts, crew: newCrew(mostWalks, 1, walkWait, nil),
		roots: make(chan region, mostWaiters), found: map[event.Inode]string{}, walked: map[string]time.Time{},
	}
	go func() {
		for s := range f.roots {
			ask(f.crew, func() uint64 { return uint64(s.dev) }, func() struct{} { f.walk(s); return struct{}{} })
		}
	}()
	return f
}

// close ends the goroutine, unless it hangs.
func (f *finder) close() { close(f.roots) }

// stop ends all searching: our own reading of directories turned out to be audited.
func (f *finder) stop() { f.off.Store(true) }

// seek asks for a walk below a root, unless there was one just now.
func (f *finder) seek(s region) {
	if f.off.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if last, ok := f.walked[s.root]; ok && now.Sub(last) < walkAgain {
		return
	}
	select {
	case f.roots <- s:
	default:
		return // enough to do
	}
	if len(f.walked) >= mostWalked {
		clear(f.walked)
	}
	f.walked[s.root] = now
}

// of is where a directory was found, empty for nowhere.
func (f *finder) of(id event.Inode) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found[id]
}

// walk notes where the directories below a root are, those near it first.
func (f *finder) walk(s region) {
	until := time.Now().Add(walkTime)
	queue, size := []string{s.root}, len(s.root)
	more := func() bool { return time.Now().Before(until) && !f.off.Load() }
	for read := 0; len(queue) > 0 && read < walkDirs && more(); read++ {
		dir := queue[0]
		queue, size = queue[1:], size-len(dir)
		err := f.eachDirectory(dir, s.dev, func(name string, ino uint64) bool {
			path := strings.TrimSuffix(dir, "/") + "/" + name
			f.note(event.Inode{Dev: s.dev, Ino: ino}, path)
			if len(queue) < walkDirs && size+len(path) <= mostBytes {
				queue, size = append(queue, path), size+len(path)
			}
			return more()
		})
		_ = err // a directory that cannot be read, or is no more, has nothing to tell
	}
}

func (f *finder) note(id event.Inode, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.found) >= mostFound || f.size+len(path) > mostBytes {
		clear(f.found)
		f.size = 0
	}
	f.size += len(path) - len(f.found[id])
	f.found[id] = path
}

// eachDirectory calls do with each directory in dir, if that is on the device, until
// do says that it is enough. It asks for nothing but what reading dir says.
func (f *finder) eachDirectory(dir string, dev event.Dev, do func(name string, ino uint64) bool) error {
	w, err := walkTo(f.mounts, dir, followNone)
	if err != nil {
		return err
	}
	defer unix.Close(w.fd)
	if got, err := lookAt(w.fd); err != nil || !got.isDir || got.Dev != dev {
		return err
	}
	fd, err := unix.Openat(w.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if n <= 0 || err != nil || !eachDirent(buf[:n], do) {
			return err
		}
	}
}

// eachDirent calls do with the directories among struct linux_dirent64 entries, see
// getdents64(2), and reports whether do wants more.
func eachDirent(b []byte, do func(name string, ino uint64) bool) bool {
	const head = 19 // d_ino, d_off, d_reclen, d_type
	for len(b) > head {
		ino, size := binary.NativeEndian.Uint64(b), int(binary.NativeEndian.Uint16(b[16:]))
		if size <= head || size > len(b) {
			return true
		}
		name := unix.ByteSliceToString(b[head:size])
		if b[18] == unix.DT_DIR && name != "." && name != ".." && !do(name, ino) {
			return false
		}
		b = b[size:]
	}
	return true
}
