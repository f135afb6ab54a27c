package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/safefile"
)

// A filer is the directory of a journal, and all that the journal asks of a
// file system. The tests have one that fails.
type filer interface {
	list() ([]string, error)
	open(name string, flag int) (file, error)
	remove(name string) error
	syncDir() error

	// capacity is the size of the whole file system in bytes, 0 if unknown.
	capacity() (int64, error)
}

// A file is what the journal asks of *os.File.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Sync() error
	size() (int64, error)

	// allocate makes sure that the first n bytes of an empty file can be written
	// on a full disk.
	allocate(n int64) error
}

// A directory is a filer on the real file system. Root reads and writes it too,
// though it belongs to the daemon's user.
type directory struct {
	*safefile.Dir
	spare *reserve
}

// openDirectory opens the directory of a journal. With create it is made if need
// be, along with its parents, and root's files in it get its owner.
func openDirectory(path string, create bool) (directory, error) {
	open := safefile.Open
	if create {
		open = safefile.Make
	}
	d, err := open(path)
	if err != nil {
		return directory{}, err
	}
	return directory{d, &reserve{}}, nil
}

// Close gives the directory and the reserve back.
func (d directory) Close() error {
	for d.spare.release() {
	}
	return d.Dir.Close()
}

func (d directory) list() ([]string, error) { return d.List() }

func (d directory) open(name string, flag int) (file, error) {
	f, err := d.OpenFile(name, flag, 0o600)
	if flag&os.O_CREATE != 0 { // the writer, who cannot wait
		if noDescriptor(err) && d.spare.release() {
			f, err = d.OpenFile(name, flag, 0o600)
		} else {
			d.spare.hold()
		}
	}
	if err != nil {
		return nil, err
	}
	file := diskFile{File: f}
	if flag&os.O_CREATE != 0 {
		file.spare = d.spare
	}
	return file, nil
}

// A reserve is some descriptors held back, so that the next segments can be made when
// everything else has taken all there are. A segment that is full keeps its descriptor
// until it is synced, so one would not do.
type reserve struct {
	mu  sync.Mutex
	fds []int // at most heldBack
}

const heldBack = 4

// hold takes descriptors back as soon as there are some.
func (r *reserve) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.fds) < heldBack {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			return
		}
		r.fds = append(r.fds, fd)
	}
}

// release gives one descriptor back, and reports whether there was one.
func (r *reserve) release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.fds) - 1
	if last < 0 {
		return false
	}
	fd := r.fds[last]
	r.fds = r.fds[:last]
	return unix.Close(fd) == nil
}

func (d directory) remove(name string) error { return d.Remove(name) }

func (d directory) syncDir() error { return d.Sync() }

func (d directory) capacity() (int64, error) {
	st, err := d.Statfs()
	return int64(st.Blocks) * st.Bsize, err
}

type diskFile struct {
	*os.File
	spare *reserve // of the writer, nil for readers
}

// Close gives the descriptor of a segment that is full back, to the reserve if that is
// empty: nobody else may take it.
func (f diskFile) Close() error {
	err := f.File.Close()
	if f.spare != nil {
		f.spare.hold()
	}
	return err
}

func (f diskFile) size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

func (f diskFile) allocate(n int64) error {
	var err error = unix.EINTR
	for errors.Is(err, unix.EINTR) {
		err = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, n)
	}
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = f.WriteAt(make([]byte, n), 0)
	}
	if err != nil {
		return fmt.Errorf("allocate %s: %w", f.Name(), err)
	}
	return nil
}

// isFull says whether err means that there is no room, which passes.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || noDescriptor(err)
}

// noDescriptor says whether the process or the machine has no descriptor left.
func noDescriptor(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
