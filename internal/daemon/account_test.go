package daemon

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// TestAccount raises suspicions and makes holes, turn by turn: what is told, and
// when.
func TestAccount(t *testing.T) {
	start := time.Unix(2000, 0)
	type turn struct {
		serials []uint64
		cause   string // suspected in this turn
		uncount bool
		want    string // of the gap told at its end
	}
	for _, tt := range []struct {
		name  string
		turns []turn
		end   string
	}{
		{"nothing", []turn{{serials: []uint64{1, 2, 3}}, {serials: []uint64{4}}}, ""},
		{"late", []turn{{serials: []uint64{1, 3}}, {serials: []uint64{2}}, {}}, ""},
		{"a hole", []turn{{serials: []uint64{1}}, {serials: []uint64{5}}, {want: "usual 3 false"}, {}}, ""},
		{"a hole at the end", []turn{{serials: []uint64{1}}, {serials: []uint64{5}}}, "usual 3 false"},
		{"overrun with holes", []turn{{serials: []uint64{1}, cause: causeOverrun}, {serials: []uint64{5}}, {want: "overrun 3 false"}}, ""},
		{"overrun without", []turn{{serials: []uint64{1}, cause: causeOverrun}, {}, {want: "overrun 0 false"}}, ""},
		{"counter rose", []turn{{serials: []uint64{1}, cause: causeKernelLost, uncount: true}, {serials: []uint64{2}}, {want: "kernel_lost 1 true"}}, ""},
		{"both", []turn{{serials: []uint64{1, 3}, cause: causeKernelLost, uncount: true}, {want: "kernel_lost 1 true"}}, ""},
		{"the gravest", []turn{{serials: []uint64{1, 3}, cause: causeDowntime}, {cause: causeOverrun, want: "downtime 1 false"}}, ""},
		{"suspected at the end", []turn{{serials: []uint64{1}}, {cause: causeDowntime}}, "downtime 0 false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := start
			a := &account{serials: new(serialState), away: new(absence), usual: func() string { return "usual" }, now: func() time.Time { return now }, turned: start}
			told := func(end bool) (said string) {
				g, ok := a.due(end, 0)
				if ok {
					said = fmt.Sprintf("%s %d %t", g.cause, g.count, g.atLeast)
					if g.from.IsZero() || g.to.Before(g.from) {
						t.Errorf("span from %v to %v", g.from, g.to)
					}
				}
				a.turn(ok)
				return said
			}
			for i, turn := range tt.turns {
				for _, n := range turn.serials {
					a.see([][]byte{fmt.Appendf(binary.LittleEndian.AppendUint16(nil, 1305), "audit(2000.%03d:%d): x", i, n)})
				}
				if turn.cause != "" {
					a.suspect(turn.cause, now, turn.uncount)
				}
				if a.ready() {
					t.Error("ready before its time")
				}
				now = now.Add(turnEvery)
				if got := told(false); got != turn.want {
					t.Errorf("turn %d: %q, want %q", i, got, turn.want)
				}
			}
			if got := told(true); got != tt.end {
				t.Errorf("at the end: %q, want %q", got, tt.end)
			}
			if a.waits() {
				t.Error("waits for more")
			}
		})
	}
}

// TestKnown is about what the deliver loop hears of losses.
func TestKnown(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	now := start
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	a := &account{serials: new(serialState), away: new(absence), now: func() time.Time { return now }}
	suspect := func(from, to int) { now = at(to); a.suspect(causeKernelLost, at(from), true) }
	require := func(until, from, to time.Time) {
		t.Helper()
		if k := a.known.Load(); k == nil || *k != (known{until, from, to}) {
			t.Errorf("known is %+v, want until %v, from %v to %v", k, until, from, to)
		}
	}
	if a.known.Load() != nil {
		t.Error("something is known of nothing")
	}
	a.knows(at(1))
	require(at(1), time.Time{}, time.Time{})
	suspect(2, 3)
	require(at(1), at(2), at(3))
	suspect(4, 5) // the same trouble
	require(at(1), at(2), at(5))
	a.knows(at(6))
	require(at(6), at(2), at(5))
	suspect(100, 101)
	require(at(6), at(100), at(101))
}
