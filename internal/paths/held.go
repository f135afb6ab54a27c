package paths

import "github.com/auditshipper/auditshipper/internal/event"

// An event is held while any of its names waits. The names count down (solved), and the last
// one lets the event go. An event also goes when its wait is over, when too many or too many
// bytes are held, when records are found missing, and when there are no more: release gives
// up what waits still, and says of it what is known by now.

// missed forgets what was learnt, since records are missing before e: what is told or
// seen later does not hold for what came before, nor the other way round. Names that
// wait get what is known by now.
func (s *resolver) missed(e *work) {
	for w := s.firstHeld(); w != nil && w.First < e.First; w = s.firstHeld() {
		s.release(w)
	}
	if e.First > s.recalled.high { // else that was done before the tree was saved
		s.forget()
	}
	s.barrier = max(s.barrier, e.First)
}

// firstHeld is the event that waits longest, nil for none.
func (s *resolver) firstHeld() *work {
	if e := s.in.Held().Head; e != nil {
		return workOf(e)
	}
	return nil
}

func (s *resolver) hold(e *work) {
	if s.in.Held().Len >= s.heldLimit {
		s.release(s.firstHeld())
	}
	e.heldAt = 0 // likewise
	s.in.Hold(e.Event)
	if s.wait < 0 {
		s.release(e)
	}
}

// solved counts one of e's names as found; a held event that has all goes.
func (s *resolver) solved(e *work) {
	e.unsolved--
	if e.unsolved <= 0 && e.State() == event.Held {
		s.letGo(e)
	}
}

// release lets a held event go with what is known of it.
func (s *resolver) release(e *work) {
	// A rename without sides first: with what a look told it may find both names at once.
	if e.sides != nil {
		s.pairs.unite(e)
	}
	e.eachWaiting(func(n *place) {
		s.lookNow(n.waitsAt)
		if s.stopWaiting(n) {
			s.giveUp(n)
		}
	})
	if e.unsolved > 0 {
		e.unsolved = 0
		s.letGo(e)
	}
}

// letGo makes an event ready, whose names wait for nothing any more.
func (s *resolver) letGo(e *work) {
	e.SetAction()
	e.Path.Under, e.Dest.Under = e.path.under(), e.dest.under()
	s.in.Yield(e.Event)
}

// stopWaiting takes n from the ring that it waits in, if it does.
func (s *resolver) stopWaiting(n *place) bool {
	switch {
	case n.wait.next == nil:
		return false
	case n.node == nil:
		s.orphans.leave(n)
	default:
		s.leaveRing(n)
	}
	return true
}

// overdue has an event whose wait is over wait on for the looks that may tell a path of
// it still: records up to then must be read, and known to be complete.
//
// For a look that was made shortly before the wait ended this is worth it: its records come
// within half a second (underway).
func (s *resolver) overdue(e *work) {
	e.eachWaiting(func(n *place) {
		if n.node != nil && n.wait.next != nil {
			s.blocked(n, s.climb(e, n.node, false))
		}
	})
}

func (s *resolver) forget() {
	s.tree.Forget()
	s.claims = claims{}
	s.layers.twins.of = nil
	s.givings = nil
	s.orphans.doubtOrphans()
}

// settleSeen completes the names that wait for directories which were seen: at once, and
// again as soon as all records up to the look are read.
func (s *resolver) settleSeen() {
	for _, g := range s.fresh {
		s.settleFresh(g)
	}
	s.fresh = s.fresh[:0]
	n := 0
	for n < len(s.unsettled) && s.hasRead(s.unsettled[n].Look) {
		n++
	}
	for i := range n {
		s.settleRead(s.unsettled[i])
	}
	if n > 0 {
		s.unsettled = append(s.unsettled[:0], s.unsettled[n:]...)
	}
}
