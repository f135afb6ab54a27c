package event

import "bytes"

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
	name   []byte   // that it was given, or opened by
	fd     uint32   // that the name starts from
	start  inodeKey // of that directory, shortly after the call; zero if not known
	dir    *item    // the PARENT of what made it, perhaps through a link; nil if there was none
	answer answer   // where the file was seen
}

// maxOrphans bounds how many files wait so; others are unresolved at once.
const maxOrphans = 4096

// adopt lets n wait as an orphan, and says whether there is any hope for it.
func (s *Stream) adopt(e *Event, n *Name) bool {
	if !s.seek(e, n) || len(s.orphans) >= maxOrphans {
		return false
	}
	if s.orphans == nil {
		s.orphans = map[inodeKey]*slot{}
	}
	ring := s.orphans[n.item.key]
	if ring == nil {
		ring = new(slot)
		ring.init()
		s.orphans[n.item.key] = ring
	}
	n.wait.name = n
	n.wait.join(ring)
	e.unsolved++
	return true
}

// seek looks for the file that n names, and says whether anything was found.
func (s *Stream) seek(e *Event, n *Name) bool {
	if s.lookup == nil || n.item == nil || !n.item.hasIno || n.item.key.ino == 0 || e.Success != Yes || e.PID == 0 {
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
		o.answer = s.saw(e, path)
	}
	return path != "" || o.dir != nil || o.start != inodeKey{}
}

// recallLoose seeks a file that is known by its own descriptor by the name that its
// process opened it by.
func (s *Stream) recallLoose(e *Event, n *Name, fd int32) {
	g, known := s.giving(e, n.item.key)
	if !known || g.file != int64(fd) {
		return
	}
	n.orphan = orphan{name: []byte(g.name), fd: g.fd, start: g.start, dir: g.dir}
	if g.path != "" {
		n.orphan = orphan{name: []byte(g.path), fd: g.fd, start: g.start}
	}
}

// leave ends n's time as an orphan.
func (s *Stream) leave(n *Name) {
	n.wait.unlink()
	if ring := s.orphans[n.item.key]; ring.next == ring {
		delete(s.orphans, n.item.key)
	}
}

// reunite takes from an event what it says about the orphans' files.
func (s *Stream) reunite(e *Event) {
	if len(s.orphans) == 0 || e.Success == No {
		return
	}
	for i := range e.paths {
		p := &e.paths[i]
		ring := s.orphans[p.key]
		if ring == nil || p.kind != ntDelete && p.kind != ntCreate {
			continue
		}
		for w := ring.next; w != ring; {
			n := w.name
			w = w.next
			if n.event == e {
				continue
			}
			e.amend(&n.orphan.answer, p)
			if p == e.Path.item && s.shares(e, n) {
				s.leave(n)
				n.given, n.parent = n.orphan.name, e.Path.parent.keep()
				s.await(n.event, n)
				s.solved(n.event)
			}
		}
	}
}

// amend makes of where a file was seen what that was before the event, which has a
// record of the file.
func (e *Event) amend(a *answer, p *item) {
	switch {
	case a.path == "" || e.ID.UnixMilli() > a.looked:
	case p == e.overwritten || e.call.verb == verbDelete: // it was seen before
	case e.call.verb != verbRename:
		if string(lastPart(e.Dest.given)) == lastPart(a.path) {
			*a = answer{}
		}
	case e.Exchange || !e.Path.known() || !e.Dest.known():
		*a = answer{}
	case a.path == string(e.Dest.Path):
		a.path = string(e.Path.Path)
	case a.path != string(e.Path.Path):
		*a = answer{}
	}
}

// shares says whether an event takes a file away by the very name that n is.
func (s *Stream) shares(e *Event, n *Name) bool {
	gone, o := &e.Path, &n.orphan
	if gone.item.kind != ntDelete || gone.parent == nil || !gone.parent.hasIno || e.Exchange || gone.given == nil {
		return false
	}
	if o.dir != nil {
		return gone.parent.key == o.dir.key && bytes.Equal(lastPart(gone.given), lastPart(o.name))
	}
	fd, ok := e.descriptor(gone)
	if !ok || fd != o.fd || e.PID != n.event.PID || o.start == (inodeKey{}) || !bytes.Equal(gone.given, o.name) {
		return false
	}
	if bytes.IndexByte(o.name, '/') < 0 {
		return gone.parent.key == o.start
	}
	_, key, ok := s.openDir(e, fd)
	return ok && o.start == key
}

// doubtOrphans makes the orphans' descriptors stand for nothing: events were lost.
func (s *Stream) doubtOrphans() {
	for _, ring := range s.orphans {
		for w := ring.next; w != ring; w = w.next {
			w.name.orphan.start, w.name.orphan.dir, w.name.orphan.answer = inodeKey{}, nil, answer{}
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
func (s *Stream) visit(e *Event) {
	if s.lookup == nil || e.PID == 0 || e.call.verb == verbDelete || e.call.verb == verbRename {
		return
	}
	for _, n := range []*Name{&e.Path, &e.Dest} {
		switch {
		case n.item == nil:
		case n.item.isDir() && n.parent == nil && n.place != nil && n.place.asked == e.PID && n.place.answer.path != "":
			s.visited(e.PID, []byte(n.place.answer.path))
		case !n.known():
		case n.item.isDir():
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
func (s *Stream) nearby(e *Event, n *Name) (found string) {
	s.eachVisit(e, n.orphan.name, func(path []byte, dir int) bool {
		if !s.lookup.Still(path, dir, n.item.key.dev, n.item.key.ino, e.ID.UnixMilli()) {
			return false
		}
		found = string(path)
		return true
	})
	return found
}

// eachVisit calls f with what a name is in each of the directories that its process
// visited, the last first, until f returns true. dir is the length of the directory.
func (s *Stream) eachVisit(e *Event, name []byte, f func(path []byte, dir int) bool) {
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
