package daemon

import (
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// window is how many serials below the highest are told apart: records of
// different processors come a little out of order.
const window = 1 << 15

// A serialState says which of the kernel's serials came. The kernel numbers
// events without a hole, and numbers only what it means to hand over; hence a
// serial that never comes is an event that is missing. (What it drops because
// its queue is full takes no number, and shows in its counter only.)
//
// It lies in the landing, so that a kill does not make a loss a silent one: all
// its fields are plain numbers, and zero is a new boot.
type serialState struct {
	High    uint64 // highest that came, 0 before the first
	Mark    uint64 // High at the last turn
	Settled uint64 // up to here everything that is missing was told

	Latest int64   // the latest time of an event, Unix milliseconds
	Fresh  missing // holes found since the last turn; only their span is known
	Stale  missing // found before it
	Early  missing // left the window before a turn could settle them, or came in part

	seen [window / 64]uint64 // ring of bits, those in (Settled, High] are valid

	// EarlyRuns are the serials of Early, in order, as far as there is room. Those
	// found elsewhere since are taken off their beginnings.
	EarlyRuns [16]run
}

// A run is serials that follow each other, from the first to the last. The zero
// value is none.
type run struct{ First, Last uint64 }

// A missing is events whose serials never came, and the times in Unix
// milliseconds between which they happened, zero for none.
type missing struct {
	Count    uint64
	From, To int64
}

func (m *missing) widen(from, to int64) {
	if from == 0 && to == 0 {
		return
	}
	if m.From == 0 || from < m.From {
		m.From = from
	}
	m.To = max(m.To, to)
}

// see notes an event's serial.
func (s *serialState) see(id event.ID) {
	serial, at := id.Serial, id.UnixMilli()
	if s.Early.Count > 0 && s.found(serial) {
		return
	}
	switch {
	case serial == s.High:
		return
	case s.High == 0 || serial+1<<31 < s.High: // the first one, or the counter has wrapped
		*s = serialState{High: serial, Mark: serial, Settled: serial, Latest: at}
	case serial > s.High:
		if serial > s.High+1 {
			s.Fresh.widen(min(s.Latest, at), max(s.Latest, at))
		}
		s.advance(serial)
	case serial > s.Settled:
		s.set(serial)
	}
	s.Latest = max(s.Latest, at)
}

// advance makes serial the highest.
func (s *serialState) advance(serial uint64) {
	if serial-s.Settled > window {
		left := s.runs(serial - window)
		s.Early.Count += serialsOf(left)
		s.keepRuns(left)
		s.Early.widen(s.Stale.From, s.Stale.To)
		s.Early.widen(s.Fresh.From, s.Fresh.To)
		s.Settled = serial - window
		s.Mark = max(s.Mark, s.Settled)
	}
	for n := max(s.High, s.Settled) + 1; n < serial; n++ {
		s.seen[n%window/64] &^= 1 << (n % 64)
	}
	s.High = serial
	s.set(serial)
}

func (s *serialState) set(n uint64)       { s.seen[n%window/64] |= 1 << (n % 64) }
func (s *serialState) came(n uint64) bool { return s.seen[n%window/64]&(1<<(n%64)) != 0 }

// runs returns the serials up to and including to that were not told yet and have
// not come.
func (s *serialState) runs(to uint64) (all []run) {
	begin := uint64(0)
	for n := s.Settled + 1; n <= min(to, s.High); n++ {
		switch {
		case s.came(n) && begin > 0:
			all, begin = append(all, run{begin, n - 1}), 0
		case !s.came(n) && begin == 0:
			begin = n
		}
	}
	if to > s.High && begin == 0 {
		begin = max(s.High, s.Settled) + 1
	}
	if begin > 0 {
		all = append(all, run{begin, to})
	}
	return all
}

// serialsOf is how many serials are in runs.
func serialsOf(runs []run) (n uint64) {
	for _, r := range runs {
		n += r.Last - r.First + 1
	}
	return n
}

// keepRuns remembers which serials left the window.
func (s *serialState) keepRuns(more []run) {
	for i := range s.EarlyRuns {
		if s.EarlyRuns[i] == (run{}) && len(more) > 0 {
			s.EarlyRuns[i], more = more[0], more[1:]
		}
	}
}

// tear notes that only a part of an event came.
func (s *serialState) tear(id event.ID) {
	s.Early.Count++
	s.Early.widen(id.UnixMilli(), id.UnixMilli())
	s.keepRuns([]run{{id.Serial, id.Serial}})
}

// found reports whether an event came that Early counted, and takes it off. Such
// come in order: what is before it in its run will not.
func (s *serialState) found(serial uint64) bool {
	for i := range s.EarlyRuns {
		if r := &s.EarlyRuns[i]; r.First <= serial && serial <= r.Last {
			s.Early.Count--
			if r.First = serial + 1; r.First > r.Last {
				*r = run{0, 0}
			}
			return true
		}
	}
	return false
}

// missing returns the serials of what due tells of, as far as they are known.
func (s *serialState) missing() (all []run) {
	for _, r := range s.EarlyRuns {
		if r != (run{}) {
			all = append(all, r)
		}
	}
	return append(all, s.runs(s.Mark)...)
}

// due returns what was missing at the last turn and has not come since.
func (s *serialState) due() missing {
	m := s.Early
	n := serialsOf(s.runs(s.Mark))
	if m.Count += n; n > 0 {
		m.widen(s.Stale.From, s.Stale.To)
	}
	return m
}

// turn forgets what due returned, which was told. Turns should be about a
// second apart.
func (s *serialState) turn() {
	s.Settled, s.Early, s.EarlyRuns = max(s.Settled, s.Mark), missing{}, [16]run{}
	s.Mark = s.High
	s.Stale, s.Fresh = s.Fresh, missing{}
}

// end makes due tell of all that is missing.
func (s *serialState) end() {
	s.Mark = s.High
	s.Stale.widen(s.Fresh.From, s.Fresh.To)
	s.Fresh = missing{}
}

// open reports whether another turn may tell of something.
func (s *serialState) open() bool { return s.Settled != s.High || s.Early.Count > 0 }

// slack widens the span of missing serials: an event bears the time at which
// its call began, by a clock that ticks every few milliseconds, and gets its
// serial when the call ends.
const slack = 100 * time.Millisecond

// span is the time between which all of m happened.
func (m missing) span() (from, to time.Time) {
	return time.UnixMilli(m.From).Add(-slack), time.UnixMilli(m.To).Add(slack)
}
