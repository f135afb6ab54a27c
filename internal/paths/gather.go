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
//     of what is known, by the caller's words, and by its descriptors (gather). A directory
//     that was seen a moment ago is looked at a moment later, for all who wait by then
//     (lookDue).
//  2. Every tenth of a second around a process that deletes or renames (Meet), since what
//     deletes a tree is faster than whoever looks.
//  3. In the background, below the words of the command line, for a directory that nobody
//     names (Search).

// A looks looks at the running system, for names that wait, and puts what it sees into the
// tree. It decides nothing.
type looks struct {
	memory

	waits     map[dirtree.ID]*ring    // the names that wait for a directory's place; none is empty
	due       []dirtree.ID            // directories to look at again, at dueAt; their rings are marked
	dueAt     int64                   // Unix milliseconds
	fresh     []sighting              // that those who wait were not told of yet; at most maxUnsettled
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
		s.fresh = appendSighting(s.fresh, sighting{id, look})
	}
	return n
}

// justSeen says whether the directory that blocks a name was seen a moment ago, where it
// still is as far as is known. Then one look later serves all names that wait by then.
func (s *looks) justSeen(n *place) bool {
	look, ok := n.blocking().Seen()
	age := s.host.Now() - look.At
	return ok && 0 <= age && age < lookPause
}

// lookSoon has the directory in whose ring n waits looked at again.
func (s *looks) lookSoon(n *place) {
	r := s.waits[n.waitsAt]
	if r == nil || r.due || n.until != 0 {
		return
	}
	if len(s.due) == 0 {
		s.dueAt = s.host.Now() + lookPause
	}
	r.due = true
	s.due = append(s.due, n.waitsAt)
}

// lookDue looks at the directories for which it is time. One that is not where it was is
// looked for where each name tells.
func (s *looks) lookDue() {
	if len(s.due) == 0 {
		return
	}
	if now := s.host.Now(); now < s.dueAt && s.dueAt-now <= lookPause { // else the clock was set back
		return
	}
	for _, id := range s.due {
		s.lookNow(id)
	}
	s.due = s.due[:0]
}

// lookNow looks at a directory that was to be looked at soon, if names still wait for it.
func (s *looks) lookNow(id dirtree.ID) {
	r := s.waits[id]
	if r == nil || !r.due {
		return
	}
	r.due = false
	if dir := s.tree.Find(id); dir != nil && s.lookLatest(dir) {
		return
	}
	for w := r.next; w != &r.slot; w = w.next {
		s.inquire(w.name)
	}
}

// maxUnsettled bounds the sightings that wait for records. Names that wait for one
// which is dropped are completed when their own wait ends.
const maxUnsettled = 1 << 15

// appendSighting appends a sighting.
//
// Several looks in one round see the same directory; one entry is enough for those. When there
// are too many, the older half goes: its names are looked at when their wait ends.
func appendSighting(to []sighting, g sighting) []sighting {
	if k := len(to); k > 0 && to[k-1].dir == g.dir && to[k-1].At == g.At {
		return to
	}
	if len(to) >= maxUnsettled {
		to = append(to[:0], to[maxUnsettled/2:]...)
	}
	return append(to, g)
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

// inquire gathers for a name, and remembers of its directory what was looked at. A directory
// that many names wait for is looked at once for all of them.
func (s *looks) inquire(n *place) {
	key := inodeOf(n.node)
	a := s.asking[key]
	s.gather(n.event, n, &a)
	if s.asking == nil || len(s.asking) >= maxAsking {
		s.asking = make(map[event.Inode]inquiry)
	}
	s.asking[key] = a
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
		if s.lookLatest(dir) && dir == n.node {
			return true
		}
	}
	return false
}

// lookLatest looks where a directory was last, and says whether it is there.
func (s *looks) lookLatest(dir *dirtree.Node) bool {
	path, ok := s.appendLatest(s.scratch[:0], dir)
	if !ok {
		return false
	}
	s.scratch = path
	return s.lookAlong(path, false) == dir
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
