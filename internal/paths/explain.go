package paths

import (
	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// This file tells why a path is as it is. Nothing in it decides anything: climb reports each
// step that it takes, for the one event that somebody asks about, and the last way that was
// gone for a name is the one that counts. For rm -r of /srv/a, whose own words anchor it:
//
//	81 was "b" in 80      next fact, event 1700000000.000:7, the removal of 81
//	80 was "a" in 5       next fact, event 1700000000.000:8, the removal of 80
//	5 is /srv             claim of the same process
//
// A replay has facts and claims only. The looks of the daemon that delivered the event are in
// no journal, so a path that rests on one cannot be proven again; the explanation ends at
// the directory where a look was needed.

// An explainer writes down which facts, looks and rules make the paths of one event. A nil
// one, which every daemon has, does nothing.
type explainer struct {
	id    event.ID            // of the event that is explained
	ids   map[uint64]event.ID // of all events, by their first sequence
	on    bool                // the way that is gone now is that of the event
	steps []Step              // of that way
	told  []Explanation       // one for each name; the last way of each counts
}

// An Explanation tells how one name of an event got its path.
type Explanation struct {
	Dest  bool   // of the second name
	Given string // the name that the caller gave
	Words string // the directory by the caller's own words; empty without such
	Steps []Step // from the name's directory up; empty if none was asked
	Final bool   // the event waited for as long as it may
}

// A Step is one directory on the way to the root.
type Step struct {
	Dir    event.Inode
	Name   string   // in the directory of the next step, or the claimed path
	Proven bool     // otherwise the way ends here
	Rule   string   // in words
	Fact   event.ID // the event that states or claims it; zero for none
}

// begin is told that a way begins.
func (x *explainer) begin(e *work) {
	if x == nil {
		return
	}
	if x.on = e.ID == x.id; x.on {
		x.steps = x.steps[:0]
	}
}

// step is told the proof of the next directory of the way.
func (x *explainer) step(n *dirtree.Node, p *proof) {
	if x == nil || !x.on {
		return
	}
	id := n.ID()
	step := Step{Dir: event.Inode{Dev: event.Dev(id.Dev), Ino: id.Ino}, Name: p.Name, Proven: p.answer == proven, Rule: p.words()}
	if p.fact != (dirtree.Moment{}) {
		step.Fact = x.ids[p.fact.Seq]
	}
	x.steps = append(x.steps, step)
}

// claimed is told that the caller's own words stand for the directory of step i.
func (x *explainer) claimed(i int, t *way) {
	if x == nil || !x.on {
		return
	}
	x.steps = x.steps[:i+1]
	x.steps[i].Name, x.steps[i].Proven, x.steps[i].Rule, x.steps[i].Fact = t.base, true, ruleWords[byOwnWords], x.ids[t.said]
}

// name is told that the way which was gone last was a name's.
func (x *explainer) name(n *place, final bool) {
	if x == nil || n.event.ID != x.id {
		return
	}
	told := Explanation{Dest: n == &n.event.dest, Given: string(n.given), Words: string(n.words), Steps: append([]Step(nil), x.steps...), Final: final}
	for i := range x.told {
		if x.told[i].Dest == told.Dest {
			x.told[i] = told
			return
		}
	}
	x.told = append(x.told, told)
}

// heard is told of each event in the order in which they began.
func (x *explainer) heard(e *event.Event) {
	if x != nil {
		x.ids[e.First] = e.ID
	}
}

// words is a proof in words.
func (p *proof) words() string {
	switch {
	case p.answer == proven && p.Parent == nil && p.Known():
		return "is the root"
	case p.answer == proven:
		return ruleWords[p.rule]
	case p.until != 0:
		return "was seen, but not all records of before are read"
	}
	return whyWords[p.why]
}

var ruleWords = [...]string{
	byNothing:  "",
	byNextFact: "next fact: the event that removed or moved it from there says where it was until then",
	byLastFact: "last fact: an event put it there, and no later fact moves it",
	bySpan:     "look: it was seen there before and after the event",
	bySight:    "look: it was seen there, and no fact separates the look from the event",
	byOwnWords: "claim: the event's own process named it so, and nothing known contradicts",
}

var whyWords = [...]string{
	whyUnknown:       "nothing in the records says where it was",
	whyMissing:       "records are missing between the event and what is known",
	whyForgotten:     "too many facts to remember: those of the event's time are forgotten",
	whyContradicted:  "the fact before and the fact after contradict each other: it moved out of sight",
	whySeenElsewhere: "it was seen elsewhere than the facts say",
	whyTooDeep:       "the way up does not end",
}
