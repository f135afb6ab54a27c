package event

import (
	"bytes"
	"strconv"
)

// The kernel prints the working directory as it is when the call ends. A call may
// have moved it: a process renames a directory that it stands in, or one above; or
// it goes into a chroot, from where the path is another one. Names that started
// from it began elsewhere then, and what is printed says nothing of them.

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
	name := lastPart(at.given)
	if len(name) == 0 {
		return true
	}
	for _, part := range bytes.Split(e.Cwd, []byte("/")) {
		if bytes.Equal(part, name) {
			return true
		}
	}
	return false
}

// isHere says whether n is in or below the working directory, so that what it names
// does not hold that: its name has one part. Where the kernel has lost the name, it
// prints the directory part still, or the working directory if there was none.
func (e *Event) isHere(n *Name) bool {
	if n.given != nil {
		dir, last := splitName(n.given)
		return len(dir) == 0 && len(last) > 0 && string(last) != ".." && string(last) != "."
	}
	for _, p := range e.parents() {
		if bytes.Equal(p.name, e.Cwd) || len(p.name) > 0 && !isAbs(p.name) && !bytes.Contains(p.name, []byte("..")) {
			return true
		}
	}
	return false
}

// Names below /proc/PID lead to where nobody can tell from them: to the files and
// directories that a process has open, or stands in.
var procLinks = [...]string{"fd", "cwd", "root", "exe", "map_files"}

// viaProc says whether a name leads through such a link. fd is the descriptor that
// it stands for if it is the whole name and the event's process's own, else -1.
func (e *Event) viaProc(name []byte) (fd int32, via bool) {
	if len(name) < 2 || name[0] != '/' || name[1] != 'p' && name[1] != 'd' {
		return -1, false // nearly all
	}
	rest, ok := bytes.CutPrefix(name, []byte("/dev/fd/"))
	if ok {
		return descriptorName(rest), true
	}
	if rest, ok = bytes.CutPrefix(name, []byte("/proc/")); !ok {
		return -1, false
	}
	who, rest, _ := bytes.Cut(rest, []byte("/"))
	own := string(who) == "self" || string(who) == "thread-self" || decimal(who) == uint64(e.PID) && e.PID != 0
	if !own && (len(who) == 0 || who[0] < '0' || who[0] > '9') {
		return -1, false
	}
	if after, ok := bytes.CutPrefix(rest, []byte("task/")); ok {
		_, rest, _ = bytes.Cut(after, []byte("/"))
	}
	link, rest, _ := bytes.Cut(rest, []byte("/"))
	for _, l := range procLinks {
		if string(link) != l {
			continue
		}
		if own && l == "fd" {
			return descriptorName(rest), true
		}
		return -1, true
	}
	return -1, false
}

// isVia says whether n's name leads through such a link.
func (e *Event) isVia(n *Name) bool {
	_, via := e.viaProc(n.given)
	return via
}

// descriptorName reads a name that is a descriptor's number, -1 if it is not.
func descriptorName(name []byte) int32 {
	n, err := strconv.ParseInt(string(name), 10, 32)
	if err != nil || n < 0 {
		return -1
	}
	return int32(n)
}

// openFile is the descriptor of the file itself that the call was given.
func (e *Event) openFile(n *Name) (fd int32, ok bool) {
	if e.call.fd >= 0 {
		return int32(uint32(e.args[e.call.fd])), true
	}
	fd, _ = e.viaProc(n.given)
	return fd, fd >= 0
}
