//go:build amd64

package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// seconds reads a duration that somebody may ask for.
func seconds(t *testing.T, name string, otherwise time.Duration) time.Duration {
	t.Helper()
	if text := os.Getenv(name); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return otherwise
}

// amount reads a number that somebody may ask for.
func amount(t *testing.T, name string, otherwise int) int {
	t.Helper()
	if text := os.Getenv(name); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return otherwise
}

// TestKernelFaults lets each fault of the endpoint rule for a while, under 2,000
// events a second, and then mixes them all. Nothing may be missing, the daemon
// stays small, and an outage is two lines of its log.
func TestKernelFaults(t *testing.T) {
	kerneltest.Need(t)
	each, mixed := seconds(t, "TEST_FAULT_EACH", time.Second), seconds(t, "TEST_FAULT_MIXED", 10*time.Second)
	const rate = 2000
	outages := logstest.Passing()
	r := newRig(t, "")
	r.start()
	total := time.Duration(len(outages))*each*3/2 + mixed
	end := r.begin(spec{Count: rate * int(total/time.Second), Rate: rate, Seed: 8})
	pass := func(d time.Duration) {
		timer := time.NewTimer(d)
		<-timer.C
	}
	for _, name := range slices.Sorted(maps.Keys(outages)) {
		r.endpoint.Always(outages[name])
		pass(each)
		r.endpoint.Mend()
		pass(each / 2)
	}
	r.endpoint.Chance(0.3, slices.Collect(maps.Values(outages))...)
	pass(mixed)
	r.endpoint.Mend()
	pid, deeds := end()
	most := r.peak()
	r.eventually(90*time.Second, "all events", func() bool { return r.distinct() >= len(deeds) })
	most = max(most, r.peak())
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	r.stop()

	r.checkAtLeastOnce(pid, deeds, 1)
	if v := r.endpoint.Violations(); len(v) > 0 {
		t.Errorf("limit violations: %v", v)
	}
	t.Logf("%d events, %d arrived, peak %d MiB, %d log lines in %d outages and %v of all", len(deeds), len(r.ours()), most>>20, len(lines), len(outages), mixed)
	if most > 64<<20 {
		t.Errorf("%d MiB resident at most, want 64", most>>20)
	}
	checkLines(t, lines)
}

// checkLines requires that lines about delivery tell of changes only: that it
// stalled, why, and that it is resumed.
func checkLines(t *testing.T, lines []string) {
	t.Helper()
	var before string
	for _, line := range lines {
		var said string
		switch {
		case strings.Contains(line, "stalled"), strings.Contains(line, "blocked"):
			_, said, _ = strings.Cut(line, `"error":`) // a new cause is a change
		case strings.Contains(line, "resumed"):
			said = "resumed"
		default:
			continue
		}
		if said == before {
			t.Errorf("said twice: %s", line)
		}
		before = said
	}
	if before != "resumed" {
		t.Errorf("the last word is %q, want resumed", before)
	}
	const others = 12 // ready, group made, plain instead of gzip and the like
	if other := len(lines) - strings.Count(fmt.Sprint(lines), "stalled") - strings.Count(fmt.Sprint(lines), "resumed"); other > others {
		t.Errorf("%d other lines:\n%s", other, strings.Join(lines, "\n"))
	}
}

// distinct is how many events arrived, each counted once.
func (r *rig) distinct() int {
	ids := map[string]bool{}
	for _, e := range r.ours() {
		ids[e.ID] = true
	}
	return len(ids)
}

// peak is the most memory that the daemon had resident, in bytes.
func (r *rig) peak() int64 {
	r.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		r.t.Fatal("no VmHWM")
	}
	kib, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		r.t.Fatal(err)
	}
	return kib << 10
}
