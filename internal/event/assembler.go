package event

import (
	"bytes"
	"time"
)

// Defaults of Options, and the times an Assembler waits.
const (
	DefaultLimit   = 4096
	DefaultGiveUp  = 4096
	idle           = time.Second // without records and without EOE, an event is over
	stalled        = 2 * time.Second
	maxRecordsEach = 1 << 16                // an event has no more
	heldUp         = 250 * time.Millisecond // without records, nobody waits for an open event
)

// Options bound an Assembler. The zero value of a number means its default.
type Options struct {
	// Limit is how many events may be open: begun, and not seen to end. When
	// one more begins, the oldest is given up as it is.
	Limit int

	// GiveUp is after how many later records an open event is given up, if those
	// also took two seconds: a process may be stopped between two of its records,
	// while others make thousands.
	GiveUp int

	// Process says where a process ran at a time, in Unix milliseconds, and which parent it
	// had. It is called once an event, as early as possible, and must not block. nil:
	// nobody knows.
	Process func(pid, parent uint32, at int64) Surroundings

	// Ended takes each event that has ended, in the order in which they began, as far
	// as those before it are waited for. It passes it on to Hold or Yield.
	Ended func(*Event)
}

// An Assembler puts records together to events, and keeps each from its first record
// until it is returned. It owns every queue that an event may be in; see [State].
//
// An Assembler is not safe for concurrent use.
type Assembler struct {
	opt   Options
	bytes int // that the events of young, stale and held have; the sum of their weights

	open  map[ID]*Event // those in the states Open and Late, each under its ID
	last  *Event        // the event of the last record, nil if it is not open
	live  List          // all that were not returned yet, by First; none is silent
	young List          // Open and Ended, by First
	stale List          // Late, by First
	held  List          // Held, in the order in which they were held
	ready List          // Ready, in the order in which they will be returned
	free  []*Event      // none of them is in a queue; at most maxFree

	high    uint64 // sequence of the last record pushed; never falls
	records uint64 // how many were pushed; never falls
	clock   int64  // the latest time of any event, Unix milliseconds; see follow
	behind  int    // events in a row, up to the last one, that are dated well before clock
	setBack int64  // by how much clock was set back in all, milliseconds; never falls
	tick    int64  // the latest Tick, Unix milliseconds; 0 if there was none

	resume resume

	header []byte // of the last record that had one, with the space behind it; or empty
	id     ID     // what that says
}

// maxFree bounds how many events are kept to be used again.
const maxFree = 64

// NewAssembler returns an Assembler without events.
func NewAssembler(o Options) *Assembler {
	o.Limit, o.GiveUp = or(o.Limit, DefaultLimit), or(o.GiveUp, DefaultGiveUp)
	a := &Assembler{opt: o, open: make(map[ID]*Event), live: List{of: func(e *Event) *link { return &e.live }}}
	queue := func(e *Event) *link { return &e.queue }
	a.young.of, a.stale.of, a.held.of, a.ready.of = queue, queue, queue, queue
	return a
}

func or(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}

// Push takes the record with journal sequence seq, and what auditd appended to it.
// Sequences rise. text and extra are borrowed: they may be changed once it has returned.
func (a *Assembler) Push(seq uint64, typ Type, text, extra []byte) {
	a.high = seq
	a.records++
	id, rest, err := a.parseHeader(text)
	if err != nil {
		a.pushBroken(seq, typ, text)
		return
	}
	if typ.IsNote() && id.Serial == 0 {
		id = NoteID(id, seq)
	}
	fate := a.resume.of(seq, id)
	if fate == fateSkip {
		return
	}
	if typ != TypeEOE {
		a.follow(id)
	}
	if e := a.eventOf(id, seq, typ, fate == fateLearn || typ == TypeSeam); e != nil {
		a.take(e, seq, typ, text, extra, len(rest))
	}
	a.expire()
}

// parseHeader is ParseHeader, but that most records have the header of the one before.
func (a *Assembler) parseHeader(text []byte) (id ID, rest []byte, err error) {
	if len(a.header) > 0 && bytes.HasPrefix(text, a.header) {
		return a.id, text[len(a.header):], nil
	}
	id, rest, err = ParseHeader(text)
	a.header, a.id = append(a.header[:0], text[:len(text)-len(rest)]...), id
	if err != nil || !bytes.HasSuffix(a.header, []byte(": ")) {
		a.header = a.header[:0]
	}
	return id, rest, err
}

// take adds a record to its event, which may be its last one.
func (a *Assembler) take(e *Event, seq uint64, typ Type, text, extra []byte, rest int) {
	if typ == TypeEOE {
		e.Whole, e.Last = true, seq
		a.close(e)
		return
	}
	if e.takes(typ, len(text)+len(extra)) {
		e.add(seq, typ, text, rest, extra)
		a.Weigh(e)
	} else {
		e.leave(seq, text)
	}
	e.Truncated = e.Truncated || typ == TypeCut
	e.touched, e.touchAt = a.records, a.Elapsed()
	e.HasCall = e.HasCall || typ == TypeSyscall || typ == TypeUringop
	e.arrived = 0 // its silence begins with the next Tick: the last one may be long ago
	if e.endsWith(typ) {
		e.Whole = true
		a.close(e)
	}
}

// endsWith says whether the record just added, of type typ, is the event's last.
// After PROCTITLE the kernel sends nothing but EOE, which auditd does not log.
func (e *Event) endsWith(typ Type) bool {
	return typ.alone() || typ == TypeProctitle && len(e.records) > 1
}

// follow moves the clock to an event's time. The events of slow calls are dated long
// before those around them, so it does not go back for some events; if many in a row are
// dated before it, the host's clock was set back.
func (a *Assembler) follow(id ID) {
	now := id.UnixMilli()
	back := a.clock - now
	switch {
	case back <= slow.Milliseconds():
		a.clock, a.behind = max(a.clock, now), 0
	case a.last == nil || a.last.ID != id:
		if a.behind++; a.behind >= setBackEvents {
			a.setBack += back
			a.clock, a.behind = now, 0
		}
	}
}

const (
	slow          = 100 * time.Millisecond // by how much an event may be dated before others as a matter of course
	setBackEvents = 16
)

// eventOf is the open event with an ID, or a new one; nil for the end of an
// event that is not open.
func (a *Assembler) eventOf(id ID, seq uint64, typ Type, silent bool) *Event {
	if a.last != nil && a.last.ID == id && a.last.Silent == silent {
		return a.last
	}
	e := a.open[id]
	if e != nil && e.Silent != silent { // more came of it after it was delivered
		a.drop(e)
		a.Free(e)
		e = nil
	}
	if e == nil {
		if typ == TypeEOE {
			return nil
		}
		e = a.begin(id, seq, silent)
	}
	a.last = e
	return e
}

// pushBroken delivers a record without a readable header as an event of its own.
func (a *Assembler) pushBroken(seq uint64, typ Type, text []byte) {
	id := ID{Sec: a.clock / 1000, Milli: uint16(a.clock % 1000), Serial: NoteSerial + seq}
	if a.resume.of(seq, id) != fateDeliver {
		return
	}
	e := a.begin(id, seq, false)
	e.add(seq, typ, text, len(text), nil)
	e.Action, e.Partial = "unparsed", true
	a.drop(e)
	a.Yield(e)
}

func (a *Assembler) alloc() *Event {
	if n := len(a.free); n > 0 {
		e := a.free[n-1]
		a.free = a.free[:n-1]
		return e
	}
	e := new(Event)
	e.reset()
	return e
}

// Free gives an event back for reuse. Nothing of it may be used afterwards.
func (a *Assembler) Free(e *Event) {
	a.unweigh(e)
	if len(a.free) < maxFree {
		e.reset()
		a.free = append(a.free, e)
	}
}

// oldest is the event that began first of those that are open, nil for none.
func (a *Assembler) oldest() *Event {
	if a.stale.Head != nil {
		return a.stale.Head
	}
	return a.young.Head
}

// CloseOldest ends the event that began first as it is, and says whether there was one.
func (a *Assembler) CloseOldest() bool {
	e := a.oldest()
	if e != nil {
		a.close(e)
	}
	return e != nil
}

// close ends an event, complete or not.
func (a *Assembler) close(e *Event) {
	late := e.state == Late
	a.end(e)
	e.parse()
	if a.opt.Process != nil && e.PID != 0 && !e.Silent {
		e.Surroundings = a.opt.Process(e.PID, e.PPID, e.ID.UnixMilli())
	}
	if late {
		a.hand(e)
	}
	a.advance()
}

// advance hands on the events that have ended, in the order in which they
// began: the records of processes come mixed, and one that is held up between two may
// have renamed what the others, later, name. It is waited for, but not for long.
func (a *Assembler) advance() {
	for e := a.young.Head; e != nil; e = a.young.Head {
		switch {
		case e.state == Ended:
			a.hand(e)
		case a.tarries(e):
			a.overtake(e)
		default:
			return
		}
	}
}

// tarries says whether an open event has not gone on for so long that nobody waits
// for it any more. Nor does anybody for one without a call: it may have no end.
func (a *Assembler) tarries(e *Event) bool {
	return !e.HasCall || a.records-e.touched >= uint64(a.opt.GiveUp) || a.Elapsed()-e.touchAt >= heldUp.Milliseconds() ||
		e.arrived != 0 && a.tick-e.arrived >= heldUp.Milliseconds()
}

// expire gives up open events after enough later records.
func (a *Assembler) expire() {
	if a.young.Head != nil && a.tarries(a.young.Head) {
		a.advance()
	}
	for e := a.stale.Head; e != nil && a.records-e.born >= uint64(a.opt.GiveUp) && a.Elapsed()-e.bornAt >= stalled.Milliseconds(); e = a.stale.Head {
		a.close(e)
	}
}

// Tick lets time pass on a host where no records come. now is the wall clock's.
func (a *Assembler) Tick(now time.Time) {
	was := a.tick
	a.tick = now.UnixMilli()
	for _, open := range []*List{&a.young, &a.stale} {
		for e := open.Head; e != nil; e = e.queue.next {
			if e.arrived == 0 || a.tick < was { // the clock was set back
				e.arrived = a.tick
			}
		}
	}
	a.advance()
	for e := a.stale.Head; e != nil; {
		next := e.queue.next
		if a.tick-e.arrived >= idle.Milliseconds() {
			a.close(e)
		}
		e = next
	}
}

// Next returns the next event that is ready.
func (a *Assembler) Next() (*Event, bool) {
	e := a.ready.Head
	if e == nil {
		return nil, false
	}
	a.deliver(e)
	e.Low = a.Low()
	return e, true
}

// Low is the oldest sequence still needed if all events returned so far are
// delivered.
func (a *Assembler) Low() uint64 {
	if e := a.live.Head; e != nil {
		return e.First
	}
	return a.high + 1
}

// Heard is the oldest sequence of any event that is not returned, or was not given to
// Options.Ended yet, though it was delivered before a restart.
func (a *Assembler) Heard() uint64 {
	low := a.Low()
	for _, open := range []*List{&a.young, &a.stale} {
		if e := open.Head; e != nil {
			low = min(low, e.First)
		}
	}
	return low
}

// Read is the sequence of the last record pushed.
func (a *Assembler) Read() uint64 { return a.high }

// Pending is how many events have begun and were not returned yet.
func (a *Assembler) Pending() int { return a.live.Len }

// Held are the events that wait for a directory.
func (a *Assembler) Held() *List { return &a.held }

// Clock is the latest time of any event, in Unix milliseconds.
func (a *Assembler) Clock() int64 { return a.clock }

// Elapsed is like Clock, but goes on where the clock was set back.
func (a *Assembler) Elapsed() int64 { return a.clock + a.setBack }

// Ticked is the time of the latest Tick, in Unix milliseconds; 0 if there was none.
func (a *Assembler) Ticked() int64 { return a.tick }

// Expects says whether an event of before a time, in Unix milliseconds, has begun and was
// not handed on.
func (a *Assembler) Expects(at int64) bool {
	return a.young.Head != nil && a.young.Head.ID.UnixMilli() <= at
}
