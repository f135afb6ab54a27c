package event

import (
	"strings"
	"sync"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// A verb is what a system call does to the names it is given.
type Verb uint8

const (
	VerbOther Verb = iota
	VerbDelete
	VerbRename
	VerbCreate
	VerbOpen // create, write or read, as the flags and the records tell
	VerbWrite
	VerbAttr
	VerbLink
	VerbSymlink
	VerbExec
	VerbMount
	VerbUnmount
	VerbChdir
)

// Where a system call says which directory a relative name starts from.
const (
	DirCWD  int8 = -1 // it does not: the working directory
	DirNone int8 = -2 // there is no such name, or it is not known which argument tells
)

// A call is what must be known of a system call to tell its names.
type Call struct {
	Name     string
	Verb     Verb
	Dir      int8 // the argument with the directory of the (old) name
	Dest     int8 // the argument with the directory of the new name
	FD       int8 // the argument with a descriptor of the file itself, or dirNone
	FlagsArg int8 // for verbOpen: the argument with the open flags, or dirNone
}

// calls tells of every system call that names files. Numbers of arguments are
// the same on all architectures.
var calls = func() map[string]Call {
	m := make(map[string]Call)
	add := func(v Verb, dir, dest int8, names ...string) {
		for _, name := range names {
			m[name] = Call{Name: name, Verb: v, Dir: dir, Dest: dest, FD: DirNone, FlagsArg: DirNone}
		}
	}
	add(VerbDelete, DirCWD, DirNone, "unlink", "rmdir")
	add(VerbDelete, 0, DirNone, "unlinkat")
	add(VerbRename, DirCWD, DirCWD, "rename")
	add(VerbRename, 0, 2, "renameat", "renameat2")
	add(VerbCreate, DirCWD, DirNone, "mkdir", "mknod")
	add(VerbCreate, 0, DirNone, "mkdirat", "mknodat")
	add(VerbOpen, DirCWD, DirNone, "open", "creat")
	add(VerbOpen, 0, DirNone, "openat", "openat2")
	add(VerbWrite, DirCWD, DirNone, "truncate", "truncate64")
	add(VerbAttr, DirCWD, DirNone, "chmod", "chown", "chown32", "lchown", "lchown32",
		"setxattr", "lsetxattr", "removexattr", "lremovexattr", "utime", "utimes")
	add(VerbAttr, 0, DirNone, "fchmodat", "fchmodat2", "fchownat", "utimensat",
		"utimensat_time64", "futimesat", "setxattrat", "removexattrat", "file_setattr")
	add(VerbLink, DirCWD, DirCWD, "link")
	add(VerbLink, 0, 2, "linkat")
	add(VerbSymlink, DirCWD, DirNone, "symlink")
	add(VerbSymlink, 1, DirNone, "symlinkat")
	add(VerbExec, DirCWD, DirNone, "execve")
	add(VerbExec, 0, DirNone, "execveat")
	add(VerbMount, DirCWD, DirNone, "mount")
	add(VerbUnmount, DirCWD, DirNone, "umount", "umount2", "oldumount")
	add(VerbChdir, DirCWD, DirNone, "chdir", "chroot")
	add(VerbOther, DirCWD, DirNone, "stat", "lstat", "stat64", "lstat64", "access", "readlink",
		"getxattr", "lgetxattr", "listxattr", "llistxattr", "statfs", "statfs64", "swapon", "swapoff",
		"acct", "uselib", "inotify_add_watch")
	add(VerbOther, 0, DirNone, "newfstatat", "fstatat64", "statx", "faccessat", "faccessat2",
		"readlinkat", "name_to_handle_at", "open_tree", "getxattrat", "listxattrat", "file_getattr")

	for name, arg := range map[string]int8{"open": 1, "openat": 2} {
		c := m[name]
		c.FlagsArg = arg
		m[name] = c
	}
	for name, v := range map[string]Verb{
		"ftruncate": VerbWrite, "ftruncate64": VerbWrite, "fallocate": VerbWrite,
		"fchmod": VerbAttr, "fchown": VerbAttr, "fchown32": VerbAttr,
		"fsetxattr": VerbAttr, "fremovexattr": VerbAttr, "fchdir": VerbChdir,
	} {
		m[name] = Call{Name: name, Verb: v, Dir: DirNone, Dest: DirNone, FD: 0, FlagsArg: DirNone}
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
	calls []Call
}

// x32Bit marks a call of the x32 ABI, which shares x86_64's architecture.
const x32Bit = 0x40000000

var noCall = Call{Dir: DirNone, Dest: DirNone, FD: DirNone, FlagsArg: DirNone}

// callOf tells what is known of a system call: its name, and for those that
// name files how.
func (a *arch) callOf(nr uint32) *Call {
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
	a.calls = make([]Call, size)
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

func callNamed(name string) Call {
	if c, ok := calls[name]; ok {
		return c
	}
	c := noCall
	c.Name = strings.Clone(name)
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
var uringCalls = func() map[uint64]Call {
	m := make(map[uint64]Call)
	for op, name := range map[uint64]string{
		18: "openat", 28: "openat2", 35: "renameat", 36: "unlinkat", 37: "mkdirat",
		38: "symlinkat", 39: "linkat", 41: "fsetxattr", 42: "setxattr", 55: "ftruncate",
	} {
		c := calls[name]
		c.Dir, c.Dest, c.FD, c.FlagsArg = DirNone, DirNone, DirNone, DirNone
		m[op] = c
	}
	return m
}()
