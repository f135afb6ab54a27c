package daemon

import (
	"testing"
	"time"

	"go.uber.org/zap"
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
