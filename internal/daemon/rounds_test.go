package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestRounds requires that those who look around at the same interval do so in
// the same moment, whenever they began.
func TestRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		looks := map[time.Time]int{}
		var one, two []time.Time
		go rounds(ctx, time.Second, func() { one = append(one, time.Now()) })
		time.Sleep(300 * time.Millisecond)
		go rounds(ctx, time.Second, func() { two = append(two, time.Now()) })
		time.Sleep(time.Minute)
		stop()
		synctest.Wait()
		for _, at := range append(one, two...) {
			looks[at]++
		}
		if len(one) != 60 || len(looks) != 60 {
			t.Errorf("%d and %d rounds in %d moments of a minute, want 60", len(one), len(two), len(looks))
		}
	})
}

// TestLull requires one lull after the start and one after each busy time, but
// not one after each event of a host that has few.
func TestLull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lull{now: time.Now}
		pass := func(d, between time.Duration) (begun int) {
			seq := l.last
			for at := range d / time.Second {
				if between > 0 && at%(between/time.Second) == 0 {
					seq++
				}
				if l.begins(seq) {
					begun++
				}
				time.Sleep(time.Second)
			}
			return begun
		}
		for _, test := range []struct {
			name    string
			d       time.Duration
			between time.Duration // events
			want    int
		}{
			{"start", 2 * time.Minute, 0, 1},
			{"nothing", time.Hour, 0, 0},
			{"load", time.Hour, time.Second, 0},
			{"nothing after load", time.Hour, 0, 1},
			{"an event each half minute", time.Hour, 30 * time.Second, 60},
		} {
			if lulls := pass(test.d, test.between); lulls < test.want-1 || lulls > test.want {
				t.Errorf("%s: %d lulls, want %d", test.name, lulls, test.want)
			}
		}
	})
}
