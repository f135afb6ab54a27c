package ship

import "time"

// A rejectedInfo is what PutLogEvents says of a batch that it took in part:
// indexes, nil where none is rejected.
type rejectedInfo struct {
	expiredEnd  *int32 // exclusive
	tooOldEnd   *int32 // exclusive
	tooNewStart *int32 // inclusive
}

// What the service takes, and by how much its clock may differ from the date of
// its answer.
const (
	maxAge    = 14 * 24 * time.Hour
	maxAhead  = 2 * time.Hour
	dateSlack = 5 * time.Second
)

// ranges returns the rejected parts of items i to j of b, which are in order.
//
// LocalStack names the last event that is too old instead of the one after it,
// and the last that is too new instead of the first. Once anything is rejected,
// what must have been by the service's time is counted as rejected too.
func (r rejectedInfo) ranges(b *Batch, i, j int, now time.Time) []Rejected {
	expired, old, fresh := i, i, j
	if r.expiredEnd != nil {
		expired = min(i+int(*r.expiredEnd), j)
	}
	if r.tooOldEnd != nil {
		old = min(i+int(*r.tooOldEnd), j)
	}
	if r.tooNewStart != nil {
		fresh = max(i+int(*r.tooNewStart), i)
	}
	if !now.IsZero() {
		oldest, newest := now.Add(-maxAge-dateSlack).UnixMilli(), now.Add(maxAhead+dateSlack).UnixMilli()
		for old < j && b.items[old].millis < oldest {
			old++
		}
		for fresh > i && b.items[fresh-1].millis > newest {
			fresh--
		}
	}
	var out []Rejected
	add := func(from, to int, why Reason) {
		if from < to {
			out = append(out, Rejected{from, to, why})
		}
	}
	add(i, old, TooOld)
	add(max(i, old), expired, Expired)
	add(max(fresh, old, expired), j, TooNew)
	return out
}
