package journal

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
)

// A memFS is a file system that fails on demand: it can be full, refuse after
// so many bytes, have bad blocks, and lose in a power cut what was not synced.
type memFS struct {
	mu      sync.Mutex
	files   map[string]*memData // as this machine sees them
	durable map[string]*memData // names a power cut leaves

	room      int64 // bytes all files may hold together, 0 for no limit
	failAfter int64 // bytes that may still be written before EIO, if above 0
	noCut     bool  // truncating fails
	copies    bool  // every write needs room, as where nothing is written in place

	// step, if set, is called in the middle of every change: a write is half
	// done, a name not yet there or not yet gone.
	step func()
}

// midway calls step without holding mu.
func (fs *memFS) midway() {
	if fs.step != nil {
		fs.mu.Unlock()
		defer fs.mu.Lock()
		fs.step()
	}
}

type memData struct {
	now    []byte
	synced []byte
	holds  int64        // allocated bytes
	bad    map[int]bool // blocks that cannot be read
}

func newMemFS() *memFS {
	return &memFS{files: map[string]*memData{}, durable: map[string]*memData{}}
}

// clone returns a copy as it is now, all of it synced.
func (fs *memFS) clone() *memFS {
	c := newMemFS()
	c.room = fs.room
	for name, d := range fs.files {
		e := &memData{now: slices.Clone(d.now), synced: slices.Clone(d.now), holds: d.holds, bad: maps.Clone(d.bad)}
		c.files[name], c.durable[name] = e, e
	}
	return c
}

// powerCut returns what is left: every page and name that was not synced may
// be there or not.
func (fs *memFS) powerCut(rnd *rand.Rand) *memFS {
	c := newMemFS()
	c.room = fs.room
	for _, name := range slices.Sorted(maps.Keys(fs.files)) {
		d := fs.files[name]
		if fs.durable[name] != d && rnd.IntN(2) == 0 {
			continue // the new name was lost
		}
		c.put(name, d.cut(rnd))
	}
	for _, name := range slices.Sorted(maps.Keys(fs.durable)) {
		if fs.files[name] == nil && rnd.IntN(2) == 0 {
			c.put(name, fs.durable[name].cut(rnd)) // its removal was lost
		}
	}
	return c
}

func (fs *memFS) put(name string, b []byte) {
	d := &memData{now: b, synced: slices.Clone(b), holds: int64(len(b))}
	fs.files[name], fs.durable[name] = d, d
}

// cut mixes the synced and the newer content, page by page.
func (d *memData) cut(rnd *rand.Rand) []byte {
	size := len(d.synced)
	if len(d.now) > size {
		size += rnd.IntN(len(d.now) - size + 1)
	} else if rnd.IntN(2) == 0 {
		size = len(d.now)
	}
	out := make([]byte, size)
	copy(out, d.synced)
	for at := 0; at < size; at += 4096 {
		if rnd.IntN(2) == 0 && at < len(d.now) {
			copy(out[at:min(at+4096, size)], d.now[at:])
		}
	}
	return out
}

func (fs *memFS) used() (sum int64) {
	for _, d := range fs.files {
		sum += max(int64(len(d.now)), d.holds)
	}
	return sum
}

func (fs *memFS) list() ([]string, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return slices.Collect(maps.Keys(fs.files)), nil
}

func (fs *memFS) open(name string, flag int) (file, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	d := fs.files[name]
	switch {
	case d == nil && flag&os.O_CREATE == 0:
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.ENOENT}
	case d != nil && flag&os.O_TRUNC != 0:
		fs.midway()
		d.now = nil
	case d == nil:
		fs.midway()
		d = &memData{}
		fs.files[name] = d
	}
	return &memFile{fs: fs, d: d}, nil
}

func (fs *memFS) remove(name string) error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.files[name] == nil {
		return &os.PathError{Op: "remove", Path: name, Err: syscall.ENOENT}
	}
	fs.midway()
	delete(fs.files, name)
	return nil
}

func (fs *memFS) syncDir() error {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.midway()
	fs.durable = maps.Clone(fs.files)
	return nil
}

func (fs *memFS) capacity() (int64, error) { return fs.room, nil }

type memFile struct {
	fs     *memFS
	d      *memData
	closed bool
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if off >= int64(len(f.d.now)) {
		return 0, io.EOF
	}
	n := copy(p, f.d.now[off:])
	for block := int(off) / mediaBlock; block*mediaBlock < int(off)+n; block++ {
		if f.d.bad[block] {
			return max(0, block*mediaBlock-int(off)), syscall.EIO
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n, err := len(p), error(nil)
	if f.fs.failAfter > 0 {
		if left := f.fs.failAfter - 1; int64(n) > left {
			n, err = int(left), syscall.EIO
		}
		f.fs.failAfter -= int64(n)
	}
	grow := off + int64(n) - max(int64(len(f.d.now)), f.d.holds)
	if f.fs.copies {
		grow = int64(n)
	}
	if f.fs.room > 0 && grow > 0 {
		if free := max(f.fs.room-f.fs.used(), 0); grow > free {
			n, err = max(n-int(grow-free), 0), syscall.ENOSPC
		}
	}
	if n == 0 {
		return 0, err
	}
	size := len(f.d.now)
	if end := int(off) + n; end > size {
		f.d.now = append(f.d.now, make([]byte, end-len(f.d.now))...)
	}
	half := copy(f.d.now[off:], p[:n/2])
	whole := f.d.now
	f.d.now = whole[:max(size, int(off)+half)] // the size follows the bytes
	f.fs.midway()
	f.d.now = whole
	copy(f.d.now[int(off)+half:], p[half:n])
	return n, err
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.noCut {
		return syscall.EIO
	}
	f.d.now = slices.Clone(f.d.now[:size])
	return nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.fs.midway()
	f.d.synced = slices.Clone(f.d.now)
	return nil
}

func (f *memFile) Close() error {
	if f.closed {
		return errors.New("closed twice")
	}
	f.closed = true
	return nil
}

func (f *memFile) size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.d.now)), nil
}

func (f *memFile) allocate(n int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	grow := n - max(int64(len(f.d.now)), f.d.holds)
	if f.fs.room > 0 && grow > f.fs.room-f.fs.used() {
		return syscall.ENOSPC
	}
	f.d.holds = max(f.d.holds, n)
	return nil
}
