package daemon

import (
	"bytes"
	"sync/atomic"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// reservePart is the part of the journal that nobody may fill alone: a fourth.
const reservePart = 4

// A ration shares out the last of the journal's room: whoever has more of it than is
// left is counted instead of kept, so that there always is room for others. One user
// gets half of it, two get a third each and leave a third.
//
// The receive loop owns it. While there is room enough, it looks at nothing but that.
type ration struct {
	journal interface {
		Room(enough int64) int64
		Next() uint64
		Needed() uint64
	}
	reserve int64            // room of the journal below which it is shared out
	forget  func(rec []byte) // that a record has landed
	state   *floodState

	room   int64 // left for this bunch of records
	shares shares
	since  uint64 // the sequence at which the present shares began
	linger int    // bunches for which an event that was dropped may yet go on
	seam   bool   // something was dropped since the last seam

	untold atomic.Bool
	events atomic.Uint64 // counted instead of kept, since the start
}

func newRation(j *journal.Journal, l *kaudit.Landing) *ration {
	r := &ration{
		journal: j, reserve: j.Stat().MaxBytes / reservePart, forget: l.Forget,
		state: landedStateIn(l.Room()).floods.open(j.Next()), linger: lingering,
	}
	r.seam = !r.state.empty()
	r.untold.Store(r.seam)
	return r
}

// lingering is how many bunches of records later the rest of an event may come.
const lingering = 256

// keep returns those of recs that the journal is to have, in place.
func (r *ration) keep(recs [][]byte) [][]byte {
	if len(recs) == 0 || !r.shared() {
		return recs
	}
	kept := recs[:0]
	for _, rec := range recs {
		if r.has(rec) {
			kept = append(kept, rec)
		} else {
			r.forget(rec)
		}
	}
	return kept
}

// shared says whether to look at records: the journal's room is low, or it was a
// moment ago.
func (r *ration) shared() bool {
	r.room = r.journal.Room(r.reserve)
	if r.room < r.reserve {
		r.linger = lingering
		if needed := r.journal.Needed(); needed > r.since {
			r.shares.turn()
			r.since = r.journal.Next()
		}
		return true
	}
	r.linger = max(0, r.linger-1)
	return r.linger > 0
}

// has says whether the journal is to have a record. All of an event goes the way of
// its first record.
func (r *ration) has(rec []byte) bool {
	typ, text := splitRecord(rec)
	id, body, err := event.ParseHeader(text)
	if err != nil || id.Serial == 0 {
		return true
	}
	kept, known := r.state.fate(id.Serial)
	switch {
	case !known && typ.Continues():
		return true // of an event that began while there was room
	case !known:
		kept = r.begin(id, body)
	}
	if kept {
		r.room -= int64(len(rec))
		r.shares.charge(id.Serial, int64(len(rec)))
	}
	return kept
}

// begin decides over an event by its first record.
func (r *ration) begin(id event.ID, body []byte) (kept bool) {
	by := producerOf(body)
	kept = r.shares.begin(id.Serial, by, r.room) || r.room >= r.reserve
	if !kept {
		r.events.Add(1)
		r.untold.Store(true)
		r.seam = true
		r.state.drop(by, id.UnixMilli())
	}
	r.state.setFate(id.Serial, kept)
	return kept
}

// A producer is who made an event, as its first record says: Unset for what it does
// not say.
type producer struct{ uid, auid, ses uint32 }

// producerOf reads a record's text behind its header. The kernel writes these fields
// before any that a user has a say in, and no such text holds a space.
func producerOf(body []byte) producer {
	return producer{idIn(body, " uid="), idIn(body, " auid="), idIn(body, " ses=")}
}

func idIn(body []byte, key string) uint32 {
	i := bytes.Index(body, []byte(key))
	if i < 0 {
		return event.Unset
	}
	n, digits := uint64(0), body[i+len(key):]
	for len(digits) > 0 && digits[0]-'0' <= 9 && n < event.Unset {
		n, digits = n*10+uint64(digits[0]-'0'), digits[1:]
	}
	return uint32(min(n, event.Unset))
}

// A share is how much of the reserve somebody has: of what is in the journal since
// the last turn, and since the one before.
type share struct{ now, old int64 }

// maxShares bounds how many are told apart. When there are more, a new one takes the
// place, and the share, of the smallest.
const maxShares = 1024

// shares are those of sessions and of users. A session is the kernel's own number,
// which nobody else can get; who has none is told by user. One user may have many
// sessions, and one session many users, so each user is bounded as well, to thrice
// of what is left.
type shares struct {
	keys [maxShares]uint64 // whose
	is   [maxShares]share
	n    int
	of   [fates][2]uint16 // of events by serial: which two of is, from 1
}

const perUser = 3

// begin finds the shares of an event, and says whether neither is too large.
func (s *shares) begin(serial uint64, by producer, left int64) bool {
	i, j := s.find(by.session()), s.find(by.user())
	s.of[serial%fates] = [2]uint16{uint16(i + 1), uint16(j + 1)}
	return s.is[i].size() < left && s.is[j].size() < perUser*left
}

func (by producer) session() uint64 {
	if by.ses != event.Unset {
		return 1<<32 | uint64(by.ses)
	}
	return 2<<32 | uint64(by.uid)
}

func (by producer) user() uint64 { return 3<<32 | uint64(by.uid) }

func (s *share) size() int64 { return s.now + s.old }

// charge takes a record of an event on account.
func (s *shares) charge(serial uint64, n int64) {
	for _, i := range s.of[serial%fates] {
		if i > 0 {
			s.is[i-1].now += n
		}
	}
}

// find returns which share is somebody's.
func (s *shares) find(key uint64) int {
	for i, k := range s.keys[:s.n] {
		if k == key {
			return i
		}
	}
	at := s.n
	if at < maxShares {
		s.is[at] = share{}
		s.n++
	} else {
		at = s.least()
	}
	s.keys[at] = key
	return at
}

func (s *shares) least() (least int) {
	for i := range s.is {
		if s.is[i].size() < s.is[least].size() {
			least = i
		}
	}
	return least
}

// turn forgets what is delivered: all that came before the last turn.
func (s *shares) turn() {
	n := 0
	for i, at := range s.is[:s.n] {
		if at.now > 0 {
			s.keys[n], s.is[n] = s.keys[i], share{old: at.now}
			n++
		}
	}
	s.n, s.of = n, [fates][2]uint16{}
}
