package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// TestForgedTold counts forgeries over three seconds and a kill, and requires an event a
// second at most that tells of all of them.
func TestForgedTold(t *testing.T) {
	w := newBackfillWorld(t)
	forge := func(n uint64) {
		w.landing.SetForged(kaudit.Forgery{Count: w.landing.Forged().Count + n, Port: 77})
	}
	tell := func(end bool) (told string) {
		t.Helper()
		before := len(w.journal.recs)
		if err := w.r.tellForged(end); err != nil {
			t.Fatal(err)
		}
		for _, rec := range w.journal.recs[before:] {
			_, text := splitRecord([]byte(rec))
			_, fields, _ := strings.Cut(string(text), ": ")
			told += fields
		}
		return told
	}
	for _, step := range []struct {
		forged uint64
		after  time.Duration
		kill   bool
		end    bool
		want   string
	}{
		{0, 0, false, false, ""},
		{3, 0, false, false, `op="forged" count=3 sender_port=77`},
		{2, 400 * time.Millisecond, false, false, ""},
		{5, 400 * time.Millisecond, false, false, ""},
		{0, 400 * time.Millisecond, false, false, `op="forged" count=7 sender_port=77`},
		{4, 0, false, false, ""},
		{0, 0, true, false, `op="forged" count=4 sender_port=77`},
		{1, 0, false, true, `op="forged" count=1 sender_port=77`},
	} {
		w.now = w.now.Add(step.after)
		forge(step.forged)
		if step.kill {
			w.start()
		}
		if got := tell(step.end); got != step.want {
			t.Errorf("%+v: told %q", step, got)
		}
	}
}
