package query

import (
	"bytes"
	"cmp"
	"container/heap"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Bounds of an assembler, so that no input takes more memory than this.
const (
	// maxHeldBytes bounds all events that have not left. Beyond it the oldest
	// event is given up: it leaves without the records that it lacks.
	maxHeldBytes = 24 << 20

	// maxEventBytes and maxEventRecords bound one event. Its further records
	// are dropped, and the event is truncated.
	maxEventBytes   = 8 << 20
	maxEventRecords = 1<<16 - 1

	// eventCost and recordCost are the bytes of an event and of a record beside
	// the text.
	eventCost  = 640
	recordCost = 160
)

// Bounds in lines of the input, counted from the last record of an event.
const (
	// ripeLines is how many lines make an event that is over leave, although
	// nothing was read that happened much later on its node.
	ripeLines = 1 << 14

	// loneLines is how many lines end an event of records that may have no end,
	// since they belong to no system call.
	loneLines = 1 << 10
)

// An assembler puts lines together to events. Events leave in the order of
// their time, those of one node in the order in which its kernel numbered them:
// the clock may be set back, and facts of directories count in the order in which
// they came about.
//
// An event is over with its EOE or PROCTITLE record, with a record of user
// space, which stands alone, or with the input. Stamps of other events end
// none: a slow system call writes its records long after its stamp. An event
// that is over stays until its node is timeout seconds further, since events
// are written a little out of order; records that come until then join it.
//
// With compat an event ends as in ausearch: also when one begins that is
// timeout seconds later. Records that come then are another event.
type assembler struct {
	timeout int64
	compat  bool
	unique  bool // a line that an event has already is dropped: the source repeats itself
	left    Left

	open   map[key]*Event // those that take lines
	last   *Event         // the open event that took the last line
	all    byTime         // those that have not left
	ending bySecond       // compat: of those open, the ones that end first
	nodes  map[origin]*clock
	node   *clock // of the last line
	begun  uint64
	lines  uint64
	bytes  int // of those that have not left, see Event.cost

	spare      []*Event
	spareBytes int
}

// A key tells an event from all others.
type key struct {
	id event.ID
	of origin
}

// An origin tells hosts apart.
type origin struct{ node, stream string }

// is says whether a line is of this origin.
func (o origin) is(l *line) bool { return o.node == string(l.node) && o.stream == l.stream }

// maxClocks bounds the nodes whose clocks are known. Without its clock a node's
// events are only sorted less.
const maxClocks = 1 << 10

func newAssembler(opt *Options) *assembler {
	return &assembler{
		timeout: cmp.Or(opt.EOETimeout, DefaultEOETimeout), compat: opt.Compat,
		open: map[key]*Event{}, nodes: map[origin]*clock{},
	}
}

// add takes a line.
func (a *assembler) add(l *line) {
	a.lines++
	e := a.eventOf(l)
	if e == nil {
		if l.typ == typeEOE {
			return // of an event that has left
		}
		e = a.begin(l)
	} else if a.repeats(e, l) {
		return
	}
	a.take(e, l)
	switch {
	case e.building && a.ends(e, l):
		a.end(e)
	case a.compat:
		a.expire(l.id.Sec, e)
	}
	for a.bytes > maxHeldBytes && len(a.all) > 0 && a.all[0].building {
		a.giveUp(a.all[0])
	}
}

// take adds a line to an event, up to the bounds of one event.
func (a *assembler) take(e *Event, l *line) {
	if len(e.marks) >= maxEventRecords || len(e.buf)+len(l.bytes) > maxEventBytes {
		if !e.Truncated {
			e.Truncated = true
			a.left.Truncated++
		}
		return
	}
	before := e.cost()
	e.add(l)
	e.touched = a.lines
	a.bytes += e.cost() - before
}

// cost is how many bytes an event takes.
func (e *Event) cost() int { return eventCost + cap(e.buf) + recordCost*cap(e.marks) }

// ends says whether a line is the last of its event.
func (a *assembler) ends(e *Event, l *line) bool {
	if len(e.marks) <= 1 {
		return alone(l.typ) && (a.compat || !joins(l.typ))
	}
	return !a.compat && (l.typ == typeEOE || l.typ == typeProctitle)
}

// repeats says whether a line is one that its event has already: the source
// repeats itself, or the event is over and comes once more.
func (a *assembler) repeats(e *Event, l *line) bool {
	if !a.unique && (a.compat || e.building) {
		return false
	}
	const back = 64 // a repetition begins not far behind the original
	for _, m := range e.marks[max(0, len(e.marks)-back):] {
		if m.typ == l.typ && m.last-m.line == len(l.bytes) && bytes.Equal(e.buf[m.line:m.last], l.bytes) {
			return true
		}
	}
	return false
}

// eventOf returns the open event that a line belongs to, if there is one.
func (a *assembler) eventOf(l *line) *Event {
	if e := a.last; e != nil && e.ID == l.id && e.clock.of.is(l) {
		return e
	}
	e := a.open[key{l.id, origin{string(l.node), l.stream}}]
	if e != nil {
		a.last = e
	}
	return e
}

func (a *assembler) begin(l *line) *Event {
	var e *Event
	if n := len(a.spare); n > 0 {
		e, a.spare = a.spare[n-1], a.spare[:n-1]
		a.spareBytes -= e.cost()
	} else {
		e = new(Event)
	}
	a.begun++
	c := a.clockOf(l)
	e.ID, e.Node, e.Stream, e.first, e.order, e.building, e.clock = l.id, c.of.node, c.of.stream, l.typ, a.begun, true, c
	e.at = rank{l.id.UnixMilli(), l.id.Serial}
	if !a.compat {
		e.at = c.rank(l, a.timeout)
	}
	a.open[key{e.ID, c.of}] = e
	a.last = e
	a.bytes += e.cost()
	heap.Push(&a.all, e)
	if a.compat && !alone(l.typ) {
		heap.Push(&a.ending, e)
	}
	return e
}

// clockOf returns the clock of a line's node, moved to the line's second.
func (a *assembler) clockOf(l *line) *clock {
	c := a.node
	if c == nil || !c.of.is(l) {
		of := origin{string(l.node), l.stream}
		c = a.nodes[of]
		if c == nil {
			if len(a.nodes) >= maxClocks {
				clear(a.nodes)
			}
			c = &clock{of: of, recent: make([]rank, 0, maxRecent+1)}
			a.nodes[of] = c
		}
		a.node = c
	}
	c.sec = max(c.sec, l.id.Sec)
	return c
}

// end makes an event one that is over. With compat it takes no more lines.
func (a *assembler) end(e *Event) {
	e.building = false
	if a.compat {
		a.forget(e)
	}
}

// giveUp ends an event whose end was not read.
func (a *assembler) giveUp(e *Event) {
	a.end(e)
	if last := e.marks[len(e.marks)-1].typ; last == typeProctitle || last == typeEOE { // which do not end it with compat
		return
	}
	e.GivenUp = true
	a.left.GivenUp++
}

// forget takes an event out of those that take lines.
func (a *assembler) forget(e *Event) {
	delete(a.open, key{e.ID, e.clock.of})
	if a.last == e {
		a.last = nil
	}
}

// expire ends, for compat, the events that have had their time when one begins
// at sec.
func (a *assembler) expire(sec int64, begun *Event) {
	if len(begun.marks) > 1 {
		return // it did not begin now
	}
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

// next returns the oldest event if it may leave, nil if it may not.
func (a *assembler) next() *Event {
	if len(a.all) == 0 {
		return nil
	}
	e := a.all[0]
	switch {
	case a.compat && e.building, !a.compat && !a.ripe(e):
		return nil
	}
	return a.leave()
}

// ripe says whether an event is over, and those that happened before it have
// probably begun.
func (a *assembler) ripe(e *Event) bool {
	quiet := a.lines - e.touched
	later := e.clock.sec-e.ID.Sec >= a.timeout
	if later && !a.compat && quiet < loneLines { // unless it only seems so, since the clock was set back
		n := len(e.clock.recent)
		later = n == 0 || e.clock.recent[n-1].millis/1000-e.at.millis/1000 >= a.timeout
	}
	if e.building && !e.hasCall && later && quiet >= loneLines {
		a.end(e)
	}
	if e.building {
		return false
	}
	return later || quiet >= ripeLines || a.bytes > maxHeldBytes/2
}

func (a *assembler) leave() *Event {
	e := heap.Pop(&a.all).(*Event)
	a.bytes -= e.cost()
	if !a.compat {
		a.forget(e)
	}
	return e
}

// flush returns the oldest event, over or not, nil if there is none: there are
// no more lines.
func (a *assembler) flush() *Event {
	if len(a.all) == 0 {
		return nil
	}
	if e := a.all[0]; e.building {
		a.end(e)
	}
	return a.leave()
}

// What is kept to be used again: all events of a second are over at once, so
// these are thousands, but none that was unusually large.
const (
	maxSpareBytes = 8 << 20
	maxSpareEach  = 32 << 10
)

// free takes an event back, to be used again.
func (a *assembler) free(e *Event) {
	if size := e.cost(); size <= maxSpareEach && a.spareBytes+size <= maxSpareBytes {
		e.reset()
		a.spare = append(a.spare, e)
		a.spareBytes += size
	}
}

// byTime is a heap of events by their rank, then by the order in which they began.
type byTime []*Event

func (h byTime) Len() int { return len(h) }
func (h byTime) Less(i, j int) bool {
	a, b := h[i], h[j]
	return cmp.Or(cmp.Compare(a.at.millis, b.at.millis), cmp.Compare(a.at.serial, b.at.serial), cmp.Compare(a.order, b.order)) < 0
}
func (h byTime) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *byTime) Push(x any)   { *h = append(*h, x.(*Event)) }
func (h *byTime) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
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
