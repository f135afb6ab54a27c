//go:build amd64

package main

import (
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// TestKernelOutage lets the endpoint be away while events come, and goes on with
// 2,000 a second when it is back: what was kept is delivered at least five times
// as fast as new events come, the oldest first.
//
// TEST_OUTAGE and TEST_OUTAGE_RATE make it longer and fuller.
func TestKernelOutage(t *testing.T) {
	kerneltest.Need(t)
	const after = 2000
	lasts, rate := seconds(t, "TEST_OUTAGE", 10*time.Second), amount(t, "TEST_OUTAGE_RATE", 5000)
	r := newRig(t, "journal: {max_bytes: 4GiB}\n")
	r.start()
	r.endpoint.Always(logstest.Unavailable)
	_, kept := r.work(spec{Count: rate * int(lasts/time.Second), Rate: rate, Seed: 9})
	end := r.begin(spec{Dir: "again", Count: after * 10, Rate: after, Seed: 10})
	r.endpoint.Mend()
	accepted := func() int { n, _ := r.endpoint.Accepted(); return int(n) }
	r.eventually(30*time.Second, "the next try", func() bool { return accepted() > 0 })
	back := time.Now()
	r.eventually(5*time.Minute, "the backlog", func() bool { return accepted() >= len(kept) })
	took := time.Since(back)
	_, fresh := end()
	r.eventually(20*time.Second, "all events", func() bool { return accepted() >= len(kept)+len(fresh) })
	peak := r.peak()
	r.stop()
	if got, want := r.distinct(), len(kept)+len(fresh); got != want {
		t.Errorf("%d events arrived, want %d", got, want)
	}

	// Batches in flight may overtake each other; nothing else may.
	var newest, disorder time.Duration
	for _, e := range r.endpoint.Events("/g", "s") {
		at := time.Duration(e.Millis) * time.Millisecond
		newest = max(newest, at)
		disorder = max(disorder, newest-at)
	}
	speed := float64(len(kept)) / took.Seconds()
	t.Logf("%d events kept over %v, delivered in %v: %.0f a second; out of order by at most %v; peak %d MiB", len(kept), lasts, took.Round(time.Millisecond), speed, disorder, peak>>20)
	if speed < 5*after {
		t.Errorf("%.0f events a second after the outage, want %d", speed, 5*after)
	}
	if limit := 20 * time.Second; disorder > limit {
		t.Errorf("out of order by %v, want at most %v", disorder, limit)
	}
	if limit := int64(96 << 20); peak > limit { // what comes back at once is as much as a flood
		t.Errorf("%d MiB resident at most, want %d", peak>>20, limit>>20)
	}
}
