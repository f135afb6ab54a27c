package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/event"
)

// The kernel prints the working directory as it is when the call ends. A call may
// have moved it: a process renames a directory that it stands in, or one above; or
// it goes into a chroot, from where the path is another one. Names that started
// from it began elsewhere then, and what is printed says nothing of them. Nor does it
// where the directory's file system was unmounted lazily (umount -l): the path begins
// at what was mounted.

// movesCwd says whether the call may have changed the path of its process's
// working directory.
//
// For example, a shell in /srv/a/b renames /srv/a to /srv/c. The record says cwd="/srv/c/b",
// though the name that it gave began in /srv/a/b. A name that starts there is not looked
// for along the words, but by the inode of its directory.
func (e *work) movesCwd() bool {
	if e.Success == event.No {
		return false
	}
	switch e.Call.Name {
	case "chroot", "pivot_root":
		return true
	}
	if e.Call.Verb != event.VerbRename || !e.path.item.IsDir() && !e.Exchange {
		return false
	}
	return e.mayHold(&e.dest, &e.path) || e.Exchange && e.mayHold(&e.path, &e.dest)
}

// mayHold says whether the working directory, as printed, may be in the directory
// that has the name at now and had the name old before.
func (e *work) mayHold(at, old *place) bool {
	if e.isHere(old) {
		return false
	}
	name := lastPart(at.given)
	return len(name) == 0 || hasPart(e.Cwd, string(name))
}

// isHere says whether n is in or below the working directory, so that what it names
// does not hold that: its name has one part. Where the kernel has lost the name, it
// prints the directory part still, or the working directory if there was none.
func (e *work) isHere(n *place) bool {
	if n.given != nil {
		dir, last := splitName(n.given)
		return e.fromCWD(n.dirArg) && len(dir) == 0 && len(last) > 0 && string(last) != ".." && string(last) != "."
	}
	for _, p := range e.parents() {
		if bytes.Equal(p.Name, e.Cwd) || len(p.Name) > 0 && !isAbs(p.Name) && !bytes.Contains(p.Name, []byte("..")) {
			return true
		}
	}
	return false
}

// hasPart says whether the last part of name is one of path's.
func hasPart(path []byte, name string) bool {
	last := lastPart(name)
	for rest := path; len(rest) > 0; {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte("/"))
		if string(part) == last {
			return true
		}
	}
	return false
}
