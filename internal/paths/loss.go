package paths

import "time"

// A rename that the kernel dropped spoils what is seen after it, and no record says so.
// That something was dropped is known later than what was seen: so an answer counts
// only once it is known for the time between its event and itself.

// Three things tell of missing records, and each bounds what is believed:
//
//	barrier   a note in the journal: nothing known of before counts behind it, and the other way round
//	dropped   the daemon has noticed that records of a time are missing: no look counts across it
//	complete  up to here it is known whether any are: a look of later, and a fact of later about
//	          an event of before it, have to wait

// A loss is a time in which records may be missing, in Unix milliseconds.
type loss struct{ from, to int64 }

// Dropped notes that records are missing from between two times.
func (s *knowledge) Dropped(from, to time.Time) { s.dropped = loss{from.UnixMilli(), to.UnixMilli()} }

// Complete notes that all that is missing up to a time was told to Dropped. Before it is
// called first, nobody can tell, and nothing waits for it.
func (s *knowledge) Complete(until time.Time) { s.complete = until.UnixMilli() }

// spans says whether records may be missing from between an event and a look.
func (l loss) spans(e *work, looked int64) bool { return l.between(e.ID.UnixMilli(), looked) }

// between says whether records may be missing from between two times.
func (l loss) between(a, b int64) bool {
	return l.to != 0 && min(a, b) <= l.to && max(a, b)+aside >= l.from
}

// accounted says whether it is known what is missing up to a time.
func (s *knowledge) accounted(at int64) bool {
	return s.complete == 0 || s.wait < 0 || at <= s.complete
}

// dated says whether it is known what is missing up to the looks for an event, or it
// has waited for that in vain. now is by the clock that it waits by.
func (s *knowledge) dated(e *work, now int64) bool {
	return s.complete == 0 || e.looked <= s.complete || now >= e.looked+patience
}
