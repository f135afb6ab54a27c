package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/event"
)

// This file looks where the process that made the call is, or was when it was looked at. All
// that it finds there is a claim: a process may open, close and rename as it likes while it
// is looked at. So a path from here only tells where to look; the directory or the file must
// be seen there, with the inode that the record has.

// lookAsCaller looks along the paths that the event's process tells: of its descriptor,
// of the directories it has named, and of the words of its command line. It says
// whether the directory was there.
func (s *looks) lookAsCaller(e *work, n *place) (found bool) {
	key := n.node.ID()
	at := func(path []byte) bool {
		found = found || isAbs(path) && s.lookAlong(path, true) == n.node
		return found
	}
	if fd, ok := e.standing(n); ok {
		if path, open, ok := s.openDir(e, fd); ok && idOf(open) == key && at([]byte(path)) {
			return true
		}
	}
	if dir, _ := splitName(n.given); n.parent != nil && len(dir) > 0 {
		if path, ok := s.belowFD(e, n, dir); ok && at(path) {
			return true
		}
	}
	if n.dirArg >= 0 && n.parent == nil && len(n.given) > 0 {
		s.eachVisit(e, n.given, func(path []byte, _ int) bool { return at(bytes.Clone(path)) })
	}
	if !found {
		s.eachWord(e, func(path []byte) bool { return at(bytes.Clone(path)) })
	}
	return found
}

// standing is the descriptor which stands for n's directory: the one which the name
// starts from, or the one that the call is about itself.
func (e *work) standing(n *place) (fd uint32, ok bool) {
	switch file, open := e.openFile(n); {
	case n.parent != nil:
		return e.descriptor(n)
	case open:
		return uint32(file), true
	case e.Call.Verb == event.VerbOpen && e.Success == event.Yes:
		return uint32(e.Exit), true
	}
	return 0, false
}

// An opened is what a process's descriptor turned out to be open on.
type opened struct {
	pid, fd uint32
	event   uint64 // for which it was asked, by its first sequence
	path    string
	key     event.Inode
	ok      bool
}

// openDir is the directory that the event's process has a descriptor open on. An
// event that wants to know it again gets the same answer.
func (s *looks) openDir(e *work, fd uint32) (path string, key event.Inode, ok bool) {
	o := &s.opened
	if o.event != e.First || o.pid != e.PID || o.fd != fd {
		*o = opened{pid: e.PID, fd: fd, event: e.First}
		o.path, o.key, o.ok = s.descriptor(e.PID, int32(fd), e.ID.UnixMilli()+clockStep)
	}
	return o.path, o.key, o.ok
}

// descriptor is what a process's descriptor is open on. Numbers of processes and inodes are
// given again: ok is false if the process or the file is known to be younger than at.
func (s *looks) descriptor(pid uint32, fd int32, at int64) (path string, key event.Inode, ok bool) {
	path, f, began, ok := s.host.Descriptor(pid, fd)
	return path, f.Inode, ok && began <= at && f.before(at)
}

// still says whether the file at a path is the one that a record tells of, with this only
// name and not changed since at, and no directory below the first dir bytes of path is a link.
func (s *looks) still(path []byte, dir int, key event.Inode, at int64) bool {
	f := s.host.Stat(path)
	if !f.only(key, at) || !f.unchanged(at) {
		return false
	}
	for i := dir + 1; i < len(path); i++ {
		if path[i] == '/' && !s.host.Stat(path[:i]).Dir {
			return false
		}
	}
	return true
}

// belowFD is the path of a relative name below the directory that n's descriptor is
// open on by now.
func (s *looks) belowFD(e *work, n *place, name []byte) (path []byte, ok bool) {
	fd, ok := e.descriptor(n)
	if !ok || s.host == nil {
		return nil, false
	}
	dir, _, ok := s.openDir(e, fd)
	if !ok || !isAbs([]byte(dir)) {
		return nil, false
	}
	return appendJoined(nil, []byte(dir), name, true)
}

// maxGuesses bounds how many words of a command line are tried.
const maxGuesses = 8

// eachWord calls f with the paths that the words of the command line may be, until
// it returns true.
func (s *looks) eachWord(e *work, f func(path []byte) bool) {
	if !isAbs(e.Cwd) {
		return
	}
	_, rest, _ := bytes.Cut(e.Title, []byte{0})
	for range maxGuesses {
		if len(rest) == 0 {
			return
		}
		var word []byte
		word, rest, _ = bytes.Cut(rest, []byte{0})
		if len(word) > 0 && word[0] == '-' { // --backup-dir=DIR
			_, word, _ = bytes.Cut(word, []byte("="))
		}
		if len(word) == 0 {
			continue
		}
		base := e.Cwd
		if isAbs(word) {
			base = nil
		}
		path, plain := appendJoined(nil, base, word, base != nil)
		if plain && f(path) {
			return
		}
	}
}

// nearby is the path at which the file n is seen in a directory that its process
// has visited, empty for none.
//
// Claim: the file that the event was about is the one in that directory.
// Why it is sound: it has the inode, one name only, is no younger than the event, and was
// not changed since: its times would tell. No directory on the way is a link.
// What would break it: times that were set back, which takes another change.
// Test: TestOrphanSeen.
func (s *looks) nearby(e *work, n *place) (found string) {
	s.eachVisit(e, n.orphan.name, func(path []byte, dir int) bool {
		if !s.still(path, dir, n.item.Key, e.ID.UnixMilli()) {
			return false
		}
		found = string(path)
		return true
	})
	return found
}

// askFile looks at the process for a file of which no record has the directory: at
// a descriptor of the file itself, or of the directory that its name starts from.
// It returns the file's path, empty for none.
func (s *looks) askFile(e *work, n *place) string {
	if path, ok := s.ofFile(e, n); ok {
		return path
	}
	return s.fromDir(e, n)
}

// ofFile is the path of the descriptor that the call was given, or returned.
//
// Claim: the file has that path now.
// Why it is sound: the descriptor is open on the file's own inode, of which the record tells,
// and the path that the kernel prints for it leads there.
// What would break it: another file with the inode by now. So neither the process nor the
// file may be younger than the event, the last part must be the one given, and where there is
// a PARENT the directory must be that.
// Test: TestAsk.
func (s *looks) ofFile(e *work, n *place) (path string, ok bool) {
	fd, _ := e.openFile(n)
	switch {
	case fd >= 0:
	case e.Call.Verb == event.VerbOpen:
		fd = int32(e.Exit)
	case n.dirArg >= 0 && n.given != nil && len(n.given) == 0: // AT_EMPTY_PATH
		fd = int32(uint32(e.Args[n.dirArg]))
	}
	if fd < 0 {
		return "", false
	}
	at := sooner(e)
	if n.parent != nil {
		at = anyAge // made by this call, hence younger
	}
	path, key, ok := s.descriptor(e.PID, fd, at)
	if !ok || n.item.Key != key || !isAbs([]byte(path)) {
		return "", false
	}
	// A file system may give the inode of a deleted file to the next one, and the
	// process may have that one open by now.
	dir, base := splitName([]byte(path))
	if last, via := lastPart(n.given), e.isVia(n); len(last) > 0 && !via && !bytes.Equal(last, base) {
		return "", false
	}
	return path, n.parent == nil || s.host.Stat(dir).is(n.parent.Key)
}

// fromDir is the path of a name that starts from a descriptor. By now that
// may stand for another directory; if the file has one name only, and it is this
// one, it is the one it had.
//
// Claim: the file had the name below the descriptor's directory at the event.
// Why it is sound: the file is there now under its inode, is no younger than the event, and
// has no other name that could have been meant.
// What would break it: a rename of the file in between, which is an event and amends.
// Test: TestAsk.
func (s *looks) fromDir(e *work, n *place) string {
	if len(n.given) == 0 || n.parent != nil {
		return ""
	}
	path, ok := s.belowFD(e, n, n.given)
	if !ok || !s.host.Stat(path).only(n.item.Key, sooner(e)) {
		return ""
	}
	return string(path)
}

// sooner is a moment before the event: programs make and delete files, whose
// inodes the next ones get, faster than the kernel's clock of events goes on.
func sooner(e *work) int64 { return e.ID.UnixMilli() - 1 }

// anyAge is the time at which nothing is too young.
const anyAge = 1<<63 - 1

// startsFrom says whether the directory that a name is relative to is certainly dir.
func (s *looks) startsFrom(e *work, n *place, dir *event.Item) bool {
	if e.fromCWD(n.dirArg) {
		return s.host != nil && s.host.Stat(e.Cwd).is(dir.Key)
	}
	if s.host == nil || n.dirArg < 0 {
		return false
	}
	_, key, ok := s.openDir(e, uint32(e.Args[n.dirArg]))
	return ok && dir.Key == key
}

// elsewhere says whether the working directory cannot have the path that is printed,
// for its file system is not mounted there: what a name of one part starts from is the
// PARENT.
func (s *looks) elsewhere(e *work) bool {
	if s.host == nil {
		return false
	}
	for _, n := range []*place{&e.path, &e.dest} {
		if n.parent == nil || !n.parent.HasIno || !e.fromCWD(n.dirArg) {
			continue
		}
		if dir, last := splitName(n.given); len(dir) == 0 && len(last) > 0 && !s.host.Mounted(e.Cwd, n.parent.Key.Dev) {
			return true
		}
	}
	return false
}
