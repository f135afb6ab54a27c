package event

import (
	"strings"
	"sync"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// A verb is what a system call does to the names it is given.
type verb uint8

const (
	verbOther verb = iota
	verbDelete
	verbRename
	verbCreate
	verbOpen // create, write or read, as the flags and the records tell
	verbWrite
	verbAttr
	verbLink
	verbSymlink
	verbExec
	verbMount
	verbUnmount
	verbChdir
)

// Where a system call says which directory a relative name starts from.
const (
	dirCWD  int8 = -1 // it does not: the working directory
	dirNone int8 = -2 // there is no such name, or it is not known which argument tells
)

// A call is what must be known of a system call to tell its names.
type call struct {
	name     string
	verb     verb
	dir      int8 // the argument with the directory of the (old) name
	dest     int8 // the argument with the directory of the new name
	fd       int8 // the argument with a descriptor of the file itself, or dirNone
	flagsArg int8 // for verbOpen: the argument with the open flags, or dirNone
}

// calls tells of every system call that names files. Numbers of arguments are
// the same on all architectures.
var calls = func() map[string]call {
	m := make(map[string]call)
	add := func(v verb, dir, dest int8, names ...string) {
		for _, name := range names {
			m[name] = call{name: name, verb: v, dir: dir, dest: dest, fd: dirNone, flagsArg: dirNone}
		}
	}
	add(verbDelete, dirCWD, dirNone, "unlink", "rmdir")
	add(verbDelete, 0, dirNone, "unlinkat")
	add(verbRename, dirCWD, dirCWD, "rename")
	add(verbRename, 0, 2, "renameat", "renameat2")
	add(verbCreate, dirCWD, dirNone, "mkdir", "mknod")
	add(verbCreate, 0, dirNone, "mkdirat", "mknodat")
	add(verbOpen, dirCWD, dirNone, "open", "creat")
	add(verbOpen, 0, dirNone, "openat", "openat2")
	add(verbWrite, dirCWD, dirNone, "truncate", "truncate64")
	add(verbAttr, dirCWD, dirNone, "chmod", "chown", "chown32", "lchown", "lchown32",
		"setxattr", "lsetxattr", "removexattr", "lremovexattr", "utime", "utimes")
	add(verbAttr, 0, dirNone, "fchmodat", "fchmodat2", "fchownat", "utimensat",
		"utimensat_time64", "futimesat", "setxattrat", "removexattrat", "file_setattr")
	add(verbLink, dirCWD, dirCWD, "link")
	add(verbLink, 0, 2, "linkat")
	add(verbSymlink, dirCWD, dirNone, "symlink")
	add(verbSymlink, 1, dirNone, "symlinkat")
	add(verbExec, dirCWD, dirNone, "execve")
	add(verbExec, 0, dirNone, "execveat")
	add(verbMount, dirCWD, dirNone, "mount")
	add(verbUnmount, dirCWD, dirNone, "umount", "umount2", "oldumount")
	add(verbChdir, dirCWD, dirNone, "chdir", "chroot")
	add(verbOther, dirCWD, dirNone, "stat", "lstat", "stat64", "lstat64", "access", "readlink",
		"getxattr", "lgetxattr", "listxattr", "llistxattr", "statfs", "statfs64", "swapon", "swapoff",
		"acct", "uselib", "inotify_add_watch")
	add(verbOther, 0, dirNone, "newfstatat", "fstatat64", "statx", "faccessat", "faccessat2",
		"readlinkat", "name_to_handle_at", "open_tree", "getxattrat", "listxattrat", "file_getattr")

	for name, arg := range map[string]int8{"open": 1, "openat": 2} {
		c := m[name]
		c.flagsArg = arg
		m[name] = c
	}
	for name, v := range map[string]verb{
		"ftruncate": verbWrite, "ftruncate64": verbWrite, "fallocate": verbWrite,
		"fchmod": verbAttr, "fchown": verbAttr, "fchown32": verbAttr,
		"fsetxattr": verbAttr, "fremovexattr": verbAttr, "fchdir": verbChdir,
	} {
		m[name] = call{name: name, verb: v, dir: dirNone, dest: dirNone, fd: 0, flagsArg: dirNone}
	}
	return m
}()

// newer are the calls that go-libaudit's tables lack. From 424 on, Linux gives
// a call the same number on all architectures.
var newer = map[int]string{
	463: "setxattrat", 464: "getxattrat", 465: "listxattrat", 466: "removexattrat",
	467: "open_tree_attr", 468: "file_getattr", 469: "file_setattr",
}

// An arch is the system calls of one architecture by number.
type arch struct {
	name  string
	calls []call
}

// x32Bit marks a call of the x32 ABI, which shares x86_64's architecture.
const x32Bit = 0x40000000

var noCall = call{dir: dirNone, dest: dirNone, fd: dirNone, flagsArg: dirNone}

// callOf tells what is known of a system call: its name, and for those that
// name files how.
func (a *arch) callOf(nr uint32) *call {
	nr &^= x32Bit
	if a == nil || nr >= uint32(len(a.calls)) {
		return &noCall
	}
	return &a.calls[nr]
}

var arches sync.Map // uint32 to *arch, built when first met

// archOf is the table for a number as in arch=c000003e; nil if it is unknown.
func archOf(nr uint32) *arch {
	if a, ok := arches.Load(nr); ok {
		return a.(*arch)
	}
	name, ok := auparse.AuditArchNames[auparse.AuditArch(nr)]
	if !ok {
		return nil
	}
	a, _ := arches.LoadOrStore(nr, newArch(name))
	return a.(*arch)
}

func newArch(name string) *arch {
	a := &arch{name: name}
	table := auparse.AuditSyscalls[tableName(name)]
	if len(table) == 0 {
		return a
	}
	size := 0
	for nr := range table {
		size = max(size, nr+1)
	}
	for nr := range newer {
		size = max(size, nr+1)
	}
	a.calls = make([]call, size)
	for i := range a.calls {
		a.calls[i] = noCall
	}
	for nr, name := range newer {
		a.calls[nr] = callNamed(name)
	}
	for nr, name := range table {
		a.calls[nr] = callNamed(name)
	}
	return a
}

func callNamed(name string) call {
	if c, ok := calls[name]; ok {
		return c
	}
	c := noCall
	c.name = strings.Clone(name)
	return c
}

// tableName is the name under which go-libaudit keeps an architecture's calls.
func tableName(arch string) string {
	switch arch {
	case "armeb":
		return "arm"
	default:
		return arch
	}
}

// uringCalls are the io_uring operations that name files (enum io_uring_op).
// The record does not tell which directory their names start from.
var uringCalls = func() map[uint64]call {
	m := make(map[uint64]call)
	for op, name := range map[uint64]string{
		18: "openat", 28: "openat2", 35: "renameat", 36: "unlinkat", 37: "mkdirat",
		38: "symlinkat", 39: "linkat", 41: "fsetxattr", 42: "setxattr", 55: "ftruncate",
	} {
		c := calls[name]
		c.dir, c.dest, c.fd, c.flagsArg = dirNone, dirNone, dirNone, dirNone
		m[op] = c
	}
	return m
}()
