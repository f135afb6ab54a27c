//go:build linux && amd64

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A step is one audited call of the cycle.
type step struct {
	name  string
	trap  uintptr
	file  int  // which of the cycle's files it works on
	fresh bool // the file is made first, by calls that no rule asks for
	again bool // the file has been renamed by the step before
	at    bool // the call takes descriptors of directories
	byFD  bool // and gets them, with names relative to them
	cross bool // the new name is in another directory
	dest  bool // it is a rename
}

// cycle is the mix: nine calls, six that delete and three that rename. A delete
// makes 6 records (SYSCALL, CWD, PATH of the directory and of the file,
// PROCTITLE, EOE), a rename 8, so an event has 6.7 on average.
var cycle = []step{
	{name: "rename", trap: unix.SYS_RENAME, file: 0, fresh: true, dest: true},
	{name: "unlink", trap: unix.SYS_UNLINK, file: 0, again: true},
	{name: "renameat2", trap: unix.SYS_RENAMEAT2, file: 1, fresh: true, at: true, byFD: true, cross: true, dest: true},
	{name: "unlinkat", trap: unix.SYS_UNLINKAT, file: 1, again: true, at: true, byFD: true},
	{name: "renameat", trap: unix.SYS_RENAMEAT, file: 2, fresh: true, at: true, dest: true},
	{name: "unlinkat", trap: unix.SYS_UNLINKAT, file: 2, again: true, at: true},
	{name: "unlink", trap: unix.SYS_UNLINK, file: 3, fresh: true},
	{name: "unlinkat", trap: unix.SYS_UNLINKAT, file: 4, fresh: true, at: true, byFD: true},
	{name: "rmdir", trap: unix.SYS_RMDIR, file: 5, fresh: true},
}

const (
	deleteRecords = 6
	renameRecords = 8
)

// records is how many records the first n calls make.
func records(n int) int {
	sum := 0
	for i := range cycle {
		per := deleteRecords
		if cycle[i].dest {
			per = renameRecords
		}
		sum += per * ((n + len(cycle) - 1 - i) / len(cycle))
	}
	return sum
}

// prefixes are how the names of the cycle's files begin: a blank makes the
// kernel print a name in hex.
var prefixes = []string{"report-", "invoice-", "upload.part-", "img_", "q2 draft ", "batch-"}

// dirs is over how many directories the work is spread. Files of one cycle lie
// in one of them; a rename across goes to the next.
const dirs = 16

func base(dir string, worker int) string {
	return filepath.Join(dir, fmt.Sprintf("team-%02d", worker))
}

func subdir(base string, i int) string {
	return filepath.Join(base, fmt.Sprintf("project-%02d", i))
}

// prepare makes the directories that a worker works in.
func prepare(dir string, worker int) error {
	for i := range dirs {
		if err := os.MkdirAll(subdir(base(dir, worker), i), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// A worker makes the calls of one process. Names live in its buffers, so that
// the loop costs nothing but the calls.
type worker struct {
	base     string
	paths    [dirs]string
	fds      [dirs]uintptr
	from, to []byte
}

func openWorker(dir string, i int) (*worker, error) {
	w := &worker{base: base(dir, i)}
	for d := range dirs {
		w.paths[d] = subdir(w.base, d)
		fd, err := unix.Open(w.paths[d], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", w.paths[d], err)
		}
		w.fds[d] = uintptr(fd)
	}
	return w, nil
}

// places returns the directories of call i: that of the name it is given and
// that of the new name.
func places(i int) (from, to int) {
	s, round := &cycle[i%len(cycle)], i/len(cycle)
	from = round % dirs
	if s.again && cycle[i%len(cycle)-1].cross {
		from = (round + 1) % dirs
	}
	to = from
	if s.cross {
		to = (round + 1) % dirs
	}
	return from, to
}

// appendName appends the name, without a directory, of a step's file. A rename
// puts .done behind it.
func appendName(b []byte, file, round int, done bool) []byte {
	b = append(b, prefixes[file]...)
	b = strconv.AppendInt(b, int64(round), 10)
	if done {
		b = append(b, ".done"...)
	}
	return b
}

// do makes call i.
func (w *worker) do(i int) error {
	s, round := &cycle[i%len(cycle)], i/len(cycle)
	from, to := places(i)
	dirFrom, dirTo := w.fds[from], w.fds[to]
	w.from, w.to = w.from[:0], w.to[:0]
	if !s.byFD {
		dirFrom, dirTo = atCWD, atCWD
		w.from = append(append(w.from, w.paths[from]...), '/')
		w.to = append(append(w.to, w.paths[to]...), '/')
	}
	w.from = append(appendName(w.from, s.file, round, s.again), 0)
	w.to = append(appendName(w.to, s.file, round, true), 0)
	if s.fresh {
		if err := create(dirFrom, &w.from[0], s.trap == unix.SYS_RMDIR); err != nil {
			return err
		}
	}
	return call(s, dirFrom, dirTo, &w.from[0], &w.to[0])
}

var atCWD = func() uintptr { fd := unix.AT_FDCWD; return uintptr(fd) }()

// create makes an empty file or directory.
func create(dir uintptr, name *byte, isDir bool) error {
	p := uintptr(unsafe.Pointer(name))
	if isDir {
		_, _, errno := unix.RawSyscall(unix.SYS_MKDIRAT, dir, p, 0o755)
		return failed(errno)
	}
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, dir, p, unix.O_CREAT|unix.O_WRONLY, 0o644, 0, 0)
	if errno != 0 {
		return errno
	}
	_, _, errno = unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	return failed(errno)
}

// call makes the call. What it needs no argument for is zero, flags included.
func call(s *step, dirFrom, dirTo uintptr, from, to *byte) error {
	f, t := uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(to))
	args := [4]uintptr{f}
	switch {
	case s.at && s.dest:
		args = [4]uintptr{dirFrom, f, dirTo, t}
	case s.at:
		args = [4]uintptr{dirFrom, f}
	case s.dest:
		args = [4]uintptr{f, t}
	}
	_, _, errno := unix.RawSyscall6(s.trap, args[0], args[1], args[2], args[3], 0, 0)
	return failed(errno)
}

// failed keeps a zero Errno from becoming an error that is not nil.
func failed(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// A Deed is a line of the truth.
type Deed struct {
	Syscall string `json:"syscall"`
	Success bool   `json:"success"` // always: a call that fails ends loadgen
	Path    string `json:"path"`
	Dest    string `json:"dest,omitempty"`
}

// deed is what call i does.
func (w *worker) deed(i int) Deed {
	s, round := &cycle[i%len(cycle)], i/len(cycle)
	from, to := places(i)
	name := func(dir int, done bool) string {
		return subdir(w.base, dir) + "/" + string(appendName(nil, s.file, round, done))
	}
	d := Deed{Syscall: s.name, Success: true, Path: name(from, s.again)}
	if s.dest {
		d.Dest = name(to, true)
	}
	return d
}
