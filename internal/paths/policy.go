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

	// patience is how long an answer waits to know what the kernel dropped up to then.
	patience = 3_000

	// lookPause is between two looks at a directory that many names wait for.
	lookPause = 10

	// meetAgain is between two looks around at a process.
	meetAgain = 100

	// unconfirmed is how long a fact is believed if nobody can look: changes may happen
	// out of sight, by clients of a file server or by processes that are not audited.
	unconfirmed = 600_000
)

// edge decides where the directory n was at an event, by the first rule that may.
//
// The order of the rules is that of their strength. A fact of after the event says where
// the directory was until then, whatever anybody sees. A fact of before says where it was
// from then on, unless it moved out of sight. A look says neither, and must be bound to the
// event by what did not happen between the two.
//
// No rule may be asked where statements may be missing: of before the barrier, of facts
// that the tree has forgotten, and of places where an unknown directory came or went.
func (s *knowledge) edge(e *work, n *dirtree.Node) proof {
	m := e.moment()
	f := n.At(m)
	switch {
	case s.barred(e):
		return proof{why: whyMissing}
	case n.Lost(m), f.Cut:
		return proof{why: whyForgotten}
	case f.After.Known() && !s.tornBetween(f.After, m, f.Until):
		return s.ruleNextFact(m, f)
	case f.Before.Known() && !s.tornBetween(f.Before, f.Since, m):
		return s.ruleLastFact(e, n, f)
	}
	return s.ruleSights(e, n, f)
}

// ruleNextFact.
//
// Claim: a directory that an event removes or moves from a place was there since the
// fact before.
// Why it is sound: the kernel reports every move of a directory in sight with its
// inode, so one between the event and the fact would be the first fact after it.
// What would break it: a move out of sight and back (another client of a file server,
// an unaudited process). If the fact before says otherwise, that has happened. Records that
// the kernel dropped in between: the inode may be the next directory's by then. So no loss
// counts, and the path waits until it is known that there was none (climb).
// Test: TestTrail, TestNoPathInvented, TestDroppedFacts.
func (s *knowledge) ruleNextFact(m dirtree.Moment, f dirtree.Facts) proof {
	switch {
	case f.Before.Known() && !f.Before.Same(f.After):
		return proof{answer: never, why: whyContradicted}
	case f.Until.Seq != m.Seq && s.dropped.between(m.At, f.Until.At):
		return proof{answer: never, why: whyMissing}
	}
	return proof{Edge: f.After, answer: proven, rule: byNextFact, from: event.FromTrail, fact: f.Until}
}

// ruleLastFact.
//
// Claim: a directory is where an event put it, if a look made no earlier than the
// event in question finds it there, or if nobody can look.
// Why it is sound: records are read in order, so a move before the event is known.
// What would break it: a move out of sight, or a removal and another directory with the
// inode. The look shows it, and a look before the event does not. Where nobody can look, the
// fact is believed for ten minutes: longer than a program works in one tree, shorter than
// another client of a file server needs to be noticed.
// Test: TestTrail, TestMeet.
func (s *knowledge) ruleLastFact(e *work, n *dirtree.Node, f dirtree.Facts) proof {
	p := proof{Edge: f.Before, rule: byLastFact, from: event.FromTrail, fact: f.Since}
	now := e.ID.UnixMilli()
	if s.host == nil {
		if now-f.Since.At <= unconfirmed {
			p.answer = proven
		}
		return p
	}
	s.sights(e, n, func(g *dirtree.Sight, look dirtree.Look) bool {
		switch {
		case look.At < now:
			return true // it may have been moved or removed out of sight since
		case g.Same(f.Before):
			p.answer = proven
			return false
		case s.hasRead(look):
			p.answer, p.why = never, whySeenElsewhere
			return false
		default:
			p.until = max(p.until, look.At)
		}
		return true
	})
	return p
}

// ruleSights.
//
// Claim: a directory was where it was seen, if it was seen there before and after the
// event, or after it and all records up to the look are read.
// Why it is sound: no fact about the directory lies between the look and the event.
// What would break it: another directory that got the inode in between, where no
// record tells of the end of the first. So a look before the event never counts alone, and
// one after it only for a directory that was made before it, or if no directory moved meanwhile.
// Test: TestNewInOldInode, TestAttacks, TestNoPathInvented.
func (s *knowledge) ruleSights(e *work, n *dirtree.Node, f dirtree.Facts) proof {
	now := e.ID.UnixMilli()
	if at, from, ok := s.spans(e, n); ok {
		return proof{Edge: at, answer: proven, rule: bySpan, from: from}
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
	p := proof{rule: bySight, from: from}
	switch {
	case before.Known() && after.Known() && before.Same(after):
		p.Edge, p.answer = before, proven
	case after.Known() && !s.hasRead(afterAt):
		p.Edge, p.until = after, afterAt.At
	case after.Known() && before.Known():
		p.answer, p.why = never, whySeenElsewhere
	case after.Known():
		p.Edge, p.answer = after, proven
	case before.Known():
		p.Edge = before
	}
	return p
}

// spans says whether a directory was seen at a place both before an event, however long,
// and after it.
//
// Claim: it was there at the event.
// Why it is sound: no fact about the directory stands between the two looks, so what was
// seen both times is the same directory, which did not move in sight.
// What would break it: records that are missing between the looks (dropped, barrier), an
// unknown directory that came to or left the place (torn), a move out of sight and back.
// Test: TestSeen, TestNoPathInvented.
func (s *knowledge) spans(e *work, n *dirtree.Node) (at dirtree.Edge, from event.From, ok bool) {
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
// and a moment. Records of io_uring and of exchanges whose names end alike do not tell which
// directory moved; until a look has seen the place again, nothing counts there.
func (s *knowledge) nothingTorn(at dirtree.Edge, look dirtree.Look, m dirtree.Moment) bool {
	ok := true
	s.tree.Torn(at, func(torn dirtree.Moment) { ok = ok && dirtree.SameSide(torn, look, m, slow) })
	return ok
}

// ruleOwnWords is for directories of which nothing else is proven.
//
// Claim: a directory is where the event's own process said, if nothing is known that
// contradicts, and then the path says that it is claimed.
// Why it is sound: a caller's words name the caller's own events only.
// What would break it: a rename between the claim and the event, so none may have had
// a name that is part of the path, nor moved the directory.
// Test: TestAttacks, TestNoPathInvented.
func (s *knowledge) ruleOwnWords(e *work, n *dirtree.Node, t *way) bool {
	c, ok := s.claims.of[claimant{e.PID, n.ID()}]
	if !ok || t.answer == never || s.barred(e) || n.Lost(e.moment()) || c.Seq < s.barrier || max(e.ID.UnixMilli()-c.At, c.At-e.ID.UnixMilli()) > ownWord {
		return false
	}
	from, to := e.moment(), c.Moment
	if from.Seq > to.Seq {
		from, to = to, from
	}
	if n.Lost(from) || from.Seq != to.Seq && (n.At(to).Since.Seq >= from.Seq && n.At(to).Since.Seq != 0 || s.renamed.between(c.path, from, to)) {
		return false
	}
	if s.host != nil && s.contradicts(e, n, []byte(c.path)) {
		return false
	}
	t.answer, t.from, t.base, t.said, t.block = proven, event.FromClaimed, c.path, c.Seq, nil
	return true
}

// sights calls f with the sights of a directory that may count for an event, the latest
// first. The tree leaves out those from which a fact about the directory itself separates
// the event; lookCounts leaves out the rest.
func (s *knowledge) sights(e *work, n *dirtree.Node, f func(*dirtree.Sight, dirtree.Look) bool) {
	m := e.moment()
	n.Sights(m, slow, func(g *dirtree.Sight, look dirtree.Look) bool {
		if !s.lookCounts(e, n, g.Edge, look) {
			return true
		}
		return f(g, look)
	})
}

// lookCounts says whether a look may say something of an event.
//
// Claim: what was seen may be of the event's time.
// Why it is sound: it is not too far from it, and no statement is known or missing between
// the two by which the place may have changed: no loss of records, no barrier, no
// change of mounts where the place is a mount's, no torn name.
// What would break it: a change that leaves no record. For local directories there is none
// but an unaudited process; how far apart the two may be (soon) bounds the others.
// Test: TestDoubt, TestDropped, TestNoPathInvented.
func (s *knowledge) lookCounts(e *work, n *dirtree.Node, at dirtree.Edge, look dirtree.Look) bool {
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

// tornBetween says whether an unknown directory came to or left a place between two events,
// the two themselves included.
func (s *knowledge) tornBetween(at dirtree.Edge, from, to dirtree.Moment) (found bool) {
	s.tree.Torn(at, func(m dirtree.Moment) { found = found || m.Seq >= from.Seq && m.Seq <= to.Seq })
	return found
}

// movedBetween says whether any directory moved between an event and a later look. If none
// did, a directory whose age is not known was there at the event as it was at the look.
func (s *knowledge) movedBetween(e *work, look dirtree.Look) bool {
	last := s.tree.LastMove()
	return last.Seq > e.First && last.At <= look.At
}

// barred says whether records are missing since the event, so that no statement in the
// tree is of its time. Only its own words are left to it then.
func (s *knowledge) barred(e *work) bool { return e.First < s.barrier }

// hasRead says whether all records are read of what happened before a look.
//
// Claim: no fact of before the look will come any more.
// Why it is sound: no event that began before the look is open; the clock of events is past
// the look by what records of different processors come out of order (aside), or the wall
// clock is by what records take to come (underway); and what the kernel dropped
// up to the look is known.
// What would break it: a process that is held up between two records for longer. Such an
// event is late (see event.State), and its facts find no room before the look.
// Test: TestMeetAhead, TestNoPathInvented with a reader that lags.
func (s *knowledge) hasRead(look dirtree.Look) bool {
	if s.in.Expects(look.At) {
		return false // an event of before has begun and not ended
	}
	return s.wait < 0 || (look.At+aside < s.in.Clock() || look.At+underway <= s.in.Ticked()) && s.accounted(look.At)
}
