package paths

import (
	"time"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// Defaults of Options.
const (
	DefaultWait   = time.Second
	DefaultPlaces = 1 << 14
	DefaultHeld   = 1 << 14
	DefaultBytes  = 24 << 20
)

// Options bound a Stream. The zero value of each field means its default.
type Options struct {
	// Limit and GiveUp are those of event.Options.
	Limit, GiveUp int

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

	// Host is asked about the running system; nil if there is nobody to ask.
	Host Host

	// Process is that of event.Options.
	Process func(pid, parent uint32, at int64) event.Surroundings

	// Boot is the running kernel's boot id. What was learnt of a kernel is
	// carried over a restart only if it is still the same, and is forgotten
	// when a daemon note comes with another one in its field boot_id.
	Boot string

	// Explain is an event of which Explained tells how its paths came about. It takes
	// memory for every event; the zero ID stands for none.
	Explain event.ID
}

// Offline are the Options for records of the past, as in a log file: all later
// records are there, so that a long removal of a tree can be waited out.
func Offline() Options {
	return Options{ResolveWait: 10 * time.Minute, Held: 1 << 18, Bytes: 256 << 20}
}

// A Stream makes of records whole events with their paths. Events are
// returned as they become complete; one whose directory is not known yet waits
// a moment, and others pass it.
//
// A Stream is not safe for concurrent use.
type Stream struct {
	resolver

	maxBytes int    // that the events may have which are open or held
	boot     string // the running kernel's; at most 255 bytes
	seams    bool   // the daemon that wrote the journal marks where it was away
	clock    int64  // in.Clock when it was last asked; see setBack
}

// NewStream returns a Stream that knows nothing yet.
func NewStream(o Options) *Stream {
	s := &Stream{maxBytes: or(o.Bytes, DefaultBytes), boot: o.Boot[:min(len(o.Boot), 255)]}
	s.in = event.NewAssembler(event.Options{Limit: o.Limit, GiveUp: o.GiveUp, Process: o.Process, Ended: func(e *event.Event) { s.find(workOf(e)) }})
	s.wait, s.host = or(o.ResolveWait, DefaultWait).Milliseconds(), o.Host
	s.heldLimit = or(o.Held, DefaultHeld)
	s.tree = dirtree.New(or(o.Places, DefaultPlaces))
	s.layers = layers{tree: s.tree, twins: twins{limit: or(o.Places, DefaultPlaces)}}
	s.waits = make(map[dirtree.ID]*ring)
	if o.Explain != (event.ID{}) {
		s.explain = &explainer{id: o.Explain, ids: make(map[uint64]event.ID)}
	}
	s.pairs, s.orphans = &pairing{resolver: &s.resolver}, &orphanage{resolver: &s.resolver}
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
func (s *Stream) Push(seq uint64, typ event.Type, text []byte) { s.PushEnriched(seq, typ, text, nil) }

// PushEnriched is Push for a record of an enriched log, with what auditd
// appended to it.
func (s *Stream) PushEnriched(seq uint64, typ event.Type, text, extra []byte) {
	s.in.Push(seq, typ, text, extra)
	s.expire()
	s.lighten()
}

// Free gives an event back for reuse. Nothing of it may be used afterwards.
func (s *Stream) Free(e *event.Event) { s.in.Free(e) }

// Next returns the next event that is complete and resolved.
func (s *Stream) Next() (*event.Event, bool) {
	for {
		if e, ok := s.in.Next(); ok || !s.goOn() {
			return e, ok
		}
	}
}

// Low is the oldest sequence still needed if all events returned so far are
// delivered.
func (s *Stream) Low() uint64 { return s.in.Low() }

// Read is the sequence of the last record pushed.
func (s *Stream) Read() uint64 { return s.in.Read() }

// Pending is how many events have begun and were not returned yet.
func (s *Stream) Pending() int { return s.in.Pending() }

// Unaccounted says whether paths wait until it is known what the kernel dropped.
func (s *Stream) Unaccounted() bool {
	k := len(s.unsettled)
	return k > 0 && !s.accounted(s.unsettled[k-1].At)
}

// find finds the paths of an event that has ended.
func (s *Stream) find(e *work) {
	s.explain.heard(e.Event)
	switch {
	case e.Silent && e.Partial: // reading again began in its midst
		s.in.Yield(e.Event)
	case e.Describe():
		e.CollectFields()
		s.heed(e)
		s.in.Yield(e.Event)
	case s.resolve(e), e.Silent:
		e.eachWaiting(func(n *place) { s.stopWaiting(n) })
		s.letGo(e)
	default:
		s.hold(e)
	}
}

// Explained tells how the names of the event that Options.Explain names got their paths, as
// far as they were looked for below a directory.
func (s *Stream) Explained() []Explanation {
	if s.explain == nil {
		return nil
	}
	return s.explain.told
}

// heed draws the consequences of what a note of our own says. What was lost may
// have been the very rename that makes untrue what is known, and another boot
// may number devices and print renames otherwise.
func (s *Stream) heed(e *work) {
	typ, _ := e.Record(0)
	switch cause := string(e.Field("cause")); typ {
	case event.TypeSeam:
		s.missed(e)
		s.seams = true
	case event.TypeGap:
		if cause != "rejected" && cause != "flood" && !(cause == "downtime" && s.seams) { // read, not missed; known by a seam
			s.missed(e)
		}
	}
	if boot := e.Field("boot_id"); typ.IsNote() && len(boot) > 0 && string(boot) != s.boot {
		s.Forget()
		s.boot = string(boot)
		s.pairs.nextBoot()
	}
}

// expire lets held events go whose time is over.
func (s *Stream) expire() {
	clock, elapsed := s.in.Clock(), s.in.Elapsed()
	if clock != s.clock {
		s.lookDue()
	}
	s.settleSeen()
	if clock < s.clock {
		s.setBack(clock)
	}
	s.clock = clock
	for e := s.firstHeld(); e != nil && s.built <= maxBuilt && elapsed-e.BornAt() >= s.wait && clock > e.looked+aside; e = s.firstHeld() {
		if s.overdue(e); clock <= e.looked+aside || !s.dated(e, clock) {
			break
		}
		s.release(e)
	}
}

// setBack has what is held not wait for a time that the clock has to come to again.
func (s *Stream) setBack(now int64) {
	held := s.in.Held()
	for e := held.Head; e != nil; e = held.Next(e) {
		w := workOf(e)
		w.heldAt, w.looked = min(w.heldAt, now), min(w.looked, now)
	}
}

// Tick lets time pass on a host where no records come. now is the wall clock's.
func (s *Stream) Tick(now time.Time) {
	was := s.in.Ticked()
	s.in.Tick(now)
	tick, held := s.in.Ticked(), s.in.Held()
	if tick < was {
		s.setBack(tick)
	}
	for e := held.Tail; e != nil && workOf(e).heldAt == 0; e = held.Prev(e) {
		workOf(e).heldAt = tick
	}
	s.lookDue()
	s.findHeld()
	s.settleSeen()
	for e := s.firstHeld(); e != nil; e = s.firstHeld() {
		if tick-e.heldAt < s.wait {
			break
		}
		if s.overdue(e); tick < e.looked+underway || !s.dated(e, tick) {
			break
		}
		s.release(e)
	}
}

// Flush ends every event as it is: there are no more records. A daemon that
// stops does not flush; it begins again at Low.
func (s *Stream) Flush() {
	for s.in.CloseOldest() {
	}
	for s.Hurry() {
	}
}

// Hurry lets the event go that waits longest, with what is known of it, and
// says whether there was one: the reader has no room for those behind it.
func (s *Stream) Hurry() bool {
	e := s.firstHeld()
	if e != nil {
		s.release(e)
	}
	return e != nil
}

// lighten lets the oldest events go as they are while all have more than their bytes:
// those that wait for a name first, then those whose end has not come.
func (s *Stream) lighten() {
	for s.in.Bytes() > s.maxBytes && (s.Hurry() || s.in.CloseOldest()) {
	}
}

// Doubt has all that was said up to now looked at again before it is believed: what
// is mounted where has changed.
func (s *Stream) Doubt(now time.Time) {
	s.doubt = max(s.doubt, now.UnixMilli())
	s.renamed.note(nil, dirtree.Moment{Seq: s.in.Read(), Done: s.in.Read(), At: now.UnixMilli()})
	s.givings = nil
}

// DropDev forgets what was learnt of a file system: it goes away.
func (s *Stream) DropDev(dev event.Dev) {
	s.tree.ForgetDevice(uint64(dev))
	for by := range s.claims.of {
		if by.dir.Dev == uint64(dev) {
			delete(s.claims.of, by)
		}
	}
	s.layers.twins.dropDev(dev)
	s.givings = nil
}

// Forget forgets all that was learnt of directories: events were lost, and
// with them perhaps the renames that made it untrue.
func (s *Stream) Forget() {
	for s.Hurry() {
	}
	s.forget()
	s.barrier = s.in.Read() + 1
}

// markVersion is the first byte of a mark.
const markVersion = 1

// AppendMark appends where to go on if all events returned so far are
// delivered, except those in but: what a cursor must hold besides Low.
func (s *Stream) AppendMark(dst []byte, but ...*event.Event) []byte {
	dst = append(dst, markVersion, byte(s.pairs.order), byte(len(s.boot)))
	dst = append(dst, s.boot...)
	return s.in.AppendMark(dst, but...)
}

// Resume lets a new Stream go on from a mark. It returns the sequence of the
// first record to push.
func (s *Stream) Resume(mark []byte) (low uint64, err error) {
	if len(mark) < 3 || mark[0] != markVersion || mark[1] > byte(orderOldFirst) || len(mark)-3 < int(mark[2]) {
		return 0, event.ErrMark
	}
	end := 3 + int(mark[2])
	if low, err = s.in.Resume(mark[end:]); err == nil {
		s.pairs.order, s.boot = order(mark[1]), string(mark[3:end]) // a note tells if it is another one now
		if s.recalled.low != 0 {
			low = s.in.GoBack(s.recalled.low)
		}
	}
	return low, err
}
