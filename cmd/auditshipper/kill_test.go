//go:build amd64

package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// TestKernelKills kills the daemon every one to two seconds, under load, with a
// service manager that keeps its socket and an endpoint that is slow and fails
// at times, for as long as TEST_KILL_FOR says. Every event must arrive, whole and true. Only what was in flight
// when a kill came may arrive twice.
func TestKernelKills(t *testing.T) {
	c := kerneltest.Need(t)
	before, err := c.Status()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, "")
	r.manager = newServiceManager(t)
	answers := r.watchAnswers()
	r.endpoint.Chance(0.2, logstest.Fault{Op: "PutLogEvents", Delay: 300 * time.Millisecond},
		logstest.Throttle, logstest.CutAfter, logstest.Unavailable)
	r.start()

	lasts, rate := seconds(t, "TEST_KILL_FOR", 15*time.Second), amount(t, "TEST_KILL_RATE", 5000)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	// It goes on after the last kill: a daemon that knows no directories yet, and
	// meets a process that has ended, can name none.
	const goesOn = 2 * time.Second
	end := r.begin(spec{Count: rate * int((lasts+goesOn)/time.Second), Rate: rate, Seed: seed})
	var kills []time.Time
	for stop := time.Now().Add(lasts); time.Now().Before(stop); {
		wait := time.NewTimer(time.Second + time.Duration(rnd.Int64N(int64(time.Second))))
		<-wait.C
		kills = append(kills, time.Now())
		r.kill()
		if rnd.IntN(2) == 0 {
			wait := time.NewTimer(time.Duration(rnd.Int64N(int64(300 * time.Millisecond))))
			<-wait.C
		}
		r.launch()
	}
	pid, deeds := end()
	r.endpoint.Mend()
	r.eventually(60*time.Second, "all events", func() bool { return r.distinct() >= len(deeds) })
	r.stop()

	after, err := c.Status()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, %d kills, kernel lost %d, %d arrived", len(deeds), len(kills), after.Lost-before.Lost, len(r.ours()))
	r.checkAtLeastOnce(pid, deeds, 1)
	needless := answers.needless(t, kills, time.Second)
	t.Logf("%d came again although accepted a second before the kill", needless)
	if needless*1000 >= len(deeds) {
		t.Errorf("%d of %d events came again although they had been accepted long before a kill, want less than 0.1 %%", needless, len(deeds))
	}
}
