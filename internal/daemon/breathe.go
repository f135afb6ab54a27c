package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// Under load the journal has a little more every millisecond. To be woken for
// each costs as much as all the work on it (the runtime's scheduler is kept from
// sleeping, 9 µs an event at 10,000 a second), so records are left to gather. A
// quiet host's are taken at once: the process may live and tell its directory.
const (
	breath = 20 * time.Millisecond
	busy   = 32 // records in one go
)

// breathe lets records gather if there were many in the last go.
func (d *deliverer) breathe(ctx context.Context, records int) error {
	if records < busy {
		return nil
	}
	return errors.Join(ship.Pause(ctx, breath), d.giveWay(ctx))
}

// giveWay waits while a flood comes.
func (d *deliverer) giveWay(ctx context.Context) error {
	for d.yields && d.flood.look(d.now(), d.journal.Next()) && d.room() {
		d.beat.Add(1)
		if err := errors.Join(d.glance(), ship.Pause(ctx, breath)); err != nil {
			return err
		}
	}
	return nil
}

// glance looks around at those who made the latest calls, while what they make is not
// read yet: when it is, nobody may be left to ask.
func (d *deliverer) glance() error {
	now := d.now()
	if now.Sub(d.glanced) < glanceEvery {
		return nil
	}
	d.glanced = now
	met := 0
	return d.journal.Latest(glanceBytes, func(rec []byte) {
		typ, text, _ := event.SplitRecord(rec)
		if pid, ok := event.Caller(typ, text); ok && met < glanceMost && d.stream.Meet(pid) {
			met++
		}
	})
}

const (
	glanceEvery = 100 * time.Millisecond
	glanceBytes = 128 << 10 // of records, some hundred events
	glanceMost  = 24        // processes looked at
)

// room reports whether the journal has room for a flood.
func (d *deliverer) room() bool {
	s := d.journal.Stat()
	return s.Undelivered < s.MaxBytes/2
}

// A flood is more records than a machine bears beside our own work: somebody
// deletes a tree as fast as the kernel lets them. The processors are needed for
// receiving then, or the kernel drops records, so delivery waits: a flood is over
// soon, and the journal has it. One that goes on is delivered as it comes.
type flood struct {
	at   time.Time // of the last look
	next uint64    // the journal's next sequence then

	since, last time.Time // the first and the last look that saw it; zero without one
}

const (
	floodRate = 100_000                // records a second, some 15,000 deletions
	floodCalm = 100 * time.Millisecond // without which it is over
	floodTime = 10 * time.Second       // that delivery waits for one at most

	giveWayEvery = 4096 // records, while there is no end of them
)

// look reports whether to wait for a flood, now that the journal's next sequence
// is this.
func (f *flood) look(now time.Time, next uint64) bool {
	if spent := now.Sub(f.at); spent >= breath {
		if rate := float64(next-f.next) / spent.Seconds(); rate >= floodRate && !f.at.IsZero() {
			f.last = now
		}
		f.at, f.next = now, next
	}
	switch {
	case now.Sub(f.last) >= floodCalm:
		f.since = time.Time{}
		return false
	case f.since.IsZero():
		f.since = now
	}
	return now.Sub(f.since) < floodTime
}
