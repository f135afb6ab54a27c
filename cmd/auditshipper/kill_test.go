//go:build amd64

package main

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// killFor is how long TestKernelKills kills; a minute where somebody asks.
func killFor(t *testing.T) time.Duration {
	text := os.Getenv("TEST_KILL_FOR")
	if text == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestKernelKills kills the daemon every one to two seconds, under load, with a
// service manager that keeps its socket and an endpoint that is slow and fails
// at times. Every event must arrive, whole and true. Only what was in flight
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

	rate := 5000
	if text := os.Getenv("TEST_KILL_RATE"); text != "" {
		if rate, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	end := r.begin(spec{Count: rate * int(killFor(t)/time.Second), Rate: rate, Seed: seed})
	var kills []time.Time
	for stop := time.Now().Add(killFor(t)); time.Now().Before(stop); {
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
	distinct := func() int {
		ids := map[string]bool{}
		for _, e := range r.ours() {
			ids[e.ID] = true
		}
		return len(ids)
	}
	r.eventually(60*time.Second, "all events", func() bool { return distinct() >= len(deeds) })
	r.stop()

	after, err := c.Status()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, %d kills, kernel lost %d, %d arrived", len(deeds), len(kills), after.Lost-before.Lost, len(r.ours()))
	r.checkAtLeastOnce(pid, deeds)
	needless := answers.needless(t, kills, time.Second)
	t.Logf("%d came again although accepted a second before the kill", needless)
	if needless*1000 >= len(deeds) {
		t.Errorf("%d of %d events came again although they had been accepted long before a kill, want less than 0.1 %%", needless, len(deeds))
	}
}
