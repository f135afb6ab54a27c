package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/ship"
)

// TestRejectedIsBounded rejects more than the file takes, and requires that the gap of
// each event says whether it is kept.
func TestRejectedIsBounded(t *testing.T) {
	q := &notes{now: time.Now, wake: func() {}, count: func(string) {}}
	r := &rejectFile{path: filepath.Join(t.TempDir(), "rejected.jsonl"), notes: q, log: zap.NewNop()}
	it := ship.Item{Millis: 1, Line: bytes.Repeat([]byte("x"), 1<<20)}
	const events = maxRejected>>20 + 5
	for range events {
		r.add(it, "too large")
	}
	text, err := os.ReadFile(r.path)
	if err != nil || len(text) > maxRejected || len(text) < maxRejected-2<<20 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	lost, gaps := 0, q.take()
	for _, gap := range gaps {
		if bytes.Contains(gap, []byte("not kept")) {
			lost++
		}
	}
	if kept := bytes.Count(text, []byte("\n")); len(gaps) != events || kept+lost != events {
		t.Errorf("%d gaps of %d events; %d kept and %d not", len(gaps), events, kept, lost)
	}
}
