package daemon

import (
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// recentIDs is how many of the last events are told apart when refused ones
// are counted: records of so many may interleave.
const recentIDs = 64

// refusals count the events which a full journal would not take, until there
// is room to say so. The count lies in the landing, where a kill cannot make
// it forgotten.
type refusals struct {
	landing *kaudit.Landing
	now     func() time.Time
	count   func(cause string)

	recent [recentIDs]event.ID
	at     int
}

// saw remembers the event of the last record that the journal took: what is
// refused of it is not another event lost, but one that is partial.
func (r *refusals) saw(rec []byte) { r.isNew(rec) }

// isNew reports whether rec begins an event not seen lately.
func (r *refusals) isNew(rec []byte) bool {
	_, text := splitRecord(rec)
	id, _, err := event.ParseHeader(text)
	if err != nil {
		return true
	}
	for _, seen := range r.recent {
		if seen == id {
			return false
		}
	}
	r.recent[r.at%recentIDs] = id
	r.at++
	return true
}

// add counts the events of recs.
func (r *refusals) add(recs [][]byte) {
	var count uint64
	for _, rec := range recs {
		if r.isNew(rec) {
			count++
		}
	}
	now := r.now()
	was := r.landing.Refused()
	if was.From == 0 {
		was.From = uint64(happened(recs[0], now).Add(-slack).UnixNano())
		r.count(causeJournalFull)
	}
	r.landing.SetRefused(kaudit.Refusal{Count: was.Count + count, From: was.From, To: uint64(now.UnixNano())})
}

// happened is the time of a record's event, which may be long before it is
// received; now if it says none, or one to come.
func happened(rec []byte, now time.Time) time.Time {
	_, text := splitRecord(rec)
	id, _, err := event.ParseHeader(text)
	if at := time.UnixMilli(id.UnixMilli()); err == nil && at.Before(now) {
		return at
	}
	return now
}

// note is the gap to write as soon as there is room, nil if nothing was refused.
func (r *refusals) note() []byte {
	was := r.landing.Refused()
	if was.From == 0 {
		return nil
	}
	from, to := time.Unix(0, int64(was.From)), time.Unix(0, int64(was.To))
	g := gap{cause: causeJournalFull, count: was.Count, from: from, to: to}
	return encodeNote(event.TypeGap, r.now(), g.fields())
}

func (r *refusals) clear() { r.landing.SetRefused(kaudit.Refusal{}) }
