package paths

import (
	"github.com/auditshipper/auditshipper/internal/event"
)

// This file tells what the records of a call are: which of them is the file, which its
// directory, and from where the name that the caller gave starts. Renames have a file of
// their own (rename.go), and so have names that older kernels lose (slash.go), records of
// layers (stack.go), working directories that move (cwd.go) and names below /proc
// (procname.go).
//
// The kernel prints of one call, in this order:
//
//	PARENT  the directory in which it looked a name up; its name= is the directory part of
//	        what the caller gave, or the working directory where there was none
//	DELETE  what was taken away, with the name that the caller gave
//	CREATE  what was made, likewise
//	NORMAL  what was found and is about to be opened or changed, without a PARENT
//
// Inodes in these records are the kernel's and true. Names are the caller's words.

// choose picks the records that tell of the event's names.
func (e *work) choose() {
	c := &e.Call
	if !e.HasCall && e.Has(event.KindDelete) && e.Has(event.KindCreate) {
		c.Verb = event.VerbRename // its SYSCALL record is lost
	}
	switch c.Verb {
	case event.VerbRename:
		e.chooseRename()
		return
	case event.VerbLink:
		e.use(&e.path, e.first(event.KindNormal), nil, c.Dir)
		e.use(&e.dest, e.first(event.KindCreate), e.first(event.KindParent), c.Dest)
		return
	}

	it := e.first(event.KindDelete)
	if it == nil {
		it = e.first(event.KindCreate)
	}
	parent := e.first(event.KindParent)
	if it == nil {
		it = e.first(event.KindNormal)
	}
	if it == nil && parent == nil && c.Verb != event.VerbSymlink {
		it = e.first(event.KindUnknown)
	}
	e.use(&e.path, it, parent, c.Dir)
	if c.Verb == event.VerbSymlink {
		if target := e.first(event.KindUnknown); target != nil {
			e.Target = target.Name
		}
	}
}

// use makes n the name that a file's and its directory's record tell of.
func (e *work) use(n *place, it, parent *event.Item, dir int8) {
	n.event, n.item, n.parent, n.dirArg = e, it, parent, dir
	e.HasDest = e.HasDest || n == &e.dest
	if it != nil {
		n.given, n.Dev = it.Name, it.Dev
		n.Has, n.Ino, n.Mode = it.HasIno, it.Key.Ino, it.Mode
	}
}

// first is the untaken item of a kind with the lowest number; of those without
// an inode, which stand for a name before its file was made, only if there is
// no other.
func (e *work) first(kind event.Kind) *event.Item {
	var found *event.Item
	for i := range e.Items {
		p := &e.Items[i]
		if p.Kind != kind || p.Taken {
			continue
		}
		if found == nil || p.HasIno && !found.HasIno || p.HasIno == found.HasIno && p.Number < found.Number {
			found = p
		}
	}
	return found
}

func (e *work) parents() (two []*event.Item) {
	two = e.two[:0]
	for i := range e.Items {
		if p := &e.Items[i]; p.Kind == event.KindParent && len(two) < len(e.two) {
			two = append(two, p)
		}
	}
	return two
}

// fromCWD says whether a relative name starts from the working directory.
func (e *work) fromCWD(dir int8) bool {
	if !isAbs(e.Cwd) || e.adrift || e.ResolveFlags&(resolveInRoot|resolveBeneath) != 0 && dir < 0 {
		return false
	}
	return dir == event.DirCWD || dir >= 0 && uint32(e.Args[dir]) == atFDCWD
}

// openat2's flags under which even an absolute name starts from the descriptor.
const (
	resolveBeneath = 0x08
	resolveInRoot  = 0x10
)

// base is the directory a given name starts from: nothing for an absolute
// name, the working directory; ok is false if it is some descriptor's.
func (e *work) base(name []byte, dir int8) (base []byte, from event.From, ok bool) {
	switch {
	case isAbs(name) && e.ResolveFlags&resolveInRoot == 0:
		_, via := e.viaProc(name)
		return nil, event.FromAbsolute, !via
	case e.fromCWD(dir):
		return e.Cwd, event.FromCWD, true
	}
	return nil, event.FromNone, false
}

// lexical is a path without . and .. in it.
func (e *work) lexical(path []byte) []byte {
	start := len(e.Built)
	e.Built = appendLexical(e.Built, path)
	return e.Built[start:len(e.Built):len(e.Built)]
}

// mayFollow says whether the last part of the event's name may be a symlink that
// the call followed: the PARENT is then the directory it led to. Of the calls
// that have a PARENT, only those that may make a file by opening it do so.
func (e *work) mayFollow() bool {
	flags, _ := e.OpenFlags() // 0, which may follow, where nothing tells
	return e.Call.Verb == event.VerbOpen && flags&event.OpenExcl == 0
}

// isNameless says whether n is a file that has no name (O_TMPFILE). The kernel
// prints the name that the caller gave, which is the directory's, with the inode of
// the file.
func (e *work) isNameless(n *place) bool {
	flags, _ := e.OpenFlags()
	return flags&event.OpenTmpfile != 0 && n.given != nil && n.parent == nil && !n.item.IsDir()
}

// atFDCWD is AT_FDCWD as the low half of a system call's argument.
const atFDCWD = 0xffffff9c

// dirOf is the directory of an absolute path.
func dirOf(path []byte) []byte {
	dir, _ := splitName(path)
	if len(dir) > 1 {
		dir = dir[:len(dir)-1]
	}
	return dir
}
