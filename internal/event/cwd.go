package event

import "bytes"

// The kernel prints the working directory as it is when the call ends. A call may
// have moved it: a process renames a directory that it stands in, or one above; or
// it goes into a chroot, from where the path is another one. Names that started
// from it began elsewhere then, and what is printed says nothing of them. Nor does it
// where the directory's file system was unmounted lazily (umount -l): the path begins
// at what was mounted.

// movesCwd says whether the call may have changed the path of its process's
// working directory.
func (e *Event) movesCwd() bool {
	if e.Success == No {
		return false
	}
	switch e.call.name {
	case "chroot", "pivot_root":
		return true
	}
	if e.call.verb != verbRename || !e.Path.item.isDir() && !e.Exchange {
		return false
	}
	return e.mayHold(&e.Dest, &e.Path) || e.Exchange && e.mayHold(&e.Path, &e.Dest)
}

// mayHold says whether the working directory, as printed, may be in the directory
// that has the name at now and had the name old before.
func (e *Event) mayHold(at, old *Name) bool {
	if e.isHere(old) {
		return false
	}
	name := LastPart(at.given)
	return len(name) == 0 || hasPart(e.Cwd, string(name))
}

// isHere says whether n is in or below the working directory, so that what it names
// does not hold that: its name has one part. Where the kernel has lost the name, it
// prints the directory part still, or the working directory if there was none.
func (e *Event) isHere(n *Name) bool {
	if n.given != nil {
		dir, last := splitName(n.given)
		return e.fromCWD(n.dirArg) && len(dir) == 0 && len(last) > 0 && string(last) != ".." && string(last) != "."
	}
	for _, p := range e.parents() {
		if bytes.Equal(p.name, e.Cwd) || len(p.name) > 0 && !isAbs(p.name) && !bytes.Contains(p.name, []byte("..")) {
			return true
		}
	}
	return false
}

// elsewhere says whether the working directory cannot have the path that is printed,
// for its file system is not mounted there: what a name of one part starts from is the
// PARENT.
func (s *Stream) elsewhere(e *Event) bool {
	if s.lookup == nil {
		return false
	}
	for _, n := range []*Name{&e.Path, &e.Dest} {
		if n.parent == nil || !n.parent.hasIno || !e.fromCWD(n.dirArg) {
			continue
		}
		if dir, last := splitName(n.given); len(dir) == 0 && len(last) > 0 && !s.lookup.Lies(e.Cwd, n.parent.key.dev) {
			return true
		}
	}
	return false
}

// hasPart says whether the last part of name is one of path's.
func hasPart(path []byte, name string) bool {
	last := LastPart(name)
	for rest := path; len(rest) > 0; {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte("/"))
		if string(part) == last {
			return true
		}
	}
	return false
}
