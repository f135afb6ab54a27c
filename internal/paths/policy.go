package paths

import (
	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// This file holds every rule by which a directory's place is believed, and every
// constant of time. Each rule is a function of what was observed, and changes nothing.

// Times, in milliseconds.
const (
	// clockStep is how much earlier than its call an event may be dated: the clock of
	// events goes on in steps of up to ten milliseconds, that of looks and files is finer.
	clockStep = 10

	// slow is how long after its date a call may still be under way.
	slow = 1000

	// aside is by how much the records of one process may come behind those of others,
	// and the clock of events behind that of looks.
	aside = 50

	// underway is how long records take from the kernel to here at most, on a host that
	// is not too busy to look around.
	underway = 500

	// soon is how far apart a look and an event may be: deliveries wait ten seconds for
	// a flood to pass.
	soon = 20_000

	// briefly is how long a process is believed to have the descriptors that it had.
	briefly = 5_000

	// ownWord is how long a process's own words anchor what it does.
	ownWord = 60_000

	// unconfirmed is how long a fact is believed if nobody can look: changes may happen
	// out of sight, by clients of a file server or by processes that are not audited.
	unconfirmed = 600_000
)

// An answer is the resolver's answer to where a directory was at an event.
type answer uint8

const (
	notYet answer = iota // records or looks to come may prove a place
	proven               // the place is proven
	never                // statements contradict each other
)

// An edgeProof is where a directory was at an event, and how that is known.
type edgeProof struct {
	dirtree.Edge
	answer answer
	from   event.From
	until  int64 // the look that a notYet waits to have read up to, 0 for none
}

// edge decides where the directory n was at an event. final says that the event waits
// no longer.
func (s *Stream) edge(e *work, n *dirtree.Node, final bool) edgeProof {
	m := e.moment()
	f := n.At(m)
	if s.barred(e) || n.Lost(m) {
		return edgeProof{}
	}
	if f.Cut {
		return edgeProof{}
	}
	if f.After.Known() && !s.tornBetween(f.After, m, f.Until) {
		return ruleNextFact(f)
	}
	if f.Before.Known() && !s.tornBetween(f.Before, f.Since, m) {
		return s.ruleLastFact(e, n, f, final)
	}
	return s.ruleSights(e, n, f, final)
}

// ruleNextFact.
//
// Claim: a directory that an event removes or moves from a place was there since the
// fact before.
// Why it is sound: the kernel reports every move of a directory in sight with its
// inode, so one between the event and the fact would be the first fact after it.
// What would break it: a move out of sight and back (another client of a file server,
// an unaudited process). If the fact before says otherwise, that has happened.
// Test: TestTrail, TestNoPathInvented.
func ruleNextFact(f dirtree.Facts) edgeProof {
	if f.Before.Known() && !f.Before.Same(f.After) {
		return edgeProof{answer: never}
	}
	return edgeProof{Edge: f.After, answer: proven, from: event.FromTrail}
}

// ruleLastFact.
//
// Claim: a directory is where an event put it, if a look made no earlier than the
// event in question finds it there, or if nobody can look.
// Why it is sound: records are read in order, so a move before the event is known.
// What would break it: a move out of sight. The look shows it.
// Test: TestTrail, TestMeet.
func (s *Stream) ruleLastFact(e *work, n *dirtree.Node, f dirtree.Facts, final bool) edgeProof {
	p := edgeProof{Edge: f.Before, from: event.FromTrail}
	now := e.ID.UnixMilli()
	if s.lookup == nil {
		if now-f.Since.At <= unconfirmed {
			p.answer = proven
		}
		return p
	}
	lately := now-f.Since.At <= soon
	s.sights(e, n, func(g *dirtree.Sight, look dirtree.Look) bool {
		switch agrees := g.Same(f.Before); {
		case agrees && look.At >= now-clockStep:
			p.answer = proven
			return false
		case agrees:
			lately = true
		case look.At < now:
			lately = false
		case s.hasRead(look):
			p.answer = never
			return false
		default:
			p.until = max(p.until, look.At)
		}
		return true
	})
	if p.answer == notYet && final && lately && p.until == 0 {
		p.answer = proven
	}
	return p
}

// ruleSights.
//
// Claim: a directory was where it was seen, if it was seen there before and after the
// event, or within the step of the clock before it, or after it and all records up
// to the look are read.
// Why it is sound: no fact about the directory lies between the look and the event.
// What would break it: another directory that got the inode in between, where no
// record tells of the end of the first. So a look after the event counts only for a
// directory that was made before it, or if no directory moved meanwhile.
// Test: TestNewInOldInode, TestNoPathInvented.
func (s *Stream) ruleSights(e *work, n *dirtree.Node, f dirtree.Facts, final bool) edgeProof {
	now := e.ID.UnixMilli()
	if at, from, ok := s.spans(e, n); ok {
		return edgeProof{Edge: at, answer: proven, from: from}
	}
	var before, after dirtree.Edge
	var beforeAt, afterAt dirtree.Look
	process := false
	s.sights(e, n, func(g *dirtree.Sight, look dirtree.Look) bool {
		process = process || g.Process
		switch {
		case look.At < now:
			if !before.Known() || look.At > beforeAt.At {
				before, beforeAt = g.Edge, look
			}
		case g.Born > now+clockStep, (g.Born == 0 || g.Born >= now) && s.movedBetween(e, look):
		case !after.Known() || look.At < afterAt.At:
			after, afterAt = g.Edge, look
		}
		return true
	})
	from := event.FromTrail
	if process {
		from = event.FromProc
	}
	p := edgeProof{from: from}
	switch {
	case before.Known() && after.Known() && before.Same(after), before.Known() && !after.Known() && now-beforeAt.At <= clockStep:
		p.Edge, p.answer = before, proven
	case after.Known() && !s.hasRead(afterAt):
		p.Edge, p.until = after, afterAt.At
	case after.Known() && before.Known():
		p.answer = never
	case after.Known():
		p.Edge, p.answer = after, proven
	case before.Known() && final && !s.movedSince(beforeAt, e):
		p.Edge, p.answer = before, proven
	case before.Known():
		p.Edge = before
	}
	return p
}

// spans says whether a directory was seen at a place both before an event, however long,
// and after it. Nothing that happened to it is known in between, and it is still there.
func (s *Stream) spans(e *work, n *dirtree.Node) (at dirtree.Edge, from event.From, ok bool) {
	m := e.moment()
	var later *dirtree.Sight
	n.Sights(m, slow, func(g *dirtree.Sight, look dirtree.Look) bool {
		switch {
		case !s.nothingTorn(g.Edge, look, m) || s.dropped.spans(e, look.At) || look.Read < s.barrier:
		case look == g.Last && look.At >= m.At:
			later = g
		case look == g.First && look.At < m.At && later == g:
			ok = true
		}
		return !ok
	})
	if !ok {
		return dirtree.Edge{}, event.FromNone, false
	}
	if later.Process {
		return later.Edge, event.FromProc, true
	}
	return later.Edge, event.FromTrail, true
}

// nothingTorn says whether no unknown directory came to or left a place between a look
// and a moment.
func (s *Stream) nothingTorn(at dirtree.Edge, look dirtree.Look, m dirtree.Moment) bool {
	ok := true
	s.tree.Torn(at, func(torn dirtree.Moment) { ok = ok && dirtree.SameSide(torn, look, m, slow) })
	return ok
}

// sights calls f with the sights of a directory that may count for an event.
func (s *Stream) sights(e *work, n *dirtree.Node, f func(*dirtree.Sight, dirtree.Look) bool) {
	m := e.moment()
	n.Sights(m, slow, func(g *dirtree.Sight, look dirtree.Look) bool {
		if !s.lookCounts(e, n, g.Edge, look) {
			return true
		}
		return f(g, look)
	})
}

// lookCounts says whether a look may say something of an event: it is not too far from
// it, and nothing lies between the two that may have changed what was seen.
func (s *Stream) lookCounts(e *work, n *dirtree.Node, at dirtree.Edge, look dirtree.Look) bool {
	m := e.moment()
	if at.Parent == nil {
		return true // the root stays
	}
	if max(look.At-m.At, m.At-look.At) > soon || s.dropped.spans(e, look.At) || look.Read < s.barrier {
		return false
	}
	if at.Parent.ID().Dev != n.ID().Dev && (look.At <= s.doubt) != (m.At <= s.doubt) {
		return false // mounts have changed
	}
	return s.nothingTorn(at, look, m)
}

// tornBetween says whether an unknown directory came to or left a place between two events.
func (s *Stream) tornBetween(at dirtree.Edge, from, to dirtree.Moment) (found bool) {
	s.tree.Torn(at, func(m dirtree.Moment) { found = found || m.Seq >= from.Seq && m.Seq <= to.Seq })
	return found
}

// movedBetween says whether any directory moved between an event and a later look.
func (s *Stream) movedBetween(e *work, look dirtree.Look) bool {
	last := s.tree.LastMove()
	return last.Seq > e.First && last.At <= look.At
}

// movedSince says whether any directory moved between a look and a later event.
func (s *Stream) movedSince(look dirtree.Look, e *work) bool {
	last := s.tree.LastMove()
	return last.Seq > look.Read && last.At+slow >= look.At && last.Seq <= e.First
}

// barred says whether records are missing since the event, so that no statement in the
// tree is of its time.
func (s *Stream) barred(e *work) bool { return e.First < s.barrier }

// hasRead says whether all records are read of what happened before a look, as far as
// the kernel has not dropped them.
func (s *Stream) hasRead(look dirtree.Look) bool {
	if s.in.Expects(look.At) {
		return false // an event of before has begun and not ended
	}
	return s.wait < 0 || (look.At+aside < s.in.Clock() || look.At+underway <= s.in.Ticked()) && (s.complete == 0 || look.At <= s.complete)
}

// A way is how it leads the way from a directory up to the root, as far as it is proven.
type way struct {
	answer answer
	from   event.From    // how the first edge was proven
	block  *dirtree.Node // the directory whose place is not proven, if the answer is not
	until  int64         // see edgeProof
	base   string        // the path that block has by the caller's own words, if those anchor it
}

// maxDepth is more than the parts of any name that a call takes.
const maxDepth = 4096

// climb decides where a directory was at an event: edge by edge up to the root, or to a
// directory that the event's own process has named. It leaves the names in s.parts,
// the last one first.
func (s *Stream) climb(e *work, n *dirtree.Node, final bool) way {
	t := way{answer: proven, from: event.FromTrail}
	s.parts, s.steps = s.parts[:0], s.steps[:0]
	for range maxDepth {
		n = s.tree.Live(n)
		if n == nil {
			return way{answer: never}
		}
		s.steps = append(s.steps, n)
		p := s.edge(e, n, final)
		if p.answer != proven {
			t.answer, t.block, t.until = p.answer, n, p.until
			for i := len(s.steps) - 1; i >= 0 && t.answer != proven && (s.lookup == nil || final); i-- {
				if s.ruleOwnWords(e, s.steps[i], &t) {
					s.parts = s.parts[:i]
				}
			}
			return t
		}
		if len(s.steps) == 1 {
			t.from = p.from
		}
		if p.Parent == nil {
			return t
		}
		s.parts = append(s.parts, p.Name)
		n = p.Parent
	}
	return way{answer: never}
}

// appendTrace appends the path that climb has found.
func (s *Stream) appendTrace(dst []byte, t way) []byte {
	start := len(dst)
	dst = append(dst, t.base...)
	if len(dst) == start+1 {
		dst = dst[:start] // the root
	}
	for i := len(s.parts) - 1; i >= 0; i-- {
		dst = append(append(dst, '/'), s.parts[i]...)
	}
	return dst
}
