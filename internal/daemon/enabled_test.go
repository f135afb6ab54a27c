package daemon

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// TestOffWatch makes one gap of each time that auditing was off, also of one
// that had not ended when the daemon stopped.
func TestOffWatch(t *testing.T) {
	for _, tt := range []struct {
		name string
		seen []uint32 // at 1 s, 2 s, …
		gaps int
	}{
		{"always on", []uint32{1, 1, 1}, 0},
		{"off for a while", []uint32{1, 0, 0, 1, 1}, 1},
		{"twice", []uint32{1, 0, 1, 0, 1}, 2},
		{"off at the stop", []uint32{1, 1, 0}, 1},
		{"immutable is on", []uint32{2, 2}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := time.Unix(1, 0)
			n := &notes{now: func() time.Time { return at }, wake: func() {}, count: func(string) {}}
			w := offWatch{notes: n, log: zap.NewNop()}
			for _, enabled := range tt.seen {
				w.saw(enabled, at)
				at = at.Add(time.Second)
			}
			w.end(at)
			if got := len(n.take()); got != tt.gaps {
				t.Errorf("%d gaps, want %d", got, tt.gaps)
			}
		})
	}
}

// TestLimits requires that a setting which makes the kernel drop records is told once, and
// in the status.
func TestLimits(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	w := &limitWatch{backlog: 8192, loud: true, log: zap.New(core)}
	for i, tt := range []struct {
		st    kaudit.Status
		lines int
	}{
		{kaudit.Status{Failure: 1, BacklogLimit: 8192}, 0},
		{kaudit.Status{Failure: 1, BacklogLimit: 8192, RateLimit: 1}, 1},
		{kaudit.Status{Failure: 1, BacklogLimit: 8192, RateLimit: 1}, 1},
		{kaudit.Status{Failure: 1, BacklogLimit: 10}, 2},
		{kaudit.Status{Failure: 1, BacklogLimit: 16384}, 3},
		{kaudit.Status{BacklogLimit: 8192}, 4},
	} {
		w.saw(tt.st)
		if logs.Len() != tt.lines {
			t.Errorf("look %d: %d lines, want %d: %v", i, logs.Len(), tt.lines, logs.All())
		}
	}
	s := Status{Source: SourceStatus{Enabled: 1}, limits: w.limits(kaudit.Status{RateLimit: 5})}
	if state, why := s.health(); state != "degraded" || why != "the kernel drops what is beyond 5 records a second: sudo auditctl -r 0" {
		t.Errorf("%s: %s", state, why)
	}
	s.limits = w.limits(kaudit.Status{BacklogLimit: 8192})
	if state, why := s.health(); state != "degraded" || !strings.Contains(why, "auditctl -f 1") {
		t.Errorf("%s: %s", state, why)
	}
	if text := (&limitWatch{}).limits(kaudit.Status{BacklogLimit: 64}); text != "" {
		t.Errorf("another daemon's setting: %s", text)
	}
}
