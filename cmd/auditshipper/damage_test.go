//go:build amd64

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// TestKernelDamage flips bits in what a stopped daemon keeps for an endpoint that
// was away. What the bits belong to is missing and told; all else arrives.
func TestKernelDamage(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	r.endpoint.Always(logstest.Unavailable)
	_, deeds := r.work(spec{Count: 2000, Rate: 4000, Seed: 11})
	r.stop()

	segments, err := filepath.Glob(filepath.Join(r.dir, "state", "journal", "*.seg"))
	if err != nil || len(segments) == 0 {
		all, _ := filepath.Glob(filepath.Join(r.dir, "state", "journal", "*"))
		t.Fatalf("no segments: %v, %v", err, all)
	}
	text, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	const flips = 3
	for i := range flips {
		text[len(text)/4*(i+1)] ^= 1
	}
	if err := os.WriteFile(segments[0], text, 0o600); err != nil {
		t.Fatal(err)
	}

	r.endpoint.Mend()
	r.start()
	whole := func() (n int) {
		ids := map[string]bool{}
		for _, e := range r.ours() {
			if !e.Partial {
				ids[e.ID] = true
			}
		}
		return len(ids)
	}
	r.eventually(30*time.Second, "all but what is damaged", func() bool { return whole() >= len(deeds)-flips && len(r.gaps()) > 0 })
	r.stop()
	told := 0
	for _, g := range r.gaps() {
		if g.Cause == "journal_damaged" { // the other is of the time between
			told++
		}
	}
	t.Logf("%d of %d whole after %d flipped bits, %d gaps", whole(), len(deeds), flips, told)
	if missing := len(deeds) - whole(); missing > flips || told > flips || told == 0 {
		t.Errorf("%d are missing or in part, in %d gaps, want at most %d in as many", missing, told, flips)
	}
}
