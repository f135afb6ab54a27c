package event

import (
	"time"

	"github.com/auditshipper/auditshipper/internal/dirtree"
)

// Defaults of Options.
const (
	DefaultLimit   = 4096
	DefaultGiveUp  = 4096
	DefaultWait    = time.Second
	DefaultPlaces  = 1 << 14
	DefaultHeld    = 1 << 14
	DefaultBytes   = 32 << 20
	idle           = time.Second // without records and without EOE, an event is over
	stalled        = 2 * time.Second
	maxRecordsEach = 1 << 16                // an event has no more
	heldUp         = 250 * time.Millisecond // without records, nobody waits for an open event
)

// Options bound a Stream. The zero value of each field means its default.
type Options struct {
	// Limit is how many events may be open: begun, and not seen to end. When
	// one more begins, the oldest is given up as it is.
	Limit int

	// GiveUp is after how many later records an open event is given up, if those
	// also took two seconds: a process may be stopped between two of its records,
	// while others make thousands.
	GiveUp int

	// ResolveWait is how long an event waits for a record that names its
	// directory. Negative: not at all.
	ResolveWait time.Duration

	// Held is how many events may wait; when one more has to, the oldest goes
	// as it is. Where nobody can be asked, what rm -r deletes has its path only
	// if all of it is held to the end.
	Held int

	// Bytes is how much memory the events may have that are open or wait. When it is
	// more, the oldest go as they are.
	Bytes int

	// Places is how many directories, and names above them, are remembered.
	Places int

	// Lookup is asked about processes; nil if there is nobody to ask.
	Lookup Lookup

	// Process says in which container and systemd unit a process runs; both are
	// empty if it does not live any more, or runs in none. It is called once
	// an event, as early as possible, and must not block. nil: nobody knows.
	Process func(pid uint32) (container, unit string)

	// Boot is the running kernel's boot id. What was learnt of a kernel is
	// carried over a restart only if it is still the same, and is forgotten
	// when a daemon note comes with another one in its field boot_id.
	Boot string
}

// A Stream puts records together to events and finds their paths. Events are
// returned as they become complete; one whose directory is not known yet waits
// a moment, and others pass it.
//
// A Stream is not safe for concurrent use.
type Stream struct {
	limit, giveUpAfter int
	heldLimit          int
	maxBytes, bytes    int   // that the events of young, stale and held may have, and have
	wait               int64 // milliseconds
	lookup             Lookup
	process            func(pid uint32) (container, unit string)

	open  map[ID]*Event
	last  *Event // the event of the last record
	live  list   // all events not returned yet, by First
	young list   // those open, and those behind them that have ended, by First
	stale list   // those open that nobody waits for, likewise
	held  list   // those that wait for a directory, in the order in which they were looked for
	ready list   // those to be returned
	free  []*Event

	high    uint64 // sequence of the last record pushed
	records uint64 // how many were pushed
	clock   int64  // the latest time of any event, Unix milliseconds
	tick    int64  // the latest Tick, Unix milliseconds; 0 if there was none

	resume resume

	tree      *dirtree.Tree
	parts     []string             // scratch of climb: the names on the way, the last one first
	steps     []*dirtree.Node      // likewise: the directories
	waits     map[dirtree.ID]*slot // rings of the names that wait for a directory's place; none is empty
	unsettled []sighting           // that those who wait may count once their records are read
	asking    map[inodeKey]inquiry
	claims    map[claimant]claim
	named     map[naming]dirtree.ID // the directories of claims by their paths

	claimBytes int // of the paths in claims
	renamed    renames
	barrier    uint64 // records are missing before the event that begins here: nothing known is of before
	doubt      int64  // when mounts changed last, Unix milliseconds

	twins   twins
	givings map[inodeKey]giving
	orphans map[inodeKey]*slot // rings of those who wait, by their files
	visits  []visit            // the latest first
	opened  opened
	met     [maxMet]acquaintance

	dropped  loss  // the last one
	complete int64 // it is known of all up to this time what is missing, Unix milliseconds; 0 for never

	order   order
	divided map[inodeKey][]*Event // that wait for their sides, by the file they rename
	seams   bool                  // the daemon that wrote the journal marks where it was away
	boot    string
	scratch []byte
}

// Offline are the Options for records of the past, as in a log file: all later
// records are there, so that a long removal of a tree can be waited out.
func Offline() Options {
	return Options{ResolveWait: 10 * time.Minute, Held: 1 << 18, Bytes: 256 << 20}
}

// NewStream returns a Stream that knows nothing yet.
func NewStream(o Options) *Stream {
	s := &Stream{
		limit:       or(o.Limit, DefaultLimit),
		giveUpAfter: or(o.GiveUp, DefaultGiveUp),
		heldLimit:   or(o.Held, DefaultHeld),
		maxBytes:    or(o.Bytes, DefaultBytes),
		wait:        or(o.ResolveWait, DefaultWait).Milliseconds(),
		lookup:      o.Lookup,
		process:     o.Process,
		open:        make(map[ID]*Event),
		live:        list{of: func(e *Event) *link { return &e.live }},
	}
	queue := func(e *Event) *link { return &e.queue }
	s.young.of, s.stale.of, s.held.of, s.ready.of = queue, queue, queue, queue
	s.tree = dirtree.New(or(o.Places, DefaultPlaces))
	s.waits = make(map[dirtree.ID]*slot)
	s.twins.limit = or(o.Places, DefaultPlaces)
	s.boot = o.Boot[:min(len(o.Boot), 255)]
	return s
}

func or[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Push takes the record with journal sequence seq. Sequences rise. text is
// borrowed: it may be changed once Push has returned.
func (s *Stream) Push(seq uint64, typ Type, text []byte) { s.PushEnriched(seq, typ, text, nil) }

// PushEnriched is Push for a record of an enriched log, with what auditd
// appended to it.
func (s *Stream) PushEnriched(seq uint64, typ Type, text, extra []byte) {
	s.high = seq
	s.records++
	id, rest, err := ParseHeader(text)
	if err != nil {
		s.pushBroken(seq, typ, text)
		return
	}
	if typ.IsNote() && id.Serial == 0 {
		id = NoteID(id, seq)
	}
	fate := s.resume.of(seq, id)
	if fate == fateSkip {
		return
	}
	s.follow(id.UnixMilli())

	e := s.eventOf(id, seq, typ, fate == fateLearn || typ == TypeSeam)
	if e == nil {
		s.expire()
		return
	}
	if typ == typeEOE {
		e.Whole = true
		e.Last = seq
		s.close(e)
	} else {
		if e.takes(typ, len(text)+len(extra)) {
			e.add(seq, typ, text, len(rest), extra)
			s.weigh(e)
		} else {
			e.leave(seq, text)
		}
		e.Truncated = e.Truncated || typ == TypeCut
		e.touched, e.touchAt = s.records, s.clock
		e.HasCall = e.HasCall || typ == typeSyscall || typ == typeUringop
		e.arrived = 0 // its silence begins with the next Tick: the last one may be long ago
		if e.endsWith(typ) {
			e.Whole = true
			s.close(e)
		}
	}
	s.expire()
	s.lighten()
}

// endsWith says whether the record just added, of type typ, is the event's last.
// After PROCTITLE the kernel sends nothing but EOE, which auditd does not log.
func (e *Event) endsWith(typ Type) bool {
	return typ.alone() || typ == typeProctitle && len(e.records) > 1
}

// follow moves the stream's clock, in milliseconds. Records come a little out of
// order, so it does not go back by little; one that goes back by much is a clock
// that was set, or a record whose time was wrong.
func (s *Stream) follow(now int64) {
	if back := s.clock - now; back < 0 || back > time.Hour.Milliseconds() {
		s.clock = now
	}
}

// eventOf is the open event with an ID, or a new one; nil for the end of an
// event that is not open.
func (s *Stream) eventOf(id ID, seq uint64, typ Type, silent bool) *Event {
	if s.last != nil && s.last.ID == id && !s.last.closed && s.last.silent == silent {
		return s.last
	}
	e := s.open[id]
	if e != nil && e.silent != silent { // more came of it after it was delivered
		s.shut(e)
		s.Free(e)
		e = nil
	}
	if e == nil {
		if typ == typeEOE {
			return nil
		}
		e = s.begin(id, seq, silent)
	}
	s.last = e
	return e
}

func (s *Stream) begin(id ID, seq uint64, silent bool) *Event {
	if s.young.n+s.stale.n >= s.limit {
		s.close(s.oldest())
	}
	e := s.alloc()
	e.ID, e.First, e.Last, e.born, e.bornAt = id, seq, seq, s.records, s.clock
	e.silent = silent
	s.open[id] = e
	if !silent {
		s.live.push(e)
	}
	s.young.push(e)
	return e
}

func (s *Stream) alloc() *Event {
	if n := len(s.free); n > 0 {
		e := s.free[n-1]
		s.free = s.free[:n-1]
		return e
	}
	e := new(Event)
	e.reset()
	return e
}

// Free gives an event back for reuse. Nothing of it may be used afterwards.
func (s *Stream) Free(e *Event) {
	s.unweigh(e)
	if len(s.free) < 64 {
		e.reset()
		s.free = append(s.free, e)
	}
}

// pushBroken delivers a record without a readable header as an event of its own.
func (s *Stream) pushBroken(seq uint64, typ Type, text []byte) {
	id := ID{Sec: s.clock / 1000, Milli: uint16(s.clock % 1000), Serial: noteSerial + seq}
	if s.resume.of(seq, id) != fateDeliver {
		return
	}
	e := s.begin(id, seq, false)
	e.add(seq, typ, text, len(text), nil)
	e.Action, e.Partial = "unparsed", true
	s.shut(e)
	s.ready.push(e)
}

// shut takes an event out of all lists.
func (s *Stream) shut(e *Event) {
	s.end(e)
	if e.stale {
		s.stale.remove(e)
	} else {
		s.young.remove(e)
	}
}

// end takes an event out of those that are open.
func (s *Stream) end(e *Event) {
	delete(s.open, e.ID)
	e.closed = true
	if s.last == e {
		s.last = nil
	}
}

// oldest is the event that began first of those that are open, nil for none.
func (s *Stream) oldest() *Event {
	if s.stale.head != nil {
		return s.stale.head
	}
	return s.young.head
}

// close ends an event, complete or not.
func (s *Stream) close(e *Event) {
	s.end(e)
	e.parse()
	if s.process != nil && e.PID != 0 && !e.silent {
		e.Container, e.Unit = s.process(e.PID)
	}
	if e.stale {
		s.stale.remove(e)
		s.find(e)
	}
	s.advance()
}

// advance finds the paths of the events that have ended, in the order in which they
// began: the records of processes come mixed, and one that is held up between two may
// have renamed what the others, later, name. It is waited for, but not for long.
func (s *Stream) advance() {
	for e := s.young.head; e != nil; e = s.young.head {
		if !e.closed && !s.tarries(e) {
			return
		}
		s.young.remove(e)
		if e.closed {
			s.find(e)
			continue
		}
		e.stale = true
		s.stale.push(e)
	}
}

// tarries says whether an open event has not gone on for so long that nobody waits
// for it any more. Nor does anybody for one without a call: it may have no end.
func (s *Stream) tarries(e *Event) bool {
	return !e.HasCall || s.records-e.touched >= uint64(s.giveUpAfter) || s.clock-e.touchAt >= heldUp.Milliseconds() ||
		e.arrived != 0 && s.tick-e.arrived >= heldUp.Milliseconds()
}

// find finds the paths of an event that has ended.
func (s *Stream) find(e *Event) {
	switch {
	case e.silent && e.Partial: // reading again began in its midst
		s.yield(e)
	case e.describe():
		s.note(e)
		s.heed(e)
		s.yield(e)
	case s.resolve(e), e.silent:
		e.eachWaiting(func(n *Name) { s.stopWaiting(n) })
		e.name()
		s.yield(e)
	default:
		s.hold(e)
	}
}

// yield makes an event ready to be returned, but for one that was delivered before a
// restart.
func (s *Stream) yield(e *Event) {
	if e.silent {
		s.Free(e)
		return
	}
	s.unweigh(e)
	s.ready.push(e)
}

// heed draws the consequences of what a note of our own says. What was lost may
// have been the very rename that makes untrue what is known, and another boot
// may number devices and print renames otherwise.
func (s *Stream) heed(e *Event) {
	switch cause := string(e.Field("cause")); e.records[0].typ {
	case TypeSeam:
		s.missed(e)
		s.seams = true
	case TypeGap:
		if cause != "rejected" && cause != "flood" && !(cause == "downtime" && s.seams) { // read, not missed; known by a seam
			s.missed(e)
		}
	}
	if boot := e.Field("boot_id"); e.records[0].typ.IsNote() && len(boot) > 0 && string(boot) != s.boot {
		s.Forget()
		s.boot = string(boot)
		s.nextBoot()
	}
}

// missed forgets what was learnt, since records are missing before e: what is told or
// seen later does not hold for what came before, nor the other way round. Names that
// wait get what is known by now.
func (s *Stream) missed(e *Event) {
	for w := s.held.head; w != nil && w.First < e.First; w = s.held.head {
		s.release(w)
	}
	s.forget()
	s.barrier = max(s.barrier, e.First)
}

func (s *Stream) hold(e *Event) {
	if s.held.n >= s.heldLimit {
		s.release(s.held.head)
	}
	e.heldAt = 0 // likewise
	s.held.push(e)
	s.weigh(e)
	if s.wait < 0 {
		s.release(e)
	}
}

// solved counts one of e's names as found; a held event that has all goes.
func (s *Stream) solved(e *Event) {
	e.unsolved--
	if e.unsolved > 0 || e.queue == (link{}) && s.held.head != e {
		return
	}
	s.letGo(e)
}

// release lets a held event go with what is known of it.
func (s *Stream) release(e *Event) {
	if e.sides != nil {
		s.unite(e)
	}
	e.eachWaiting(func(n *Name) {
		if s.stopWaiting(n) {
			s.giveUp(n)
		}
	})
	if e.unsolved > 0 {
		e.unsolved = 0
		s.letGo(e)
	}
}

func (s *Stream) letGo(e *Event) {
	s.held.remove(e)
	e.name()
	s.unweigh(e)
	s.ready.push(e)
}

// eachWaiting calls f with the names that may wait for something.
func (e *Event) eachWaiting(f func(*Name)) {
	f(&e.Path)
	f(&e.Dest)
}

// stopWaiting takes n from the ring that it waits in, if it does.
func (s *Stream) stopWaiting(n *Name) bool {
	switch {
	case n.wait.next == nil:
		return false
	case n.node == nil:
		s.leave(n)
	default:
		s.leaveRing(n)
	}
	return true
}

// expire gives up open events after enough later records, and lets held events
// go whose time is over.
func (s *Stream) expire() {
	if s.young.head != nil && s.tarries(s.young.head) {
		s.advance()
	}
	for e := s.stale.head; e != nil && s.records-e.born >= uint64(s.giveUpAfter) && s.clock-e.bornAt >= stalled.Milliseconds(); e = s.stale.head {
		s.close(e)
	}
	s.settleSeen()
	for e := s.held.head; e != nil && s.clock-e.ID.UnixMilli() >= s.wait && s.clock > e.looked+aside; e = s.held.head {
		if s.overdue(e); s.clock <= e.looked+aside || !s.dated(e, s.clock) {
			break
		}
		s.release(e)
	}
}

// overdue has an event whose wait is over wait on for the looks that may tell a path of
// it still: records up to then must be read, and known to be complete.
func (s *Stream) overdue(e *Event) {
	e.eachWaiting(func(n *Name) {
		if n.node != nil && n.wait.next != nil {
			s.blocked(n, s.climb(e, n.node, false))
		}
	})
}

// Tick lets time pass on a host where no records come. now is the wall clock's.
func (s *Stream) Tick(now time.Time) {
	s.tick = now.UnixMilli()
	for _, open := range []*list{&s.young, &s.stale} {
		for e := open.head; e != nil; e = e.queue.next {
			if e.arrived == 0 {
				e.arrived = s.tick
			}
		}
	}
	s.advance()
	for e := s.stale.head; e != nil; {
		next := e.queue.next
		if s.tick-e.arrived >= idle.Milliseconds() {
			s.close(e)
		}
		e = next
	}
	for e := s.held.tail; e != nil && e.heldAt == 0; e = e.queue.prev {
		e.heldAt = s.tick
	}
	s.findHeld()
	s.settleSeen()
	for e := s.held.head; e != nil; e = s.held.head {
		if s.tick-e.heldAt < s.wait {
			break
		}
		if s.overdue(e); s.tick < e.looked+underway || !s.dated(e, s.tick) {
			break
		}
		s.release(e)
	}
}

// Flush ends every event as it is: there are no more records. A daemon that
// stops does not flush; it begins again at Low.
func (s *Stream) Flush() {
	for e := s.oldest(); e != nil; e = s.oldest() {
		s.close(e)
	}
	for s.held.head != nil {
		s.release(s.held.head)
	}
}

// Hurry lets the event go that waits longest, with what is known of it, and
// says whether there was one: the reader has no room for those behind it.
func (s *Stream) Hurry() bool {
	if s.held.head == nil {
		return false
	}
	s.release(s.held.head)
	return true
}

// Next returns the next event that is complete and resolved.
func (s *Stream) Next() (*Event, bool) {
	e := s.ready.head
	if e == nil {
		return nil, false
	}
	s.ready.remove(e)
	s.live.remove(e)
	e.Low = s.Low()
	return e, true
}

// Low is the oldest sequence still needed if all events returned so far are
// delivered.
func (s *Stream) Low() uint64 {
	if e := s.live.head; e != nil {
		return e.First
	}
	return s.high + 1
}

// Read is the sequence of the last record pushed.
func (s *Stream) Read() uint64 { return s.high }

// Pending is how many events have begun and were not returned yet.
func (s *Stream) Pending() int { return s.live.n }

// Doubt has all that was said up to now looked at again before it is believed: what
// is mounted where has changed.
func (s *Stream) Doubt(now time.Time) {
	s.doubt = max(s.doubt, now.UnixMilli())
	s.renamed.note(nil, dirtree.Moment{Seq: s.high, Done: s.high, At: now.UnixMilli()})
	s.givings = nil
}

// DropDev forgets what was learnt of a file system: it goes away.
func (s *Stream) DropDev(dev Dev) {
	s.tree.ForgetDevice(uint64(dev))
	for by := range s.claims {
		if by.dir.Dev == uint64(dev) {
			delete(s.claims, by)
		}
	}
	s.twins.dropDev(dev)
	s.givings = nil
}

// Forget forgets all that was learnt of directories: events were lost, and
// with them perhaps the renames that made it untrue.
func (s *Stream) Forget() {
	for s.held.head != nil {
		s.release(s.held.head)
	}
	s.forget()
	s.barrier = s.high + 1
}

func (s *Stream) forget() {
	s.tree.Forget()
	s.claims, s.named = nil, nil
	s.twins.of = nil
	s.givings = nil
	s.doubtOrphans()
}
