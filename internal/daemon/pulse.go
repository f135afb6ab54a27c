package daemon

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// A pulse tells whether a loop moves, from one look to the next. Between two looks the
// loop is woken, so that an idle one moves, too.
type pulse struct {
	loop  string
	beat  func() uint64
	last  uint64
	since time.Time // the first look since which it has not moved, zero if it has
}

// StuckStatus says which loop does not move.
type StuckStatus struct {
	Loop  string    `json:"loop"`
	Since time.Time `json:"since"`
}

// look compares with the last look. It reports whether the loop has moved.
func (p *pulse) look(now time.Time) bool {
	beat := p.beat()
	moved := beat != p.last || beat == 0 // it has not begun
	p.last = beat
	switch {
	case moved:
		p.since = time.Time{}
	case p.since.IsZero():
		p.since = now
	}
	return moved
}

// pulseEvery is how often the loops are looked at where no service manager wants it
// more often.
const pulseEvery = 10 * time.Second

// watchLoops keeps for the status which loop does not move, and tells the service
// manager that we live while both do. The deliver loop may rest while the shipper
// waits for the service, whose calls have a timeout.
func (d *Daemon) watchLoops(ctx context.Context) {
	receive := &pulse{loop: "receive", beat: d.receiver.beat.Load}
	deliver := &pulse{loop: "deliver", beat: d.deliver.beat.Load}
	every := pulseEvery
	if d.manager.watchdog > 0 {
		every = min(every, d.manager.watchdog/3)
	}
	rounds(ctx, every, func() {
		now := time.Now()
		received := receive.look(now)
		delivered := deliver.look(now) || d.deliver.shipping.Load()
		if received && delivered {
			d.tell("WATCHDOG=1")
		}
		d.stuckIn(received, delivered, receive, deliver)
		d.source.Wake() // an idle loop turns once
		d.deliver.poke()
	})
}

// stuckIn notes which loop does not move, and logs when that begins and ends.
func (d *Daemon) stuckIn(received, delivered bool, receive, deliver *pulse) {
	var now *StuckStatus
	switch {
	case !received:
		now = &StuckStatus{receive.loop, receive.since}
	case !delivered:
		now = &StuckStatus{deliver.loop, deliver.since}
	}
	was := d.stuck.Swap(now)
	if now != nil && (was == nil || was.Loop != now.Loop) {
		d.log.Error("a loop does not move", zap.String("loop", now.Loop))
	}
	if now == nil && was != nil {
		d.log.Info("the loop moves again", zap.String("loop", was.Loop), zap.Duration("after", time.Since(was.Since)))
	}
}

func (s *StuckStatus) String() string {
	return fmt.Sprintf("the %s loop has not moved since %s", s.Loop, s.Since.Format(time.RFC3339))
}

// LooksStatus says how looks at processes and paths of others fare, which find out
// directories' names.
type LooksStatus struct {
	Hung    int    `json:"hung"`    // that hang now
	Late    uint64 `json:"late"`    // that took too long, since the start
	Refused uint64 `json:"refused"` // that were not made, since too many hang
}

func (d *Daemon) looks() LooksStatus {
	procs, paths := d.lookup.Looks()
	return LooksStatus{procs.Hung + paths.Hung, procs.Late + paths.Late, procs.Refused + paths.Refused}
}
