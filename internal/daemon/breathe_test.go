package daemon

import (
	"testing"
	"time"
)

// A flood is waited for while it lasts, and not for longer than floodTime.
func TestFlood(t *testing.T) {
	var f flood
	now, next := time.Unix(1785139200, 0), uint64(1)
	// waited looks every breath for so long, while records come at rate, and
	// returns for how much of it delivery was to wait.
	waited := func(long time.Duration, rate int) (sum time.Duration) {
		for end := now.Add(long); now.Before(end); {
			now = now.Add(breath)
			next += uint64(float64(rate) * breath.Seconds())
			if f.look(now, next) {
				sum += breath
			}
		}
		return sum
	}
	for _, step := range []struct {
		what     string
		long     time.Duration
		rate     int
		min, max time.Duration
	}{
		{"a steady load", 5 * time.Second, floodRate / 2, 0, 0},
		{"a flood", 3 * time.Second, 5 * floodRate, 2900 * time.Millisecond, 3 * time.Second},
		{"a moment in which the kernel had no time", floodCalm - breath, 0, floodCalm - breath, floodCalm},
		{"the flood again", time.Second, 5 * floodRate, time.Second, time.Second},
		{"what comes behind it", 10 * time.Second, 1000, 0, floodCalm},
		{"one without an end", time.Minute, 2 * floodRate, floodTime - 2*breath, floodTime},
		{"its end", time.Second, 0, 0, 0},
		{"the next", time.Second, 2 * floodRate, time.Second - 2*breath, time.Second},
	} {
		if got := waited(step.long, step.rate); got < step.min || got > step.max {
			t.Errorf("%s: delivery waited for %v of %v, want %v to %v", step.what, got, step.long, step.min, step.max)
		}
	}
}

// While delivery has a long way to go it looks more often than once in a breath,
// and a bunch of records is no flood.
func TestFloodBetweenBreaths(t *testing.T) {
	var f flood
	now := time.Unix(1785139200, 0)
	f.look(now, 1)
	for range 10 {
		now = now.Add(breath / 10)
		if f.look(now, 1000) {
			t.Errorf("waits after %v for a bunch of 999 records", now.Sub(f.at))
		}
	}
}
