package rules

import "slices"

// A part of an operation is some system calls, narrowed by a field or not.
type part struct {
	only  Field // none if zero
	calls []string
	uring []int // operations of io_uring; they cannot be narrowed
}

// createFlag is O_CREAT, the same on all machines of this package.
const createFlag = 0o100

// writing narrows calls that open a file to those that may write it.
var writing = Field{ID: fieldPerm, Op: Equal, Value: permWrite}

// creating narrows calls that open a file to those that may create it; arg is
// the argument with their flags, counted from 0. Those of openat2 are out of
// reach, in a struct.
func creating(arg uint32) Field {
	return Field{ID: fieldA0 + arg, Op: BitMask, Value: createFlag}
}

var operations = map[string][]part{
	"delete": {{calls: []string{"unlink", "unlinkat", "rmdir"}, uring: []int{uringUnlinkat}}},
	"rename": {{calls: []string{"rename", "renameat", "renameat2"}, uring: []int{uringRenameat}}},
	"create": {
		{calls: []string{"creat", "mkdir", "mkdirat", "mknod", "mknodat"}, uring: []int{uringMkdirat}},
		{only: creating(1), calls: []string{"open"}},
		{only: creating(2), calls: []string{"openat"}},
		{only: writing, calls: []string{"openat2"}},
	},
	"write": {
		{calls: []string{"creat", "truncate", "truncate64", "ftruncate", "ftruncate64", "fallocate"}, uring: []int{uringFallocate, uringFtruncate}},
		{only: writing, calls: []string{"open", "openat", "openat2"}},
	},
	"attr": {{
		calls: []string{
			"chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
			"chown32", "fchown32", "lchown32", "setxattr", "lsetxattr", "fsetxattr", "setxattrat",
			"removexattr", "lremovexattr", "fremovexattr", "removexattrat", "file_setattr",
		},
		uring: []int{uringFsetxattr, uringSetxattr},
	}},
	"link": {{calls: []string{"link", "linkat", "symlink", "symlinkat"}, uring: []int{uringSymlinkat, uringLinkat}}},
	"exec": {{calls: []string{"execve", "execveat"}}},
}

// Ops returns the operations that a watch can be for.
func Ops() []string { return slices.Sorted(keysOf(operations)) }

// partsOf returns the parts of operations, with those joined that are narrowed
// alike.
func partsOf(ops []string) []part {
	var parts []part
	for _, op := range ops {
		for _, p := range operations[op] {
			i := slices.IndexFunc(parts, func(have part) bool { return have.only == p.only })
			if i < 0 {
				parts = append(parts, part{only: p.only})
				i = len(parts) - 1
			}
			parts[i].calls = append(parts[i].calls, p.calls...)
			parts[i].uring = append(parts[i].uring, p.uring...)
		}
	}
	return parts
}
