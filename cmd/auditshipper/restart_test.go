//go:build amd64

package main

import (
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// TestKernelRestartInOutage kills the daemon while the endpoint is away and much waits in
// the journal: the one that comes after it names all of it as truly as the first would have.
func TestKernelRestartInOutage(t *testing.T) {
	kerneltest.Need(t)
	const rate = 5000
	lasts := seconds(t, "TEST_OUTAGE", 6*time.Second)
	r := newRig(t, "")
	r.manager = newServiceManager(t)
	r.start()
	r.endpoint.Always(logstest.Unavailable)
	pid, deeds := r.work(spec{Count: rate * int(lasts/time.Second), Rate: rate, Seed: 3})
	r.kill()
	r.launch()
	r.endpoint.Mend()
	r.eventually(60*time.Second, "all events", func() bool { return r.distinct() >= len(deeds) })
	r.stop()
	from := map[string]int{}
	for _, e := range r.ours() {
		from[e.PathFrom]++
	}
	t.Logf("%v", from)
	if lacking := from["claimed"] + from["unresolved"]; lacking*100 > len(deeds) {
		t.Errorf("%d of %d without a proven path", lacking, len(deeds))
	}
	r.checkAtLeastOnce(pid, deeds, 10)
}
