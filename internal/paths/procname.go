package paths

import (
	"bytes"
	"strconv"
)

// Names below /proc/PID lead to where nobody can tell from them: to the files and
// directories that a process has open, or stands in.
var procLinks = [...]string{"fd", "cwd", "root", "exe", "map_files"}

//
// Only one kind tells something: /proc/self/fd/N and its like is the process's own
// descriptor N, and what that is open on can be looked at. All others make a name that no
// words can prove, and that is looked for by its inode.

// viaProc says whether a name leads through such a link. fd is the descriptor that
// it stands for if it is the whole name and the event's process's own, else -1.
func (e *work) viaProc(name []byte) (fd int32, via bool) {
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
	own := string(who) == "self" || string(who) == "thread-self" || e.isPID(who)
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

// isPID says whether who is the number of the event's process.
func (e *work) isPID(who []byte) bool {
	n, err := strconv.ParseUint(string(who), 10, 32)
	return err == nil && n == uint64(e.PID) && e.PID != 0
}

// isVia says whether n's name leads through such a link.
func (e *work) isVia(n *place) bool {
	_, via := e.viaProc(n.given)
	return via
}

// A number with anything behind it (/proc/self/fd/5/f) is a path below the descriptor, which
// may be a link's target, and stands for nothing here.

// descriptorName reads a name that is a descriptor's number, -1 if it is not.
func descriptorName(name []byte) int32 {
	n, err := strconv.ParseInt(string(name), 10, 32)
	if err != nil || n < 0 {
		return -1
	}
	return int32(n)
}

// openFile is the descriptor of the file itself that the call was given.
func (e *work) openFile(n *place) (fd int32, ok bool) {
	if e.Call.FD >= 0 {
		return int32(uint32(e.Args[e.Call.FD])), true
	}
	fd, _ = e.viaProc(n.given)
	return fd, fd >= 0
}
