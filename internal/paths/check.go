package paths

import (
	"fmt"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Check returns the first invariant that does not hold, of the tree, of the queues, or of
// these between two calls:
//
//  1. A held event waits for as many things as it counts: for each of its names that is
//     in a ring, and for its sides.
//  2. A name in the ring of a directory knows that directory, and waits there. One in the
//     ring of a file has no directory, and has that file's inode.
//  3. No ring is empty, and whoever is in one belongs to a held event.
//  4. A rename in divided has no sides yet, and is held.
//  5. Each memory is within its bounds: claims, renames, givings, twins, visits, looks.
//  6. A claim's path is absolute, and the claims' paths are on account.
func (s *Stream) Check() error {
	if err := s.tree.Check(); err != nil {
		return err
	}
	if err := s.in.Check(); err != nil {
		return err
	}
	for _, check := range []func() error{s.checkHeld, s.checkRings, s.checkBounds} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkHeld is invariant 1. An event that counts too many waits for ever; one that counts too
// few goes without its path.
func (s *Stream) checkHeld() error {
	for ev := s.in.Held().Head; ev != nil; ev = s.in.Held().Next(ev) {
		e, waits := workOf(ev), 0
		e.eachWaiting(func(n *place) {
			if n.wait.next != nil {
				waits++
			}
		})
		if e.sides != nil {
			waits++
		}
		if waits != e.unsolved || waits == 0 {
			return fmt.Errorf("event %v waits for %d things and counts %d", e.ID, waits, e.unsolved)
		}
	}
	return nil
}

// checkRings is invariants 2, 3 and 4. A name that is left in a ring when its event is used
// again would get the path of another one.
func (s *Stream) checkRings() error {
	inRing := func(ring *slot, what any, right func(*place) bool) error {
		if ring.next == ring {
			return fmt.Errorf("the ring of %v is empty", what)
		}
		for w := ring.next; w != ring; w = w.next {
			if n := w.name; n.event.State() != event.Held || !right(n) {
				return fmt.Errorf("event %v is in the ring of %v", n.event.ID, what)
			}
		}
		return nil
	}
	for id, ring := range s.waits {
		if err := inRing(&ring.slot, id, func(n *place) bool { return n.node != nil && n.waitsAt == id }); err != nil {
			return err
		}
	}
	for key, ring := range s.orphans.of {
		if err := inRing(ring, key, func(n *place) bool { return n.node == nil && n.item.Key == key }); err != nil {
			return err
		}
	}
	for key, waiting := range s.pairs.divided {
		for _, e := range waiting {
			if e.sides == nil || e.State() != event.Held || e.dest.item.Key != key || len(waiting) == 0 {
				return fmt.Errorf("event %v is divided, and has its sides", e.ID)
			}
		}
	}
	return nil
}

// checkBounds is invariants 5 and 6. Whoever is on the host makes names and processes as it
// likes, and must not make the memory grow with them.
func (s *Stream) checkBounds() error {
	for _, b := range []struct {
		what    string
		n, most int
	}{
		{"claims", len(s.claims.of), maxClaims},
		{"claimed paths", len(s.claims.named), maxClaims},
		{"bytes of claims", s.claims.bytes, maxClaimBytes + 4096},
		{"renames", len(s.renamed.last), maxRenames},
		{"bytes of renames", s.renamed.bytes, maxRenameBytes + 4096},
		{"givings", len(s.givings), maxGivings},
		{"twins", len(s.layers.twins.of), s.layers.twins.limit},
		{"visits", len(s.visits), maxVisits},
		{"unsettled looks", len(s.unsettled), maxUnsettled},
		{"looks that nobody was told of", len(s.fresh), maxUnsettled},
		{"inquiries", len(s.asking), maxAsking},
		{"orphans", len(s.orphans.of), maxOrphans},
	} {
		if b.n > b.most {
			return fmt.Errorf("%d %s, want at most %d", b.n, b.what, b.most)
		}
	}
	bytes := 0
	for by, c := range s.claims.of {
		if c.path == "" || c.path[0] != '/' {
			return fmt.Errorf("process %d claims the path %q", by.pid, c.path)
		}
		bytes += len(c.path)
	}
	if bytes > s.claims.bytes {
		return fmt.Errorf("claims have %d bytes, %d are on account", bytes, s.claims.bytes)
	}
	return nil
}
