package paths

import (
	"bytes"
	"slices"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A rename from one directory to another prints a PARENT record for each, and which
// is the old name's depends on how the kernel was compiled. The names in the records
// tell the two apart where their directory parts differ. Where they do not, as in
// mv report.csv archive/, the order of this boot's kernel tells, once a rename has
// shown it: the daemon's own at the start, or one whose names differ. No process can
// forge that: the kernel prints each name beside the directory that it led to.
//
// Until then a rename waits. What else tells is the next record of the same file, if
// the same process takes it away, or if it is a directory, which has one name only;
// and a look at the file.

// sides are the directories of a rename that nothing tells apart yet.
type sides struct {
	two   [2]*event.Item // in the order of their records; neither is nil
	order order          // what records have told; orderUnknown until then
	seen  order          // what a look told; orderUnknown for nothing
	at    int64          // when that was, in Unix milliseconds; 0 for never
}

// A pairing tells of renames which of their two directories is the old name's.
type pairing struct {
	*resolver

	order   order                   // of this boot's kernel; never orderDisputed
	divided map[event.Inode][]*work // that wait for their sides, by the file they rename; no list is empty
}

// divide lets e wait for its sides.
func (s *pairing) divide(e *work) {
	two := e.parents()
	e.sides = &sides{two: [2]*event.Item{two[0], two[1]}}
	e.unsolved++
	if s.host != nil && !e.Silent {
		for i := range 4 { // while the process lives, whichever name is whose
			n, p := []*place{&e.path, &e.dest}[i%2], two[i/2]
			s.gather(e, &place{event: e, given: n.given, parent: p, dirArg: n.dirArg, node: s.tree.Node(idOf(p.Key))}, &inquiry{})
		}
	}
	if e.path.item == nil || e.dest.item == nil || e.mayExchange() { // the file may be on the other side
		return
	}
	if s.host != nil && !e.Silent {
		s.seeFile(e)
	}
	if key := e.dest.item.Key; !e.Silent && e.dest.item.HasIno {
		if s.divided == nil {
			s.divided = map[event.Inode][]*work{}
		}
		s.divided[key] = append(s.divided[key], e)
	}
}

// seeFile looks in which of the two directories the file is, by its only name there.
//
// Claim: that directory is the new name's.
// Why it is sound: the look is our own, at the inodes of the directory and of the file,
// and any later move of the file is an event that ends what was seen (rejoin).
// What would break it: a move out of sight. It tells the sides of this rename, and
// nothing of others.
// Test: TestRenameSides, TestNoPathInvented.
func (s *pairing) seeFile(e *work) {
	key, last := e.dest.item.Key, lastPart(e.dest.given)
	if e.dest.item.IsDir() || e.Exchange || len(last) == 0 {
		return
	}
	var there [2]bool
	for i, p := range e.sides.two {
		n := s.tree.Node(idOf(p.Key))
		path, ok := s.appendLatest(nil, n)
		if !ok || s.lookAlong(path, false) != n {
			return
		}
		file, plain := appendJoined(nil, path, last, true)
		there[i] = plain && s.host.Stat(file).only(key, anyAge)
	}
	if there[0] == there[1] {
		return
	}
	e.sides.seen, e.sides.at = orderOldFirst, s.host.Now()
	if there[0] {
		e.sides.seen = orderNewFirst
	}
	e.looked = max(e.looked, e.sides.at)
}

// rejoin takes from an event what it says of the sides of those who wait: the next
// record of a renamed file tells in which directory it was.
func (s *pairing) rejoin(e *work) {
	if len(s.divided) == 0 || e.Success == event.No {
		return
	}
	for i := range e.Items {
		p := &e.Items[i]
		if p.Kind != event.KindDelete && p.Kind != event.KindCreate {
			continue
		}
		waiting := s.divided[p.Key]
		delete(s.divided, p.Key)
		for _, w := range waiting {
			if w.sides != nil { // it may have gone when another one taught the order
				w.sides.seen = orderUnknown // it may have been seen after this event
				s.takes(e, p, w)
			}
		}
	}
}

// forgo ends e's wait for the next record of its file.
func (s *pairing) forgo(e *work) {
	if e.dest.item == nil {
		return
	}
	key := e.dest.item.Key
	if left := slices.DeleteFunc(s.divided[key], func(w *work) bool { return w == e }); len(left) > 0 {
		s.divided[key] = left
	} else {
		delete(s.divided, key)
	}
}

// takes finds w's sides if e takes its file away by the name that w gave it. A layer's
// identity of a file tells nothing: the next one may have its number.
//
// Claim: the directory from which e takes the file is the one that w moved it to.
// Why it is sound: a directory has one name only, so whoever takes it away tells where it
// was. A file may have several, so only the same process counts, with the same last part.
// What would break it: a second name of the file in the other directory with the same last
// part, deleted by the same process, next of all. Nothing would tell; programs do not.
// Test: TestRenameSides, TestNoPathInvented.
func (s *pairing) takes(e *work, it *event.Item, w *work) {
	gone := &e.path
	if it != gone.item || it.Kind != event.KindDelete || e.Stacked || it.Mode&event.ModeType != w.dest.item.Mode&event.ModeType || gone.parent == nil || !gone.parent.HasIno || e.Exchange ||
		!bytes.Equal(lastPart(gone.given), lastPart(w.dest.given)) || e.PID != w.PID && !it.IsDir() {
		return
	}
	d := w.sides
	if d.order != orderUnknown {
		return
	}
	switch gone.parent.Key {
	case d.two[0].Key:
		d.order = orderNewFirst
	case d.two[1].Key:
		d.order = orderOldFirst
	default:
		return
	}
	s.unite(w)
}

// learnOrder is told by records; events that waited for nothing else go on.
//
// Claim: every rename of this boot prints its PARENT records in that order.
// Why it is sound: the order is that in which the compiler left two calls in one function of
// the kernel's. Names whose directory parts differ show it, and the kernel prints each name
// beside the inode that it led to, which no process chooses.
// What would break it: another kernel, which a note of another boot announces (nextBoot).
// Test: TestRenameSides, TestAttacks.
func (s *pairing) learnOrder(o order) {
	if o == orderUnknown || s.order == o {
		return
	}
	s.order = o
	s.endWait(o)
}

// nextBoot forgets the order: another kernel may have another one. Those who wait for
// it will never know.
func (s *pairing) nextBoot() {
	s.order = orderUnknown
	s.endWait(orderDisputed)
}

// unpaired is for a rename that nothing tells the sides of: a name that needs no
// directory is what the caller claims.
func (n *place) unpaired(e *work) {
	if n.given == nil {
		return // the call failed, and only its directories are known
	}
	base, _, ok := e.base(n.given, n.dirArg)
	if !ok {
		n.unresolved()
		return
	}
	start := len(e.Built)
	e.Built, _ = appendJoined(e.Built, base, n.given, base != nil)
	n.Path, n.From = e.Built[start:len(e.Built):len(e.Built)], event.FromClaimed
}

// endWait tells all who wait for the order what it is.
func (s *pairing) endWait(o order) {
	held := s.in.Held()
	for ev := held.Head; ev != nil; {
		e, next := workOf(ev), held.Next(ev)
		if e.sides != nil && e.sides.order == orderUnknown {
			e.sides.order = o
			s.unite(e)
		}
		ev = next
	}
}

// unite gives the names of a rename the sides that were told, or none, and looks for
// their directories.
func (s *pairing) unite(e *work) {
	d := e.sides
	e.sides = nil
	s.forgo(e)
	if d.order == orderUnknown && s.hasRead(dirtree.Look{At: d.at}) && !s.dropped.spans(e, d.at) && !s.barred(e) {
		d.order = d.seen
	}
	switch d.order {
	case orderOldFirst:
		e.path.parent, e.dest.parent = d.two[0], d.two[1]
	case orderNewFirst:
		e.path.parent, e.dest.parent = d.two[1], d.two[0]
	default:
		e.path.unpaired(e)
		e.dest.unpaired(e)
		s.solved(e)
		return
	}
	s.locate(e, &e.path)
	s.locate(e, &e.dest)
	s.solved(e)
}
