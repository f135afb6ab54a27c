package host

import (
	"encoding/binary"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A finder looks for directories of which records tell the inode only, below those
// that command lines name: find /mnt/efs -name '*.tmp' -delete names no other, and
// is gone when it is asked. It reads names and numbers of directories, never files,
// in a goroutine of its own that may hang on a dead server, and not for long.
type finder struct {
	roots chan region
	off   atomic.Bool

	mu     sync.Mutex
	found  map[identity]string
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
	mostWalked  = 256
	mostWaiters = 16
)

func newFinder() *finder {
	f := &finder{roots: make(chan region, mostWaiters), found: map[identity]string{}, walked: map[string]time.Time{}}
	go func() {
		for s := range f.roots {
			f.walk(s)
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
func (f *finder) of(id identity) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.found[id]
}

// walk notes where the directories below a root are, those near it first.
func (f *finder) walk(s region) {
	until := time.Now().Add(walkTime)
	queue := []string{s.root}
	for read := 0; len(queue) > 0 && read < walkDirs && time.Now().Before(until) && !f.off.Load(); read++ {
		dir := queue[0]
		queue = queue[1:]
		err := eachDirectory(dir, s.dev, func(name string, ino uint64) {
			path := filepath.Join(dir, name)
			f.note(identity{s.dev, ino}, path)
			queue = append(queue, path)
		})
		_ = err // a directory that cannot be read, or is no more, has nothing to tell
	}
}

func (f *finder) note(id identity, path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.found) >= mostFound {
		clear(f.found)
	}
	f.found[id] = path
}

// eachDirectory calls do with each directory in dir, if that is on the device. It
// asks for nothing but what reading dir says.
func eachDirectory(dir string, dev event.Dev, do func(name string, ino uint64)) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || event.MakeDev(unix.Major(st.Dev), unix.Minor(st.Dev)) != dev {
		return err
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if n <= 0 || err != nil {
			return err
		}
		eachDirent(buf[:n], do)
	}
}

// eachDirent calls do with the directories among struct linux_dirent64 entries, see
// getdents64(2).
func eachDirent(b []byte, do func(name string, ino uint64)) {
	const head = 19 // d_ino, d_off, d_reclen, d_type
	for len(b) > head {
		ino, size := binary.NativeEndian.Uint64(b), int(binary.NativeEndian.Uint16(b[16:]))
		if size <= head || size > len(b) {
			return
		}
		name := unix.ByteSliceToString(b[head:size])
		if b[18] == unix.DT_DIR && name != "." && name != ".." {
			do(name, ino)
		}
		b = b[size:]
	}
}
