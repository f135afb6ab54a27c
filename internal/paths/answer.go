package paths

import (
	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A question about a place is asked again whenever something new is known: of one
// directory (proof), and of the way from it to the root (way). The answers are values, so that
// whoever asks may keep, compare or print them:
//
//	            proven           not yet                  never
//	proof       edge, rule       until a look is read     why
//	way         from, base       block, until             block, why
//	name        ready            waits at block           claimed or unresolved
//
// Not yet becomes never when the wait is over (giveUp), and that is all that time does.

// An answer is one of the three that every question about a place has.
type answer uint8

const (
	notYet answer = iota // records or looks to come may prove a place: until tells which
	proven               // the place is proven: rule tells how
	never                // no record to come will prove a place: why tells the reason
)

// A rule is what proves a place. Each has its function in policy.go.
type rule uint8

const (
	byNothing  rule = iota
	byNextFact      // ruleNextFact
	byLastFact      // ruleLastFact
	bySpan          // ruleSights: seen before and after
	bySight         // ruleSights: seen at the time
	byOwnWords      // ruleOwnWords
)

// A why is the reason for which a place is not proven.
type why uint8

const (
	whyUnknown       why = iota // nothing is known of the place
	whyMissing                  // records are missing between the event and what is known
	whyForgotten                // there were more facts than the tree keeps
	whyContradicted             // a fact before and a fact after contradict each other
	whySeenElsewhere            // a look contradicts a fact, or another look
	whyTooDeep                  // a path has more parts than a call takes
)

// A proof is where one directory was at an event, and how that is known.
type proof struct {
	dirtree.Edge                // the place; unless proven, the one that may be
	answer       answer         // which of rule, why and until says more depends on it
	rule         rule           // by which it is proven, or may be
	why          why            // it is not; whyUnknown if it is
	from         event.From     // what the path is called that rests on it
	fact         dirtree.Moment // the event that states the place; zero for a look
	until        int64          // of a notYet: the look whose records must be read first, 0 for none
}

// A way leads from a directory up to the root, or to one whose own path is claimed.
type way struct {
	answer answer
	why    why
	from   event.From    // how the first edge was proven, or FromClaimed
	block  *dirtree.Node // the directory whose place is not proven; nil if the answer is proven
	until  int64         // of its proof
	base   string        // the path of the last directory by the caller's own words; "" for the root's
	said   uint64        // the first sequence of the event in which the caller said so; 0 unless base
}
