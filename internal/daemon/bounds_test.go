package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/paths"
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

// TestNotesAreBounded adds notes that nobody takes, and requires that those for which
// there was no room are told.
func TestNotesAreBounded(t *testing.T) {
	q := &notes{now: time.Now, wake: func() {}, count: func(string) {}}
	const added = 3000
	for range added {
		q.gap(gap{cause: causeRejected, count: 1, detail: strings.Repeat("x", 1000)})
	}
	recs := q.take()
	last := string(recs[len(recs)-1])
	if want := fmt.Sprintf("count=%d count_at_least=true", added-len(recs)+1); !strings.Contains(last, want) || len(recs) >= added {
		t.Errorf("%d notes of %d, the last %q, want %q", len(recs), added, last, want)
	}
	q.add(event.TypeRules, event.NoteField{Key: "removed", Value: strings.Repeat("ä", 100<<10)})
	if recs = q.take(); len(recs) != 1 || len(recs[0]) > journal.MaxRecord || len(recs[0]) < maxNoteText {
		t.Errorf("a long note: %d, the first with %d bytes", len(recs), len(recs[0]))
	}
	if again := q.take(); len(again) > 0 {
		t.Errorf("taken again: %q", again)
	}
}

// TestMarksAreBounded takes marks of a stream with so many events that are not over that
// each is large, while nothing is acknowledged.
func TestMarksAreBounded(t *testing.T) {
	s := newNodeStreams(paths.NewStream(paths.Options{}))
	for i := range event.DefaultLimit {
		s.Push(uint64(i+1), recordSyscall, fmt.Appendf(nil, "audit(1785139200.123:%d): arch=c000003e syscall=87 success=yes", 4_000_000_000+i))
	}
	j := new(lastCursor)
	c := &cursor{journal: j, failed: func(err error) { t.Error(err) }}
	held := 0
	for i := range uint64(1000) {
		c.snapshot(s, i+1)
		held = 0
		for _, at := range c.snapshots {
			held += len(at.mark)
		}
	}
	if most := maxMarks + 1<<20; held > most || len(c.snapshots) < 2 {
		t.Errorf("%d marks with %d bytes, want at most %d", len(c.snapshots), held, most)
	}
	c.ack(500)
	if j.low == 0 || c.snapshots[len(c.snapshots)-1].items != 1000 {
		t.Errorf("the cursor is at %d, the last mark at %d", j.low, c.snapshots[len(c.snapshots)-1].items)
	}
	c.ack(1000)
	if c.bytes != 0 || len(c.snapshots) != 0 {
		t.Errorf("%d bytes, %d marks are left", c.bytes, len(c.snapshots))
	}
}

// A lastCursor remembers where the cursor is.
type lastCursor struct{ low uint64 }

func (l *lastCursor) SetCursor(low uint64, _ []byte) error {
	l.low = low
	return nil
}
