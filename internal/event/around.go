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
	maxMet    = 16  // processes of which it is known when that was
)

// Meet looks around at a process that deletes or renames, unless that was done just now:
// at the directories that it has open, works in or was called with.
func (s *Stream) Meet(pid uint32) {
	if s.lookup != nil && pid != 0 {
		s.meet(pid)
	}
}

// meet is Meet. It returns when the process was looked around at, in Unix milliseconds.
func (s *Stream) meet(pid uint32) (at int64) {
	a, now := s.acquaintance(pid), s.lookup.Now()
	if max(now-a.at, a.at-now) < meetAgain {
		return a.at
	}
	a.at = now
	if view, ok := s.lookup.View(pid); !ok || view != 0 {
		return now
	}
	s.lookup.Around(pid, func(path string, dev Dev, ino uint64, born int64) {
		p := s.tree.awaited(inodeKey{dev, ino}, now, s.doubt, s.torn)
		if a := &p.answer; a.path == path && a.age(s.clock) <= briefly {
			a.again = now // the first one serves those who wait for it
		} else {
			*a = answer{path: path, looked: now, from: a.from, born: born}
		}
		s.tree.touch(p)
	})
	return now
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
