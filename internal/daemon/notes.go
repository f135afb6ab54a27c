package daemon

import (
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Causes of a gap: the words of the event's field cause.
const (
	causeKernelLost     = "kernel_lost"
	causeOverrun        = "overrun"
	causeDowntime       = "downtime"
	causeJournalFull    = "journal_full"
	causeJournalDamaged = "journal_damaged"
	causeRejected       = "rejected"
	causeFlood          = "flood"
)

// causes are all of them, for the metrics.
var causes = []string{causeKernelLost, causeOverrun, causeDowntime, causeJournalFull, causeJournalDamaged, causeRejected, causeFlood}

// A gap is evidence that is missing: why, how much, and between which moments.
type gap struct {
	cause    string
	count    uint64 // events; 0 if not known
	atLeast  bool   // count is a lower bound
	from, to time.Time
	detail   string
	planned  bool // a clean stop began it, and nothing is known to be missing

	uid, auid  *uint32 // whose events, of a flood; nil where that is not known
	backfilled uint64  // events besides those counted that were found in auditd's log
}

// notes are records of our own on their way into the journal. Only the receive
// loop appends there, so that it knows a record's sequence before the kernel
// hands it over; everybody else leaves theirs here.
type notes struct {
	now   func() time.Time
	wake  func()             // the receive loop
	count func(cause string) // of gaps, for the metrics

	mu    sync.Mutex
	queue [][]byte
	bytes int    // in the queue
	over  uint64 // notes that it had no room for
	since time.Time
}

// maxNotes bounds the queue in bytes. It only fills when the receive loop stands.
const maxNotes = 2 << 20

// add queues a note of type typ, stamped with the present time.
func (q *notes) add(typ event.Type, fields ...event.NoteField) {
	rec := encodeNote(typ, q.now(), fields)
	q.mu.Lock()
	if q.bytes+len(rec) <= maxNotes {
		q.queue, q.bytes = append(q.queue, rec), q.bytes+len(rec)
	} else if q.over++; q.over == 1 {
		q.since = q.now()
	}
	q.mu.Unlock()
	q.wake()
}

// gap queues a note of what was lost. One without a span happened now.
func (q *notes) gap(g gap) {
	if g.to.IsZero() {
		g.to = q.now()
	}
	if g.from.IsZero() {
		g.from = g.to
	}
	q.count(g.cause)
	q.add(event.TypeGap, g.fields()...)
}

func (g gap) fields() []event.NoteField {
	fields := []event.NoteField{{Key: "cause", Value: g.cause}}
	if g.count > 0 || g.backfilled > 0 {
		fields = append(fields, event.NoteField{Key: "count", Value: g.count})
	}
	if g.atLeast {
		fields = append(fields, event.NoteField{Key: "count_at_least", Value: true})
	}
	if g.backfilled > 0 {
		fields = append(fields, event.NoteField{Key: "backfilled", Value: g.backfilled})
	}
	if g.uid != nil {
		fields = append(fields, event.NoteField{Key: "uid", Value: uint64(*g.uid)})
	}
	if g.auid != nil {
		fields = append(fields, event.NoteField{Key: "auid", Value: uint64(*g.auid)})
	}
	return append(fields,
		event.NoteField{Key: "planned", Value: g.planned},
		event.NoteField{Key: "from", Value: g.from},
		event.NoteField{Key: "to", Value: g.to},
		event.NoteField{Key: "detail", Value: g.detail})
}

// take returns the notes queued and forgets them.
func (q *notes) take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	recs := q.queue
	if q.over > 0 {
		g := gap{cause: causeOverrun, count: q.over, atLeast: true, from: q.since, to: q.now(), detail: "notes of the daemon's own, for which there was no room"}
		recs = append(recs, encodeNote(event.TypeGap, q.now(), g.fields()))
		q.count(g.cause)
	}
	q.queue, q.bytes, q.over = nil, 0, 0
	return recs
}

// maxNoteText is how long a text in a note may be: the journal takes 64 KiB of one
// record, in which each byte may take two.
const maxNoteText = 4 << 10

func encodeNote(typ event.Type, at time.Time, fields []event.NoteField) []byte {
	for i := range fields {
		if text, ok := fields[i].Value.(string); ok && len(text) > maxNoteText {
			fields[i].Value = fmt.Sprintf("%s... (%d bytes)", text[:maxNoteText], len(text))
		}
	}
	rec := binary.LittleEndian.AppendUint16(nil, uint16(typ))
	return event.AppendNote(rec, event.Note{Time: at, Fields: fields})
}
