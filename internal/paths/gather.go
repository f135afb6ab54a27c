package paths

import (
	"strings"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// This file looks. What is seen goes into the tree as sights, each with the time of the look
// and with how far records were read by then; whether it counts for an event is decided
// later, by policy.go, and may be decided again for every event that asks.
//
// Looks are made where they cost least and tell most:
//
//  1. At once when a name has to wait, along the paths that the directory had by the latest
//     of what is known, by the caller's words, and by its descriptors (gather).
//  2. Every tenth of a second around a process that deletes or renames (Meet), since what
//     deletes a tree is faster than whoever looks.
//  3. In the background, below the words of the command line, for a directory that nobody
//     names (Search).

// A looks looks at the running system, for names that wait, and puts what it sees into the
// tree. It decides nothing.
type looks struct {
	memory

	waits     map[dirtree.ID]*slot    // rings of the names that wait for a directory's place; none is empty
	unsettled []sighting              // that those who wait may count once their records are read; at most maxUnsettled
	asking    map[event.Inode]inquiry // at most maxAsking
	opened    opened                  // the last descriptor that was looked at
	met       [maxMet]acquaintance    // in no order
}

// lookAlong looks where the directories along a path are, and puts what it sees into the
// tree. It returns the directory at the path; nil if that is not there. process says
// that a process's descriptors or words told the path.
func (s *looks) lookAlong(path []byte, process bool) (at *dirtree.Node) {
	var above *dirtree.Node
	s.host.Walk(path, func(dir []byte, f File) {
		edge := dirtree.Root
		if _, name := splitName(dir); above != nil {
			edge = dirtree.Edge{Parent: above, Name: string(name)}
		}
		above = s.saw(idOf(f.Inode), edge, f.Born, process)
		if at = nil; len(dir) == len(path) {
			at = above
		}
	})
	return at
}

// saw notes that a directory was seen at a place just now.
func (s *looks) saw(id dirtree.ID, at dirtree.Edge, born int64, process bool) *dirtree.Node {
	n := s.tree.Node(id)
	look := dirtree.Look{At: s.host.Now(), Read: s.in.Read()} // what moved while we looked came before
	if at.Parent != n {
		s.tree.Seen(n, at, look, born, process)
	}
	if s.waits[id] != nil {
		s.settleLater(id, look)
	}
	return n
}

// maxUnsettled bounds the sightings that wait for records. Names that wait for one
// which is dropped are completed when their own wait ends.
const maxUnsettled = 1 << 15

// settleLater completes the names that wait for a directory once all records up to a
// look are read.
//
// Several looks in one round see the same directory; one entry is enough for those. When there
// are too many, the older half goes: its names are looked at when their wait ends.
func (s *looks) settleLater(id dirtree.ID, look dirtree.Look) {
	if k := len(s.unsettled); k > 0 && s.unsettled[k-1].dir == id && s.unsettled[k-1].At == look.At {
		return
	}
	if len(s.unsettled) >= maxUnsettled {
		s.unsettled = append(s.unsettled[:0], s.unsettled[maxUnsettled/2:]...)
	}
	s.unsettled = append(s.unsettled, sighting{id, look})
}

// A sighting is a directory that was seen, and when.
type sighting struct {
	dir dirtree.ID
	dirtree.Look
}

// An inquiry is what was looked at for the names that wait for a directory.
type inquiry struct {
	tried int64  // when its last known path was looked at, in Unix milliseconds; 0 for never
	pid   uint32 // the process that was looked at; 0 for none
	fd    uint32 // and at which of its descriptors
	at    int64  // the time of the event for which that was
}

// gather looks for the directory that a name waits for, where the caller, its words and
// what is known of the directory tell to look. It decides nothing.
func (s *looks) gather(e *work, n *place, a *inquiry) {
	if s.host == nil || s.barred(e) {
		return
	}
	if now := s.host.Now(); max(now-a.tried, a.tried-now) >= clockStep {
		a.tried = now
		if s.lookAgain(n) {
			return
		}
	}
	if n.words != nil && s.lookAlong(n.words, false) == n.node || e.PID == 0 {
		return
	}
	now := e.ID.UnixMilli()
	fd, _ := e.standing(n)
	if a.pid == e.PID && a.fd == fd && now-a.at < briefly {
		return
	}
	a.pid, a.fd, a.at = e.PID, fd, now
	if !s.lookAsCaller(e, n) {
		s.eachWord(e, func(path []byte) bool {
			s.host.Search(path, inodeOf(n.node))
			return false
		})
	}
}

// lookAgain looks where a name's directory, or the one above it that blocks, was last.
func (s *looks) lookAgain(n *place) bool {
	for _, dir := range []*dirtree.Node{n.node, n.block} {
		if dir == nil {
			continue
		}
		if path, ok := s.appendLatest(s.scratch[:0], dir); ok {
			s.scratch = path
			if s.lookAlong(path, false) == dir && dir == n.node {
				return true
			}
		}
	}
	return false
}

// maxFinds bounds how many names are looked up at a time.
const maxFinds = 512

// findHeld looks for the directories of those who wait where they were found.
func (s *looks) findHeld() {
	if s.host == nil {
		return
	}
	n := 0
	held := s.in.Held()
	for ev := held.Head; ev != nil && n < maxFinds; ev = held.Next(ev) {
		e := workOf(ev)
		e.eachWaiting(func(name *place) {
			if name.node == nil || name.wait.next == nil {
				return
			}
			n++
			if path := s.host.Search(nil, inodeOf(name.node)); path != "" {
				if at := s.lookAlong([]byte(path), true); at == name.node {
					e.looked = max(e.looked, s.host.Now())
				}
			}
		})
	}
}

// What deletes a tree is faster than whoever looks where each directory was, and names
// the tree only when all of it is gone. But it stands somewhere in the tree meanwhile.
// Where it stands, and what is above that, is looked at from time to time: below a
// directory of which that is known, the records tell all the names.

// An acquaintance is a process that was looked around at.
type acquaintance struct {
	pid uint32
	at  int64 // when, in Unix milliseconds
}

const maxMet = 64 // processes of which it is known when they were looked around at

// Meet looks around at a process that deletes or renames, unless that was done just now:
// at the directories that it has open, works in or was called with. It reports whether
// it did.
func (s *looks) Meet(pid uint32) bool {
	if s.host == nil || pid == 0 {
		return false
	}
	a, now := s.acquaintance(pid), s.host.Now()
	if max(now-a.at, a.at-now) < meetAgain {
		return false
	}
	a.at = now
	seen := map[string]*dirtree.Node{"": s.lookAlong([]byte("/"), true)}
	s.host.Process(pid, func(path string, f File) {
		dir, name := splitName(path)
		if above := seen[strings.TrimSuffix(dir, "/")]; above != nil && name != "" {
			seen[path] = s.saw(idOf(f.Inode), dirtree.Edge{Parent: above, Name: name}, f.Born, true)
		}
	})
	return true
}

// acquaintance is the process with that number, as one that was not looked at yet if it
// is none of the last.
func (s *looks) acquaintance(pid uint32) *acquaintance {
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

// inodeOf is the directory's inode, as records have it.
func inodeOf(n *dirtree.Node) event.Inode {
	return event.Inode{Dev: event.Dev(n.ID().Dev), Ino: n.ID().Ino}
}

// idOf is the directory's identity in the tree.
func idOf(k event.Inode) dirtree.ID { return dirtree.ID{Dev: uint64(k.Dev), Ino: k.Ino} }
