package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// An orphan is the name of a file of which no record has the directory: it starts
// from a descriptor, or is one. Its event waits, and one of three finds it:
//
//   - The process, if it lives and has the file or the directory open still.
//   - The file itself, seen in a directory that the process named a moment ago,
//     with this only name and not changed since, by its times: chmod -R has ended.
//   - A record by which the file is deleted or renamed: by the same process, name and
//     descriptor, which stood for the same directory shortly after both calls; or by
//     anybody, in the directory in which it was made under that name.
//
// What was seen counts only if no record tells that the file moved meanwhile. A file
// that is known by its own descriptor is sought by the name it was opened by.
type orphan struct {
	name  []byte      // that it was given, or opened by
	fd    uint32      // that the name starts from
	start event.Inode // of that directory, shortly after the call; zero if not known
	dir   *event.Item // the PARENT of what made it, perhaps through a link; nil if there was none
	seen  sight       // where the file was seen
}

// A sight is where a file was seen.
type sight struct {
	dir  *dirtree.Node // nil for nowhere
	last string        // the file's name there
	at   int64         // when, in Unix milliseconds
}

// orphanSeen makes n's path from where its file was seen. Records of the file since
// would have told, see amend.
func (s *Stream) orphanSeen(n *place) bool {
	o, e := &n.orphan.seen, n.event
	if o.dir == nil || !s.hasRead(dirtree.Look{At: o.at}) || s.dropped.spans(e, o.at) {
		return false
	}
	t := s.climb(e, o.dir, true)
	if t.answer != proven || t.from == event.FromClaimed {
		return false
	}
	start := len(e.Built)
	e.Built = append(append(s.appendTrace(e.Built, t), '/'), o.last...)
	n.Path, n.From = e.Built[start:len(e.Built):len(e.Built)], event.FromProc
	return true
}

// maxOrphans bounds how many files wait so; others are unresolved at once.
const maxOrphans = 4096

// adopt lets n wait as an orphan, and says whether there is any hope for it.
func (s *Stream) adopt(e *work, n *place) bool {
	if !s.seek(e, n) || len(s.orphans) >= maxOrphans {
		return false
	}
	if s.orphans == nil {
		s.orphans = map[event.Inode]*slot{}
	}
	ring := s.orphans[n.item.Key]
	if ring == nil {
		ring = new(slot)
		ring.init()
		s.orphans[n.item.Key] = ring
	}
	n.wait.name = n
	n.wait.join(ring)
	e.unsolved++
	return true
}

// seek looks for the file that n names, and says whether anything was found.
func (s *Stream) seek(e *work, n *place) bool {
	if s.lookup == nil || n.item == nil || !n.item.HasIno || n.item.Key.Ino == 0 || e.Success != event.Yes || e.PID == 0 {
		return false
	}
	n.orphan = orphan{name: n.given, dir: n.parent}
	path := s.askFile(e, n)
	if fd, open := e.openFile(n); open {
		s.recallLoose(e, n, fd)
	} else if fd, ok := e.descriptor(n); ok && len(n.given) > 0 {
		n.orphan.fd = fd
		if _, key, ok := s.openDir(e, fd); ok {
			n.orphan.start = key
		}
	}
	o := &n.orphan
	if path == "" && o.dir == nil && len(o.name) > 0 {
		path = s.nearby(e, n)
	}
	if path != "" {
		o.seen = sight{s.lookAlong(dirOf([]byte(path)), true), lastPart(path), s.lookup.Now()}
		e.looked = max(e.looked, o.seen.at)
	}
	return path != "" || o.dir != nil || o.start != event.Inode{}
}

// recallLoose seeks a file that is known by its own descriptor by the name that its
// process opened it by.
func (s *Stream) recallLoose(e *work, n *place, fd int32) {
	g, known := s.giving(e, n.item.Key)
	if !known || g.file != int64(fd) {
		return
	}
	n.orphan = orphan{name: []byte(g.name), fd: g.fd, start: g.start, dir: g.dir}
	if g.path != "" {
		n.orphan = orphan{name: []byte(g.path), fd: g.fd, start: g.start}
	}
}

// leave ends n's time as an orphan.
func (s *Stream) leave(n *place) {
	n.wait.unlink()
	if ring := s.orphans[n.item.Key]; ring.next == ring {
		delete(s.orphans, n.item.Key)
	}
}

// reunite takes from an event what it says about the orphans' files.
func (s *Stream) reunite(e *work) {
	if len(s.orphans) == 0 || e.Success == event.No {
		return
	}
	for i := range e.Items {
		p := &e.Items[i]
		ring := s.orphans[p.Key]
		if ring == nil || p.Kind != event.KindDelete && p.Kind != event.KindCreate {
			continue
		}
		for w := ring.next; w != ring; {
			n := w.name
			w = w.next
			if n.event == e {
				continue
			}
			s.amend(e, &n.orphan.seen, p)
			if p == e.path.item && s.shares(e, n) {
				s.leave(n)
				n.given, n.parent = n.orphan.name, e.path.parent.Keep()
				s.await(n.event, n)
				s.solved(n.event)
			}
		}
	}
}

// amend makes of where a file was seen what that was before the event, which has a
// record of the file.
func (s *Stream) amend(e *work, a *sight, p *event.Item) {
	switch {
	case a.dir == nil || e.ID.UnixMilli() > a.at:
	case p == e.overwritten || e.Call.Verb == event.VerbDelete: // it was seen before
	case e.Call.Verb != event.VerbRename:
		if string(lastPart(e.dest.given)) == a.last {
			*a = sight{}
		}
	case e.Exchange || e.path.parent == nil || e.dest.parent == nil:
		*a = sight{}
	case a.in(&e.dest):
		a.dir, a.last = s.tree.Node(idOf(e.path.parent.Key)), string(lastPart(e.path.given))
	case !a.in(&e.path):
		*a = sight{}
	}
}

// in says whether the file was seen under a name.
func (a *sight) in(n *place) bool {
	return a.dir.ID() == idOf(n.parent.Key) && a.last == string(lastPart(n.given))
}

// shares says whether an event takes a file away by the very name that n is.
func (s *Stream) shares(e *work, n *place) bool {
	gone, o := &e.path, &n.orphan
	if gone.item.Kind != event.KindDelete || gone.parent == nil || !gone.parent.HasIno || e.Exchange || gone.given == nil {
		return false
	}
	if o.dir != nil {
		return gone.parent.Key == o.dir.Key && bytes.Equal(lastPart(gone.given), lastPart(o.name))
	}
	fd, ok := e.descriptor(gone)
	if !ok || fd != o.fd || e.PID != n.event.PID || o.start == (event.Inode{}) || !bytes.Equal(gone.given, o.name) {
		return false
	}
	if bytes.IndexByte(o.name, '/') < 0 {
		return gone.parent.Key == o.start
	}
	_, key, ok := s.openDir(e, fd)
	return ok && o.start == key
}

// doubtOrphans makes the orphans' descriptors stand for nothing: events were lost.
func (s *Stream) doubtOrphans() {
	for _, ring := range s.orphans {
		for w := ring.next; w != ring; w = w.next {
			w.name.orphan.start, w.name.orphan.dir, w.name.orphan.seen = event.Inode{}, nil, sight{}
		}
	}
}

// A visit is a directory that a process named a moment ago.
type visit struct {
	pid uint32
	dir []byte
}

// Of how many visits the stream knows, and how many are tried for one file.
const (
	maxVisits = 64
	maxTries  = 8
)

// visit remembers the directories that an event names, for those who walk over
// trees without deleting them.
func (s *Stream) visit(e *work) {
	if s.lookup == nil || e.PID == 0 || e.Call.Verb == event.VerbDelete || e.Call.Verb == event.VerbRename {
		return
	}
	for _, n := range []*place{&e.path, &e.dest} {
		switch {
		case n.item == nil:
		case n.item.IsDir() && n.parent == nil && n.node != nil && !n.known():
			if path, ok := s.appendLatest(nil, n.node); ok {
				s.visited(e.PID, path)
			}
		case !n.known():
		case n.item.IsDir():
			s.visited(e.PID, n.Path)
		default:
			dir, _ := splitName(n.Path)
			s.visited(e.PID, dir)
		}
	}
}

// visited puts a directory first among the visits.
func (s *Stream) visited(pid uint32, dir []byte) {
	if len(s.visits) == 0 {
		s.visits = make([]visit, maxVisits)
	}
	at := len(s.visits) - 1 // the oldest makes room
	for i := range s.visits {
		if s.visits[i].pid == pid && bytes.Equal(s.visits[i].dir, dir) {
			at = i
			break
		}
	}
	v := s.visits[at]
	copy(s.visits[1:at+1], s.visits[:at])
	s.visits[0] = visit{pid, append(v.dir[:0], dir...)}
}

// nearby is the path at which the file n is seen in a directory that its process
// has visited, empty for none.
func (s *Stream) nearby(e *work, n *place) (found string) {
	s.eachVisit(e, n.orphan.name, func(path []byte, dir int) bool {
		if !s.lookup.Still(path, dir, n.item.Key.Dev, n.item.Key.Ino, e.ID.UnixMilli()) {
			return false
		}
		found = string(path)
		return true
	})
	return found
}

// eachVisit calls f with what a name is in each of the directories that its process
// visited, the last first, until f returns true. dir is the length of the directory.
func (s *Stream) eachVisit(e *work, name []byte, f func(path []byte, dir int) bool) {
	if isAbs(name) {
		f(appendLexical(s.scratch[:0], name), 0)
		return
	}
	tries := 0
	for i := range s.visits {
		v := &s.visits[i]
		if v.pid != e.PID {
			continue
		}
		if tries++; tries > maxTries {
			return
		}
		path, plain := appendJoined(s.scratch[:0], v.dir, name, true)
		s.scratch = path
		if plain && f(path, len(v.dir)) {
			return
		}
	}
}

// askFile looks at the process for a file of which no record has the directory: at
// a descriptor of the file itself, or of the directory that its name starts from.
// It returns the file's path, empty for none.
func (s *Stream) askFile(e *work, n *place) string {
	if path, ok := s.ofFile(e, n); ok {
		return path
	}
	return s.fromDir(e, n)
}

// sooner is a moment before the event: programs make and delete files, whose
// inodes the next ones get, faster than the kernel's clock of events goes on.
func sooner(e *work) int64 { return e.ID.UnixMilli() - 1 }

// ofFile is the path of the descriptor that the call was given, or returned.
func (s *Stream) ofFile(e *work, n *place) (path string, ok bool) {
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
	path, dev, ino, ok := s.lookup.FD(e.PID, fd, at)
	if !ok || n.item.Key != (event.Inode{Dev: dev, Ino: ino}) || !isAbs([]byte(path)) {
		return "", false
	}
	// A file system may give the inode of a deleted file to the next one, and the
	// process may have that one open by now.
	dir, base := splitName([]byte(path))
	if last, via := lastPart(n.given), e.isVia(n); len(last) > 0 && !via && !bytes.Equal(last, base) {
		return "", false
	}
	return path, n.parent == nil || s.lookup.Is(dir, n.parent.Key.Dev, n.parent.Key.Ino)
}

// fromDir is the path of a name that starts from a descriptor. By now that
// may stand for another directory; if the file has one name only, and it is this
// one, it is the one it had.
func (s *Stream) fromDir(e *work, n *place) string {
	if len(n.given) == 0 || n.parent != nil {
		return ""
	}
	path, ok := s.belowFD(e, n, n.given)
	if !ok || !s.lookup.Only(path, n.item.Key.Dev, n.item.Key.Ino, sooner(e)) {
		return ""
	}
	return string(path)
}

// anyAge is the time at which nothing is too young.
const anyAge = 1<<63 - 1

// known says whether n's path is.
func (n *place) known() bool {
	return n.From != event.FromUnresolved && n.From != event.FromNone && isAbs(n.Path)
}
