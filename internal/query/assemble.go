package query

import (
	"cmp"
	"container/heap"

	"github.com/auditshipper/auditshipper/internal/event"
)

// maxOpenBytes bounds the lines of events that are not over yet. When there are
// more, the oldest event is given up as it is.
const maxOpenBytes = 16 << 20

// An assembler puts lines together to events, as ausearch does: an event whose
// first record cannot have others is over at once; any other when an event
// begins that is timeout seconds later. Events leave in the order of their
// time, so one that is not over holds up all later ones.
type assembler struct {
	timeout int64

	open   map[key]*Event // those that are not over
	last   *Event         // the open event that took the last line
	all    byTime         // those that have not left
	ending bySecond       // of those open, the ones that end first
	begun  uint64
	bytes  int

	spare      []*Event
	spareBytes int // of the lines they have room for
}

// A key tells an event from all others.
type key struct {
	id   event.ID
	node string
}

func newAssembler(timeout int64) *assembler {
	return &assembler{timeout: timeout, open: map[key]*Event{}}
}

// add takes a line.
func (a *assembler) add(l *line) {
	e := a.eventOf(l)
	if e == nil {
		if l.typ == typeEOE {
			return // of an event that is over
		}
		e = a.begin(l)
		e.add(l)
		a.bytes += len(l.bytes)
		if alone(l.typ) {
			a.end(e)
		}
		a.expire(l.id.Sec)
		return
	}
	e.add(l)
	a.bytes += len(l.bytes)
	for a.bytes > maxOpenBytes && len(a.all) > 0 && a.all[0].building {
		a.end(a.all[0])
	}
}

// eventOf returns the open event that a line belongs to, if there is one.
func (a *assembler) eventOf(l *line) *Event {
	if e := a.last; e != nil && e.building && e.ID == l.id && e.Node == string(l.node) {
		return e
	}
	e := a.open[key{l.id, string(l.node)}]
	if e != nil {
		a.last = e
	}
	return e
}

func (a *assembler) begin(l *line) *Event {
	var e *Event
	if n := len(a.spare); n > 0 {
		e, a.spare = a.spare[n-1], a.spare[:n-1]
		a.spareBytes -= cap(e.buf)
	} else {
		e = new(Event)
	}
	a.begun++
	e.ID, e.Node, e.first, e.order, e.building = l.id, string(l.node), l.typ, a.begun, true
	a.open[key{e.ID, e.Node}] = e
	a.last = e
	heap.Push(&a.all, e)
	if !alone(l.typ) {
		heap.Push(&a.ending, e)
	}
	return e
}

// end takes an event out of those that are open.
func (a *assembler) end(e *Event) {
	e.building = false
	delete(a.open, key{e.ID, e.Node})
}

// expire ends the events that have had their time when one begins at sec.
func (a *assembler) expire(sec int64) {
	for len(a.ending) > 0 {
		e := a.ending[0]
		if e.sec+a.timeout > sec && e.event.building && e.event.order == e.order {
			return
		}
		heap.Pop(&a.ending)
		if e.event.order == e.order && e.event.building {
			a.end(e.event)
		}
	}
}

// next returns the oldest event if it is over, nil if it is not.
func (a *assembler) next() *Event {
	if len(a.all) == 0 || a.all[0].building {
		return nil
	}
	e := heap.Pop(&a.all).(*Event)
	a.bytes -= len(e.buf)
	return e
}

// flush ends all events: there are no more lines.
func (a *assembler) flush() {
	for _, e := range a.all {
		if e.building {
			a.end(e)
		}
	}
}

// What is kept to be used again: all events of a second are over at once, so
// these are thousands, but none that was unusually large.
const (
	maxSpareBytes = 4 << 20
	maxSpareEach  = 16 << 10
)

// free takes an event back, to be used again.
func (a *assembler) free(e *Event) {
	if size := cap(e.buf); size <= maxSpareEach && a.spareBytes+size <= maxSpareBytes {
		e.reset()
		a.spare = append(a.spare, e)
		a.spareBytes += size
	}
}

// byTime is a heap of events by ID, then by the order in which they began.
type byTime []*Event

func (h byTime) Len() int { return len(h) }
func (h byTime) Less(i, j int) bool {
	a, b := h[i], h[j]
	if c := compareIDs(a.ID, b.ID); c != 0 {
		return c < 0
	}
	return a.order < b.order
}
func (h byTime) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *byTime) Push(x any)   { *h = append(*h, x.(*Event)) }
func (h *byTime) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

func compareIDs(a, b event.ID) int {
	return cmp.Or(cmp.Compare(a.Sec, b.Sec), cmp.Compare(a.Milli, b.Milli), cmp.Compare(a.Serial, b.Serial))
}

// A due is when an event ends. The event may have ended before, and its memory
// be another one's since, which then has another order.
type due struct {
	event *Event
	order uint64
	sec   int64
}

// bySecond is a heap of events by their second.
type bySecond []due

func (h bySecond) Len() int           { return len(h) }
func (h bySecond) Less(i, j int) bool { return h[i].sec < h[j].sec }
func (h bySecond) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *bySecond) Push(x any) {
	e := x.(*Event)
	*h = append(*h, due{e, e.order, e.ID.Sec})
}

// Pop takes the last off, and returns nothing: a due would be copied to the heap.
func (h *bySecond) Pop() any {
	*h = (*h)[:len(*h)-1]
	return nil
}
