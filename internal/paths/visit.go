package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A walk over a tree that changes files by descriptors (chmod -R, chown -R) names directories
// and then files in them, of which the records have no directory. Which directories a process
// named lately tells where to look for such a file.

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
func (s *memory) visit(e *work) {
	if s.host == nil || e.PID == 0 || e.Call.Verb == event.VerbDelete || e.Call.Verb == event.VerbRename {
		return
	}
	for _, n := range []*place{&e.path, &e.dest} {
		switch {
		case n.item == nil:
		// Its own event has no path yet, but where it was seen is good enough to look at.
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

// visited puts a directory first among the visits. They are few, and most processes name the
// same ones again and again, so that a list that is searched is as fast as anything.
func (s *memory) visited(pid uint32, dir []byte) {
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

// eachVisit calls f with what a name is in each of the directories that its process
// visited, the last first, until f returns true. dir is the length of the directory.
func (s *memory) eachVisit(e *work, name []byte, f func(path []byte, dir int) bool) {
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
