package query

import (
	"cmp"
	"slices"
)

// A clock is the time of a node.
type clock struct {
	of     origin
	sec    int64  // the latest second of any event
	recent []rank // of the last events of the present numbering, by serial; neither part falls
}

// A rank is where an event stands among others: by time, then by serial.
type rank struct {
	millis int64
	serial uint64
}

// maxRecent is how many events back one may begin whose lines come late.
const maxRecent = 128

// rank returns where an event stands. A time before that of an event with a lower
// serial is of a slow call, or the clock was set back. A lower serial is of an event whose
// lines come a little late, or of another boot. Daemons number their own records.
func (c *clock) rank(l *line, timeout int64) rank {
	at, last := rank{l.id.UnixMilli(), l.id.Serial}, rank{}
	if n := len(c.recent); n > 0 {
		last = c.recent[n-1]
	}
	switch {
	case l.typ.IsNote() || l.typ >= firstDaemon && l.typ <= lastDaemon:
		return rank{max(at.millis, last.millis), last.serial}
	case at.serial > last.serial:
		at.millis = max(at.millis, last.millis)
		c.recent = append(c.recent, at)
	case at.millis > last.millis+timeout*1000:
		c.recent = append(c.recent[:0], at) // another boot
	default:
		i, _ := slices.BinarySearchFunc(c.recent, at.serial, func(r rank, serial uint64) int { return cmp.Compare(r.serial, serial) })
		if i == 0 {
			return at // too late to know, or of another numbering
		}
		at.millis = c.recent[i].millis
		c.recent = slices.Insert(c.recent, i, at)
	}
	if len(c.recent) > maxRecent {
		c.recent = slices.Delete(c.recent, 0, maxRecent/2)
	}
	return at
}

// Types of the records that audit daemons write of themselves (AUDIT_DAEMON_START …).
const (
	firstDaemon = 1200
	lastDaemon  = 1299
)
