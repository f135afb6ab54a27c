package daemon

import (
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// fates is how many serials lie between two whose fates take each other's place:
// records of fewer events are mixed.
const fates = 512

// A floodState says which events were counted instead of kept, and whose they were.
// It lies in the landing behind the serials, so that a kill does not make the loss a
// silent one, nor cuts an event in two.
type floodState struct {
	floods  [24]floodCount // the last one is that of all for whom there is no other
	serials [fates]uint32
	lost    [fates / 64]uint64 // by serial: whether it was not kept
}

// A floodCount is events of one user that were not kept and not told yet, and between
// which times in Unix milliseconds they happened. The zero value is none.
type floodCount struct {
	uid, auid uint32
	count     uint64
	from, to  int64
	told      uint64 // the sequence of the gap that tells it; 0 while none does
}

// open forgets what the journal has the gap of: an earlier process was killed before it
// could. next is the sequence of the journal's next record.
func (s *floodState) open(next uint64) *floodState {
	for i := range s.floods {
		if f := &s.floods[i]; f.told != 0 && f.told < next {
			*f = floodCount{} // the journal has the gap
		}
	}
	return s
}

// fate is what became of an event's first record, if that is known.
func (s *floodState) fate(serial uint64) (kept, known bool) {
	at := serial % fates
	return s.lost[at/64]&(1<<(at%64)) == 0, s.serials[at] == uint32(serial)
}

func (s *floodState) setFate(serial uint64, kept bool) {
	at := serial % fates
	s.lost[at/64] &^= 1 << (at % 64)
	if !kept {
		s.lost[at/64] |= 1 << (at % 64)
	}
	s.serials[at] = uint32(serial)
}

// drop counts an event of a time that is not kept. The count comes last: what a kill
// leaves has its times.
func (s *floodState) drop(by producer, at int64) {
	f := s.of(by)
	if f.count == 0 {
		*f = floodCount{uid: by.uid, auid: by.auid, from: at, to: at}
	}
	f.from, f.to = min(f.from, at), max(f.to, at)
	f.count++
}

// of is the count of a user's events, which may be one yet to begin.
func (s *floodState) of(by producer) *floodCount {
	var free *floodCount
	others := len(s.floods) - 1
	for i := range s.floods[:others] {
		switch f := &s.floods[i]; {
		case f.count == 0 && free == nil:
			free = f
		case f.count > 0 && f.uid == by.uid && f.auid == by.auid:
			return f
		}
	}
	if free != nil {
		return free
	}
	return &s.floods[others]
}

// due returns a count that is to be told, nil for none: its flood is over for a
// while, or has lasted.
func (s *floodState) due(now time.Time, end bool) *floodCount {
	for i := range s.floods {
		f := &s.floods[i]
		if i == len(s.floods)-1 {
			f.uid, f.auid = event.Unset, event.Unset
		}
		quiet, lasted := now.Sub(time.UnixMilli(f.to)), now.Sub(time.UnixMilli(f.from))
		if f.count > 0 && (end || quiet >= floodOver || lasted >= floodLasts) {
			return f
		}
	}
	return nil
}

// How long nothing more was dropped of a flood that is over, and how long one goes
// on until it is told what was dropped so far.
const (
	floodOver  = 5 * time.Second
	floodLasts = time.Minute
)

// empty says whether there is nothing to tell.
func (s *floodState) empty() bool {
	for i := range s.floods {
		if s.floods[i].count > 0 {
			return false
		}
	}
	return true
}

// gap is what the stream tells of a count.
func (f *floodCount) gap() gap {
	g := gap{cause: causeFlood, count: f.count, from: time.UnixMilli(f.from), to: time.UnixMilli(f.to)}
	if f.uid != event.Unset {
		g.uid = &f.uid
	}
	if f.auid != event.Unset {
		g.auid = &f.auid
	}
	return g
}
