package event

import "bytes"

// What deletes a tree is faster than whoever asks it where each directory was, and
// names the tree only when all of it is gone. But it stands somewhere in the tree
// meanwhile. Where it stands, and what is above that, is looked at from time to time:
// below a directory of which that is known, the records tell all the names.

// An acquaintance is a process that was looked around at.
type acquaintance struct {
	pid uint32
	at  int64 // when, in Unix milliseconds
}

const (
	meetAgain = 100 // milliseconds between two looks around at a process
	maxMet    = 64  // processes of which it is known when that was
)

// Meet looks around at a process that deletes or renames, unless that was done just now:
// at the directories that it has open, works in or was called with. It reports whether
// it did.
func (s *Stream) Meet(pid uint32) bool {
	if s.lookup == nil || pid == 0 {
		return false
	}
	_, anew := s.meet(pid)
	return anew
}

// meet is Meet. It returns when the process was looked around at, in Unix milliseconds.
func (s *Stream) meet(pid uint32) (at int64, anew bool) {
	a, now := s.acquaintance(pid), s.lookup.Now()
	if max(now-a.at, a.at-now) < meetAgain {
		return a.at, false
	}
	a.at = now
	if view, ok := s.lookup.View(pid); !ok || view != 0 {
		return now, true
	}
	s.lookup.Around(pid, func(path string, dev Dev, ino uint64, born int64) {
		now := s.lookup.Now() // what was renamed while we looked came before
		p := s.tree.awaited(inodeKey{dev, ino}, now, s.doubt, s.torn)
		if a := &p.answer; a.path == path && a.age(s.clock) <= briefly {
			a.again = now // the first one serves those who wait for it
		} else {
			*a = answer{path: path, looked: now, read: s.high, from: a.from, born: born}
		}
		s.tree.touch(p)
	})
	return now, true
}

// acquaintance is the process with that number, as one that was not looked at yet if it
// is none of the last.
func (s *Stream) acquaintance(pid uint32) *acquaintance {
	oldest := &s.met[0]
	for i := range s.met {
		a := &s.met[i]
		if a.pid == pid {
			return a
		}
		if a.at < oldest.at {
			oldest = a
		}
	}
	*oldest = acquaintance{pid: pid}
	return oldest
}

// underwayTo has a held event wait until what was seen above its names may count.
func (s *Stream) underwayTo(e *Event) {
	e.eachWaiting(func(n *Name) {
		if n.wait.next == nil {
			return
		}
		p := n.place
		for depth := 0; p != nil && depth < maxDepth && p.since <= e.First; depth++ {
			if a := s.tree.seen(p); a.path != "" && a.suits(e) {
				e.looked = max(e.looked, a.looked)
				return
			}
			p, _ = p.as(e.First)
		}
	})
}

// seen is where the directory at p was seen, perhaps as another of its places.
func (t *tree) seen(p *place) answer {
	if p.answer.path != "" || !p.hasKey {
		return p.answer
	}
	for _, q := range t.inodes[p.key] {
		if q.answer.path != "" {
			return q.answer
		}
	}
	return answer{}
}

// In a flood looks are ahead of the records: what was seen of a directory may be from
// after the event that ends what is known of it.

// leaves forgets where a directory was that an event has moved.
func (s *Stream) leaves(e *Event, key inodeKey) {
	later := s.tree.later(key, func(a answer) bool { return a.looked > e.ID.UnixMilli() })
	s.tree.forget(key)
	s.seenLater(key, later)
}

// ends forgets a directory that an event has deleted, by a name, once settle is done.
func (s *Stream) ends(e *Event, key inodeKey, name []byte, settle func()) {
	later := s.tree.later(key, func(a answer) bool { return a.born > e.ID.UnixMilli() })
	s.tree.doubtAnswers(key, name, e.ID.UnixMilli())
	settle()
	s.tree.forget(key)
	s.seenLater(key, later)
}

// later is what was seen of a directory that f agrees to.
func (t *tree) later(key inodeKey, f func(answer) bool) (found answer) {
	for _, p := range t.inodes[key] {
		if p.answer.path != "" && f(p.answer) {
			found = p.answer
		}
	}
	return found
}

func (s *Stream) seenLater(key inodeKey, a answer) {
	if a.path != "" {
		s.tree.answered(s.tree.awaited(key, a.looked, s.doubt, s.torn), a)
	}
}

// Caller returns the process that a record says made a call.
func Caller(typ Type, text []byte) (pid uint32, ok bool) {
	if typ != typeSyscall {
		return 0, false
	}
	_, rest, _ := bytes.Cut(text, []byte(" pid="))
	for i, c := range rest {
		if c < '0' || c > '9' {
			return pid, i > 0
		}
		pid = pid*10 + uint32(c-'0')
	}
	return 0, false
}
