package query

import (
	"hash/maphash"

	"github.com/auditshipper/auditshipper/internal/event"
)

// recent is how many events are remembered to know one that comes again: what
// was in flight when a daemon was killed.
const recent = 100_000

// A seen knows the last events of a source by stream, node and id.
type seen struct {
	seed  maphash.Seed
	whole map[eventSum]bool // true for those that came whole
	order []eventSum        // a ring
	at    int
}

// An eventSum is an id, and a hash of stream and node.
type eventSum struct {
	id   event.ID
	node uint64
}

func newSeen() *seen { return &seen{seed: maphash.MakeSeed(), whole: map[eventSum]bool{}} }

// isNew reports whether an event did not come yet: or, of one that came in part,
// the whole.
func (s *seen) isNew(e *Event, isWhole bool) bool {
	sum := eventSum{e.ID, maphash.String(s.seed, e.source())}
	whole, came := s.whole[sum]
	if came && (whole || !isWhole) {
		return false
	}
	s.whole[sum] = isWhole
	switch {
	case came:
	case len(s.order) < recent:
		s.order = append(s.order, sum)
	default:
		delete(s.whole, s.order[s.at])
		s.order[s.at] = sum
		s.at = (s.at + 1) % recent
	}
	return true
}
