package daemon

import (
	"bytes"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// An account makes gaps of what the kernel dropped. Its serials tell how many
// events are missing, but not why, and not all of them; its counter, the
// socket's overruns and the daemon's own absence tell that something is, but not
// how much. Both together make a gap.
//
// The receive loop owns it; suspect and suspects are for any goroutine.
type account struct {
	serials *serialState
	away    *absence
	usual   func() string // the cause where nothing else is known
	now     func() time.Time
	turned  time.Time
	header  []byte // of the last record, up to the serial's end
	id      event.ID
	open    openEvents

	unsettled atomic.Bool // serials are waited for
	judged    atomic.Bool // see judge
	kept      atomic.Bool

	mu        sync.Mutex
	suspicion suspicion

	known atomic.Pointer[known] // for the deliver loop
	asked chan struct{}         // it wants to know more
}

// A known is what is known of what the kernel dropped. It is never changed.
type known struct {
	until    time.Time // all up to then is
	from, to time.Time // the last that was, zero for nothing yet
}

// knows notes that nothing but what was suspected is missing up to a time.
func (a *account) knows(until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	k := a.nowKnown()
	k.until = until
	a.known.Store(&k)
}

func (a *account) nowKnown() known {
	if k := a.known.Load(); k != nil {
		return *k
	}
	return known{}
}

// ask has the kernel asked soon what it dropped.
func (a *account) ask() {
	select {
	case a.asked <- struct{}{}:
	default: // it will be
	}
}

// apart is how much time lies between two losses that are not one.
const apart = 20 * time.Second

// A suspicion is that something is missing. The zero value is none.
type suspicion struct {
	cause    string // the gravest
	from, to time.Time
	uncount  bool // the serials do not tell all of it
	others   bool // it is about more than the daemon's absence
	turns    int  // since it was first raised
}

// gravity orders causes: a daemon that was not there explains the others.
var gravity = map[string]int{"": 0, causeKernelLost: 1, causeOverrun: 2, causeDowntime: 3}

// suspect raises a suspicion. uncount says that the kernel dropped what has no
// serial.
func (a *account) suspect(cause string, from time.Time, uncount bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, now := &a.suspicion, a.now()
	if gravity[cause] > gravity[s.cause] {
		s.cause = cause
	}
	if from.IsZero() {
		from = now
	}
	if s.from.IsZero() || from.Before(s.from) {
		s.from = from
	}
	s.to, s.uncount, s.others = now, s.uncount || uncount, s.others || cause != causeDowntime

	k := a.nowKnown()
	if k.to.IsZero() || from.Sub(k.to) > apart || from.Before(k.from) {
		k.from = from
	}
	k.to = now
	a.known.Store(&k)
}

// suspects reports whether a suspicion is yet to be told.
func (a *account) suspects() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.suspicion.cause != ""
}

// Record types, linux/audit.h.
const (
	recordSyscall   = 1300
	recordEOE       = 1320
	recordProctitle = 1327
	recordURingOp   = 1336
)

// see notes the serials of records.
func (a *account) see(recs [][]byte) {
	for _, rec := range recs {
		typ, text := splitRecord(rec)
		if len(a.header) == 0 || !bytes.HasPrefix(text, a.header) {
			id, _, err := event.ParseHeader(text)
			if err != nil || id.Serial == 0 {
				continue
			}
			a.header, a.id = append(a.header[:0], text[:bytes.IndexByte(text, ')')+1]...), id
			if !typ.Continues() {
				a.serials.see(id)
				a.away.saw(id.Serial)
				a.unsettled.Store(true)
			}
		}
		switch typ {
		case recordSyscall, recordURingOp:
			a.open.begin(a.id)
		case recordProctitle, recordEOE: // behind PROCTITLE comes nothing else
			a.open.end(a.id)
		}
	}
}

// came notes the serials of records that did not come from the kernel.
func (a *account) came(recs [][]byte) {
	for _, rec := range recs {
		_, text := splitRecord(rec)
		if id, _, err := event.ParseHeader(text); err == nil && id.Serial > 0 && !a.away.before(id) {
			a.serials.see(id)
		}
	}
}

// openEvents are those whose end has not come: normally one for each processor
// that is writing one. The kernel drops single records when it drops, so an event
// that stays open lacks its end.
type openEvents struct {
	n  int
	is [32]struct {
		id    event.ID
		turns int
	}
}

func (o *openEvents) begin(id event.ID) {
	if o.n == len(o.is) {
		return // so many are torn already; this one is told as partial only
	}
	o.is[o.n].id, o.is[o.n].turns = id, 0
	o.n++
}

func (o *openEvents) end(id event.ID) {
	for i := o.n - 1; i >= 0; i-- {
		if o.is[i].id == id {
			o.remove(i)
			return
		}
	}
}

func (o *openEvents) remove(i int) {
	o.n--
	o.is[i] = o.is[o.n]
}

// torn returns the events that are open for two turns, and forgets them.
func (o *openEvents) torn() (ids []event.ID) {
	for i := o.n - 1; i >= 0; i-- {
		if o.is[i].turns++; o.is[i].turns > 1 {
			ids = append(ids, o.is[i].id)
			o.remove(i)
		}
	}
	return ids
}

// last is when the latest event happened, the zero time if there was none.
func (a *account) last() time.Time {
	if a.serials.Latest == 0 {
		return time.Time{}
	}
	return time.UnixMilli(a.serials.Latest)
}

// turnEvery is how long a serial is waited for that came neither first nor in
// order. A suspicion waits for two turns, so that the serials can tell. It is a
// little less than lookEvery, or on a quiet host every other look would come a
// moment too early for a turn.
const turnEvery = 900 * time.Millisecond

// ready reports whether it is time for a turn: for due, and then turn.
func (a *account) ready() bool {
	return a.now().Sub(a.turned) >= turnEvery && (a.judged.Load() || a.away.From == 0)
}

// due returns the gap that is to be told, if there is one. At the end nothing is
// waited for any longer.
//
// Found are events that were missing and are there by now: what a suspicion was
// about.
func (a *account) due(end bool, found uint64) (g gap, ok bool) {
	if end {
		a.serials.end()
	}
	m := a.serials.due()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.suspicion
	if m.Count == 0 && a.nothingMissed() {
		a.told()
	}
	if m.Count == 0 && !s.ripe(end) && (s.cause == "" || found == 0) {
		return gap{}, false
	}
	g = gap{cause: s.cause, count: m.Count, atLeast: s.uncount, from: s.from, to: s.to, backfilled: found}
	if !g.from.IsZero() {
		g.from = g.from.Add(-slack)
	}
	if g.cause == "" {
		g.cause = a.usual()
	}
	if g.count == 0 && s.uncount {
		g.count = 1
	}
	if m.Count > 0 {
		g.widen(m.span())
	}
	g.planned = a.away.Planned != 0 && g.count == 0 && !s.others
	return g, true
}

// ripe reports whether the serials had their time to tell.
func (s *suspicion) ripe(end bool) bool { return s.cause != "" && (end || s.turns >= 2) }

// A sought is serials that may be found elsewhere, and when they happened.
type sought struct {
	run
	from, to time.Time
}

// sought returns what due tells of, as far as serials and times are known. What
// an overrun or a downtime ended with bears higher serials than any that came; it
// is sought once what was on its way has come.
func (a *account) sought() (all []sought) {
	m := a.serials.due()
	if m.Count > 0 {
		from, to := m.span()
		for _, r := range a.serials.missing() {
			all = append(all, sought{r, from, to})
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.suspicion
	if s.cause != "" && (m.Count > 0 || s.ripe(false)) && a.now().Sub(s.to) >= turnEvery && (a.serials.High > 0 || a.away.Boot != 0) {
		all = append(all, sought{run{a.serials.High + 1, math.MaxUint64}, s.from.Add(-slack), s.to})
	}
	return all
}

// turn begins the next turn. told says that the gap of this one was.
func (a *account) turn(told bool) {
	a.turned = a.now()
	a.serials.turn()
	for _, id := range a.open.torn() {
		a.serials.tear(id)
	}
	a.unsettled.Store(a.serials.open() || a.open.n > 0)
	a.mu.Lock()
	defer a.mu.Unlock()
	if told {
		a.told()
	} else if a.suspicion.cause != "" {
		a.suspicion.turns++
	}
}

// told forgets what was suspected.
func (a *account) told() { a.suspicion, *a.away = suspicion{}, absence{} }

// waits reports whether a later turn may tell of something.
func (a *account) waits() bool { return a.unsettled.Load() || a.suspects() }

// widen makes the gap's span hold all of another, or be it.
func (g *gap) widen(from, to time.Time) {
	if g.from.IsZero() || from.Before(g.from) {
		g.from = from
	}
	if to.After(g.to) {
		g.to = to
	}
}
