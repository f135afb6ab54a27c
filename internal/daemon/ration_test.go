package daemon

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A fakeRoom is a journal of which only the room is of interest.
type fakeRoom struct {
	max, used    int64
	next, needed uint64
}

func (f *fakeRoom) Room(int64) int64 { return f.max - f.used }
func (f *fakeRoom) Next() uint64     { return f.next }
func (f *fakeRoom) Needed() uint64   { return f.needed }

// A rationed is a ration over such a journal, and what came of the events given to it.
type rationed struct {
	t      testing.TB
	room   *fakeRoom
	ration *ration
	serial uint64
	kept   map[producer]int // events
	lost   map[producer]int
	forgot int // records
}

func newRationed(t testing.TB, size int64) *rationed {
	r := &rationed{t: t, room: &fakeRoom{max: size, next: 1, needed: 1}, serial: 100, kept: map[producer]int{}, lost: map[producer]int{}}
	r.ration = &ration{journal: r.room, reserve: size / reservePart, state: new(floodState), forget: func([]byte) { r.forgot++ }}
	return r
}

// event returns the records of an event.
func (r *rationed) event(by producer) [][]byte {
	r.serial++
	head := fmt.Sprintf("audit(1785139200.123:%d): ", r.serial)
	rec := func(typ event.Type, text string) []byte {
		return append(binary.LittleEndian.AppendUint16(nil, uint16(typ)), head+text...)
	}
	return [][]byte{
		rec(recordSyscall, fmt.Sprintf(`arch=c000003e syscall=87 success=yes exit=0 a0=1 items=1 ppid=1 pid=7 auid=%d uid=%d gid=0 ses=%d comm="uid=5" key="k"`, by.auid, by.uid, by.ses)),
		rec(1302, `item=0 name="/srv/x uid=7 ses=9" inode=5 nametype=DELETE`),
		rec(recordEOE, ""),
	}
}

// give hands records over, and puts what is kept into the journal.
func (r *rationed) give(recs [][]byte) {
	for _, rec := range r.ration.keep(slices.Clone(recs)) {
		if r.room.used+int64(len(rec)) > r.room.max {
			r.t.Fatalf("the journal is full, at event %d", r.serial)
		}
		r.room.used += int64(len(rec))
		r.room.next++
	}
}

// make makes an event and notes whether it was kept, which must be all or nothing.
func (r *rationed) make(by producer) {
	before := r.room.next
	r.give(r.event(by))
	switch r.room.next - before {
	case 0:
		r.lost[by]++
	case 3:
		r.kept[by]++
	default:
		r.t.Fatalf("%d of 3 records of an event were kept", r.room.next-before)
	}
}

// TestRation floods a journal that nobody empties, in many guises, and requires that
// all that somebody else does then is kept, and what is not kept is counted.
func TestRation(t *testing.T) {
	one := func(uid, ses uint32) func(int) producer {
		return func(int) producer { return producer{uid, uid, ses} }
	}
	for _, tt := range []struct {
		name string
		by   func(i int) producer
	}{
		{"one session", one(1000, 4)},
		{"two users", func(i int) producer { return producer{uint32(1000 + i%2), uint32(1000 + i%2), uint32(4 + i%2)} }},
		{"a service", one(33, event.Unset)},
		{"a session with thousands of users", func(i int) producer { return producer{uint32(100000 + i), 1000, 4} }},
		{"a user with thousands of sessions", func(i int) producer { return producer{33, uint32(i), uint32(1000 + i)} }},
		{"a user who claims to be another", func(i int) producer { return producer{33, 1001, uint32(1000 + i)} }},
		{"hundreds of users and sessions", func(i int) producer { return producer{uint32(2000 + i%300), uint32(i), uint32(2000 + i%300)} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRationed(t, 4<<20)
			for i := range 20_000 {
				r.make(tt.by(i))
			}
			victim := producer{1001, 1001, 7}
			for range 5 {
				r.make(victim)
			}
			if r.lost[victim] > 0 || r.kept[victim] != 5 {
				t.Errorf("of the other user %d events were kept, %d lost", r.kept[victim], r.lost[victim])
			}
			lost, told := 0, uint64(0)
			for _, n := range r.lost {
				lost += n
			}
			for _, f := range r.ration.state.floods {
				told += f.count
			}
			if lost == 0 || uint64(lost) != told || r.forgot != 3*lost || r.ration.events.Load() != told {
				t.Errorf("%d events lost, %d counted, %d records forgotten", lost, told, r.forgot)
			}
		})
	}
}

// TestRationBelowMark is about a journal that has room: nobody is looked at, however
// much they make, as long as it is delivered.
func TestRationBelowMark(t *testing.T) {
	r := newRationed(t, 1<<20)
	root := producer{0, event.Unset, event.Unset}
	for range 50_000 {
		r.make(root)
		if r.room.used > r.room.max/2 {
			r.room.used, r.room.needed = 0, r.room.next
		}
	}
	if r.lost[root] > 0 || r.ration.shares.n > 0 {
		t.Errorf("%d events of an honest user are lost, %d shares", r.lost[root], r.ration.shares.n)
	}
}

// TestRationAgain requires that somebody whose share is delivered has one again.
func TestRationAgain(t *testing.T) {
	r := newRationed(t, 1<<20)
	by := producer{1000, 1000, 4}
	for r.lost[by] == 0 {
		r.make(by)
	}
	for round := range 3 {
		r.room.needed, r.room.used = r.room.next, r.room.max*8/10
		kept := r.kept[by]
		for range 10 {
			r.make(by)
		}
		if r.kept[by] != kept+10 {
			t.Fatalf("round %d: %d of 10 events were kept", round, r.kept[by]-kept)
		}
		for n := r.lost[by]; r.lost[by] == n; {
			r.make(by)
		}
	}
}

// TestRationMixed mixes the records of two users' events, as processors do, over bunches.
func TestRationMixed(t *testing.T) {
	r := newRationed(t, 1<<20)
	heavy, light := producer{1000, 1000, 4}, producer{1001, 1001, 5}
	for r.lost[heavy] == 0 {
		r.make(heavy)
	}
	for range 100 {
		a, b := r.event(heavy), r.event(light)
		next := r.room.next
		r.give([][]byte{a[0], b[0]})
		r.give([][]byte{a[1], b[1], b[2]})
		r.give([][]byte{a[2]})
		if r.room.next-next != 3 {
			t.Fatalf("%d records were kept, want the other user's 3", r.room.next-next)
		}
	}
}

// TestRationAllocatesNothing pins what a flood costs.
func TestRationAllocatesNothing(t *testing.T) {
	r := newRationed(t, 1<<20)
	heavy := producer{1000, 1000, 4}
	for r.lost[heavy] == 0 {
		r.make(heavy)
	}
	recs := slices.Concat(r.event(heavy), r.event(producer{5, 5, 5}))
	bunch := make([][]byte, len(recs))
	if n := testing.AllocsPerRun(100, func() { r.ration.keep(append(bunch[:0], recs...)) }); n != 0 {
		t.Errorf("%v allocations a bunch, want 0", n)
	}
}

// TestFloodState requires that counts outlive a process, and that a gap which the
// journal has is not told again.
func TestFloodState(t *testing.T) {
	room := make([]byte, 8192)
	s := landedStateIn(room).floods.open(50)
	for i := range 100 {
		s.drop(producer{uint32(1000 + i), 1, 1}, int64(1000+i))
	}
	s.setFate(77, false)
	s.floods[3].told = 60 // by a process killed before it knew that the journal has it
	s.floods[4].told = 61 // and one killed before the journal had it

	s = landedStateIn(room).floods.open(61)
	if kept, known := s.fate(77); kept || !known {
		t.Errorf("an event that was not kept is kept %v, known %v", kept, known)
	}
	var sum uint64
	for f := s.due(time.UnixMilli(2000), true); f != nil; f = s.due(time.UnixMilli(2000), true) {
		g := f.gap()
		sum += g.count
		if g.uid == nil && g.count != 77 || g.from.UnixMilli() < 1000 || g.to.UnixMilli() > 1099 {
			t.Errorf("gap %+v", g)
		}
		*f = floodCount{}
	}
	if sum != 99 || !s.empty() {
		t.Errorf("%d events told, want 99", sum)
	}
}

// TestLandedStateApart requires that no part of what the landing keeps changes another.
func TestLandedStateApart(t *testing.T) {
	state := landedStateIn(make([]byte, 8192))
	state.away, state.serials.High = absence{From: 1, To: 2, Serial: 3}, 4
	for i := range 100 {
		state.floods.drop(producer{uint32(i), 1, 1}, int64(i))
		state.floods.setFate(uint64(i), i%2 == 0)
	}
	if want := (absence{From: 1, To: 2, Serial: 3}); state.away != want || state.serials.High != 4 {
		t.Errorf("floods changed the absence to %+v and the last serial to %d", state.away, state.serials.High)
	}
}

// TestNoRation says that a receiver of records that wait for us has left out nothing.
func TestNoRation(t *testing.T) {
	if (&receiver{}).isUntold() {
		t.Error("without a ration, something was left out")
	}
}
