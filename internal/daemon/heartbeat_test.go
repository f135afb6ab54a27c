package daemon

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/auditshipper/auditshipper/internal/config"
)

// TestHeartbeat comes every interval, and says what the status says.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oldest := time.Now().Add(-time.Minute)
		q := &notes{now: time.Now, wake: func() {}, count: func(string) {}}
		h := &heartbeat{every: 5 * time.Minute, notes: q, config: func() (string, string) { return "c0ffee", "/mnt/efs /etc" }, status: func() Status {
			return Status{
				Version: "1.2.3", Rules: RulesStatus{Wanted: 4, InEffect: 3}, Source: SourceStatus{Lost: 7},
				Journal: JournalStatus{Undelivered: 99, Oldest: &oldest}, Gaps: map[string]uint64{"overrun": 1, "downtime": 2},
			}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		go h.run(ctx)
		time.Sleep(16 * time.Minute) // of the bubble's time
		cancel()
		synctest.Wait()
		beats := q.take()
		if len(beats) != 3 {
			t.Fatalf("%d heartbeats in 16 minutes", len(beats))
		}
		for _, want := range []string{"op=", "heartbeat", "1.2.3", "c0ffee", "rules=3", "rules_wanted=4", "lost=7", "gaps=3", "undelivered_bytes=99", "/mnt/efs /etc", oldest.UTC().Format(time.RFC3339)} {
			if !bytes.Contains(beats[2], []byte(want)) {
				t.Errorf("%q is not in %q", want, beats[2])
			}
		}
	})
}

// TestConfigurationHash differs between configurations, and not between two
// readings of one.
func TestConfigurationHash(t *testing.T) {
	hash := func(c config.Config) string {
		d := &Daemon{}
		if err := d.noteConfig(c); err != nil {
			t.Fatal(err)
		}
		return d.configured.Load().hash
	}
	one, other := config.Default(), config.Default()
	other.Watches = []config.Watch{{Path: "/mnt/efs"}}
	if hash(one) != hash(config.Default()) || hash(one) == hash(other) {
		t.Error(hash(one), hash(other))
	}
}
