package daemon

import (
	"math/rand/v2"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

func serialAt(n uint64) event.ID {
	return event.ID{Sec: 1000 + int64(n/1000), Milli: uint16(n % 1000), Serial: n}
}

// TestSerials lets serials come out of order, several times and not at all, in
// many worlds, some with holes larger than the window: what is missing is
// counted exactly, and between the times in which it happened.
func TestSerials(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := new(serialState)
		var sum missing
		settle := func() {
			if m := s.due(); m.Count > 0 {
				sum.Count += m.Count
				sum.widen(m.From, m.To)
			}
			s.turn()
		}
		var want missing
		var late []uint64 // come behind their successors, but before the next turn but one
		arrive := func() {
			for _, l := range late {
				s.see(serialAt(l))
			}
			late = nil
		}
		n := random.Uint64N(1 << 31)
		s.see(serialAt(n))
		for range 3000 {
			n++
			switch random.IntN(40) {
			case 0:
				lost := 1 + random.Uint64N(5)
				if random.IntN(50) == 0 {
					arrive() // before they leave the window
					lost = random.Uint64N(4 * window)
				}
				want.Count += lost
				want.widen(serialAt(n).UnixMilli(), serialAt(n+lost-1).UnixMilli())
				n += lost
				s.see(serialAt(n))
			case 1, 2:
				late = append(late, n)
			case 3:
				s.see(serialAt(n))
				settle()
				arrive()
			default:
				s.see(serialAt(n))
				s.see(serialAt(n))
			}
		}
		arrive()
		n++
		s.see(serialAt(n))
		s.end()
		settle()
		if sum.Count != want.Count {
			t.Fatalf("seed %d: %d missing, want %d", seed, sum.Count, want.Count)
		}
		if want.Count > 0 && (sum.From > want.From || sum.To < want.To) {
			t.Fatalf("seed %d: between %d and %d, want %d and %d", seed, sum.From, sum.To, want.From, want.To)
		}
		if s.open() {
			t.Fatalf("seed %d: still open", seed)
		}
	}
}

// TestSerialsWrap begins anew where the kernel's counter does, or the boot.
func TestSerialsWrap(t *testing.T) {
	s := new(serialState)
	for _, n := range []uint64{1<<32 - 2, 1<<32 - 1, 3, 4} {
		s.see(serialAt(n))
	}
	s.end()
	if m := s.due(); m.Count != 0 || s.High != 4 {
		t.Errorf("%d missing, highest %d", m.Count, s.High)
	}
}
