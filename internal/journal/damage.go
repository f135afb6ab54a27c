package journal

import (
	"fmt"
	"time"
)

// A Damage is a stretch of the journal that cannot be read: records From to To,
// both inclusive. It is an error, but not one that ends anything: whoever gets
// it goes on behind it.
type Damage struct {
	// From is greater than To when no record is known to be missing.
	From, To uint64

	Segment string // file in which it begins; empty if none is left of it
	Offset  int64  // in that file
	Reason  string // constant text, one of the Reason constants

	// When the records before and after it were appended; zero if unknown, or if
	// there is none.
	After, Before time.Time
}

// Reasons for a Damage.
const (
	ReasonUnreadable = "bytes are no whole record"
	ReasonMissing    = "records are not there"
	ReasonUnfinished = "an unfinished record was cut off"
	ReasonHead       = "segment header damaged"
	ReasonCursor     = "cursor file damaged"
	ReasonNoCursor   = "no cursor file left, delivery starts over at the oldest record"
	ReasonLast       = "file of the last sequence damaged"
	ReasonForeign    = "file is not the journal's, left alone"
)

// Missing returns how many records are missing.
func (d *Damage) Missing() uint64 {
	if d.From > d.To {
		return 0
	}
	return d.To - d.From + 1
}

func (d *Damage) Error() string {
	where := d.Segment
	if d.Offset > 0 {
		where = fmt.Sprintf("%s:%d", d.Segment, d.Offset)
	}
	if where != "" {
		where += ": "
	}
	switch n := d.Missing(); n {
	case 0:
		return where + d.Reason
	case 1:
		return fmt.Sprintf("%s%s: record %d is missing", where, d.Reason, d.From)
	default:
		return fmt.Sprintf("%s%s: records %d to %d are missing", where, d.Reason, d.From, d.To)
	}
}

// moment turns milliseconds since 1970 into a time, 0 into none.
func moment(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis)
}
