package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A name waits at one directory: the one whose place is not proven, be that its own or one
// above it. Whatever becomes known of that directory wakes it (settle), and it either goes
// on to the root or waits at the next one that blocks. So a name is looked at again once for
// each directory on its way, and not once for each event.
//
//	await ─► finish ─► proven: agree with the caller's words, complete
//	           ▲  └──► not yet: blocked, waitFor ─┐
//	           └────────── settle ◄───────────────┤ a fact, a claim, a look that is read
//	         giveUp ◄────────────────────────────┘ the end of the wait, or no room

// A resolver finds the paths of events: classify, gather, decide, apply; see the
// package's comment.
type resolver struct {
	looks

	layers    layers     // of stacked file systems
	pairs     *pairing   // of renames' directories; never nil
	orphans   *orphanage // files without a directory; never nil
	heldLimit int        // how many events may be held
	recalled  recalled   // what the tree knew when the stream began

	built     int         // bytes of paths made since all ready events were returned
	postponed []postponed // empty unless built is beyond maxBuilt
}

// await finds n's directory by its inode, now or later.
func (s *resolver) await(e *work, n *place) {
	if n.parent == nil || !n.parent.HasIno || n.parent.Key.Ino == 0 {
		s.giveUp(n)
		return
	}
	s.awaitAt(e, n, n.parent.Key)
}

// awaitAt finds the path of the directory that n is in or is, or lets n wait for it.
func (s *resolver) awaitAt(e *work, n *place, key event.Inode) {
	n.node, n.block = s.tree.Node(idOf(key)), nil
	if s.finish(n, false) {
		return
	}
	// What is known proves nothing yet: look, then ask again.
	if s.host != nil && s.justSeen(n) {
		e.unsolved++
		s.waitFor(n)
		s.lookSoon(n)
		return
	}
	if s.host != nil {
		s.inquire(n)
		if s.finish(n, false) {
			return
		}
	}
	// Words that nobody will ever confirm need not wait.
	if n.words != nil && (s.host == nil || s.seesOtherwise(e)) {
		s.giveUp(n)
		return
	}
	e.unsolved++
	s.waitFor(n)
}

// maxAsking bounds of how many directories it is remembered what was looked at.
const maxAsking = 1 << 12

// waitFor lets n wait at the directory that blocks it.
func (s *resolver) waitFor(n *place) {
	id := n.blocking().ID()
	r := s.waits[id]
	if r == nil {
		r = new(ring)
		r.init()
		s.waits[id] = r
	}
	n.wait.name, n.waitsAt = n, id
	n.wait.join(&r.slot)
	if n.until != 0 {
		s.unsettled = appendSighting(s.unsettled, sighting{id, dirtree.Look{At: n.until}})
	}
}

// leaveRing takes n from the ring that it waits in for its directory.
func (s *resolver) leaveRing(n *place) {
	n.wait.unlink()
	if r := s.waits[n.waitsAt]; r != nil && r.empty() {
		delete(s.waits, n.waitsAt)
	}
}

// settle completes those who wait for a directory of which a fact or a claim is new.
func (s *resolver) settle(id dirtree.ID) { s.settleThose(id, func(*place) bool { return true }) }

// settleThose is settle for some of those who wait. The others stay in the ring, in their
// order.
func (s *resolver) settleThose(id dirtree.ID, may func(*place) bool) {
	r := s.waits[id]
	if r == nil {
		return
	}
	last := r.prev // who waits on joins behind it
	for w, done := r.next, false; !done; {
		if s.built > maxBuilt {
			s.postponed = append(s.postponed, postponed{id, may})
			return
		}
		n, next := w.name, w.next
		done = w == last
		if may(n) {
			w.unlink()
			if s.finish(n, false) {
				s.solved(n.event)
			} else {
				s.waitFor(n)
			}
		}
		w = next
	}
	if r.empty() {
		delete(s.waits, id)
	}
}

// maxBuilt bounds the paths of events that are ready and not returned yet, in bytes. One
// removal may prove the paths of thousands of names in a tree of hundreds of levels, and
// each is a path of its own. The names beyond the bound wait until those are returned.
const maxBuilt = 4 << 20

// A postponed is a settling to be gone on with.
type postponed struct {
	id  dirtree.ID
	may func(*place) bool
}

// goOn goes on with what was postponed, since all events that were ready are returned. It
// reports whether there was anything.
func (s *resolver) goOn() bool {
	s.built = 0
	if len(s.postponed) == 0 {
		return false
	}
	next := s.postponed[0]
	s.postponed = s.postponed[1:]
	s.settleThose(next.id, next.may)
	return true
}

// settleFresh completes the names that wait for a directory which was seen just now: those
// of events before the look that do not wait for an earlier look's records.
func (s *resolver) settleFresh(g sighting) {
	s.settleThose(g.dir, func(n *place) bool { return n.until == 0 && n.event.ID.UnixMilli() <= g.At })
}

// settleRead completes the names that wait for the records of a look.
func (s *resolver) settleRead(g sighting) {
	s.settleThose(g.dir, func(n *place) bool { return n.until != 0 && n.until <= g.At })
}

// finish makes n's path if its directory's is proven. final says that n waits no longer.
func (s *resolver) finish(n *place, final bool) bool {
	e := n.event
	n.until = 0
	// The way up to what blocked was proven when it was last gone. As long as that blocks
	// still, there is no need to go it again.
	if n.block != nil && !final {
		if t := s.climb(e, n.block, false); t.answer != proven {
			s.blocked(n, t)
			return false
		}
	}
	t := s.climb(e, n.node, final)
	s.explain.name(n, final)
	if t.answer != proven {
		s.blocked(n, t)
		return false
	}
	s.tree.Touch(n.node)
	start := len(e.Built)
	e.Built = s.appendTrace(e.Built, t)
	found := s.agree(n, start, t.from)
	s.built += len(e.Built) - start
	return found
}

// blocked notes why n waits.
func (s *resolver) blocked(n *place, t way) {
	if t.block != nil {
		n.block = t.block
	}
	n.until = t.until
	n.event.looked = max(n.event.looked, t.until)
}

// agree makes n's path from that of its directory, built[start:], and the caller's words.
//
//	words and path are alike    from the words: absolute or cwd, claimed if the path is
//	the path is claimed         the words are claimed, too: they are the process's own
//	the call may follow a link  claimed: the last part may lead elsewhere
//	otherwise                   the path, as it is proven: the words led through a link
func (s *resolver) agree(n *place, start int, from event.From) bool {
	e := n.event
	path := e.Built[start:]
	if n.words == nil {
		if !n.fits(path) {
			e.Built = e.Built[:start]
			return false
		}
		n.complete(e.Built, start, from)
		return true
	}
	switch {
	case bytes.Equal(cmpRoot(path), n.words):
		if from != event.FromClaimed {
			from = n.Says
		}
		if !bytes.Contains(n.Path, []byte("/..")) && !bytes.Contains(n.Dir, []byte("/..")) {
			e.Built, n.From = e.Built[:start], from
			return true
		}
	case from == event.FromClaimed, e.mayFollow(): // the last part may lead to another directory
		e.Built, n.From = e.Built[:start], event.FromClaimed
		return true
	}
	n.complete(e.Built, start, from) // the words led through a symlink, or are not true
	return true
}

// fits says whether a path, of a directory that the event is about itself, ends
// in the name that the caller gave. It does not where it leads through a link.
func (n *place) fits(path []byte) bool {
	last := lastPart(n.given)
	if n.parent != nil || len(last) == 0 || string(last) == "." || string(last) == ".." {
		return true
	}
	if n.event.isVia(n) {
		return true
	}
	return bytes.Equal(last, lastPart(path))
}

// complete appends what comes after the directory, which built[start:] is.
func (n *place) complete(built []byte, start int, from event.From) {
	e := n.event
	last := lastPart(n.given)
	if n.parent == nil { // the place is the file itself
		last = nil
	}
	if len(last) > 0 {
		if len(built) == start || built[len(built)-1] != '/' {
			built = append(built, '/')
		}
		built = append(built, last...)
	}
	if len(built) == start {
		built = append(built, '/')
	}
	e.Built = built
	path := built[start:len(built):len(built)]
	n.From = from
	if n.given == nil && n.parent != nil {
		n.Dir = path
	} else {
		n.Path = path
	}
}

// unresolved gives up: the name as given, and the directory's inode.
func (n *place) unresolved() {
	n.From, n.Path = event.FromUnresolved, n.given
	if n.parent != nil && n.parent.HasIno {
		n.ParentIno, n.ParentDev = n.parent.Key.Ino, n.parent.Dev
	}
}

// giveUp ends n's wait: its path is proven by now, or claimed, or unresolved.
//
// What contradicts is unresolved. What nobody could confirm, and nothing contradicts, is
// claimed: whoever reads the event sees that the caller says so, and the directory's inode.
func (s *resolver) giveUp(n *place) {
	if n.node != nil && s.finish(n, true) {
		return
	}
	if n.words != nil && (n.node == nil || !s.contradicts(n.event, n.node, n.words)) {
		n.From = event.FromClaimed
		return
	}
	if s.orphans.orphanSeen(n) {
		return
	}
	n.Dir = nil
	n.unresolved()
}
