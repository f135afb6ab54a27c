package daemon

import (
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// forgeries tell of datagrams that processes sent to the socket in the kernel's place.
// The landing counts them, where a kill cannot make the count forgotten, until an event
// says so. The receive loop owns it; the atomic values are for any goroutine.
type forgeries struct {
	landing  *kaudit.Landing
	listener *kaudit.Listener // nil where records do not come from the kernel
	now      func() time.Time
	told     time.Time // when the last event was made

	total  atomic.Uint64 // since the start
	port   atomic.Uint32 // of the last sender
	untold atomic.Bool
}

// tellForged puts an event of what was forged into the journal, once a second at most, and
// lets the kernel pass the next forgery, so that it is counted, too.
func (r *receiver) tellForged(end bool) error {
	f := r.forged
	was := f.landing.Forged()
	f.untold.Store(was.Count > 0)
	now := f.now()
	if was.Count == 0 || !end && now.Sub(f.told) < time.Second {
		return nil
	}
	f.told = now
	fields := []event.NoteField{
		{Key: "op", Value: "forged"},
		{Key: "count", Value: was.Count},
		{Key: "count_at_least", Value: f.listener != nil && f.listener.Refuses()},
		{Key: "sender_port", Value: was.Port},
	}
	if err := r.append([][]byte{encodeNote(event.TypeDaemon, now, fields)}); err != nil {
		return err
	}
	f.landing.SetForged(kaudit.Forgery{})
	f.untold.Store(false)
	f.port.Store(uint32(was.Port))
	f.total.Add(was.Count)
	if f.listener == nil {
		return nil
	}
	if err := f.listener.Reopen(); err != nil {
		return fmt.Errorf("tell of forged records: %w", err)
	}
	return nil
}

// forgedPause is how long nobody forges before the next forgery is logged again.
const forgedPause = time.Minute

// A forgedLog logs the beginning of each burst of forgeries.
type forgedLog struct {
	forgeries *forgeries
	log       *zap.Logger
	seen      uint64
	last      time.Time
}

// look is called about once a second.
func (l *forgedLog) look(now time.Time) {
	total := l.forgeries.total.Load()
	if total == l.seen {
		return
	}
	if now.Sub(l.last) >= forgedPause {
		port := l.forgeries.port.Load()
		l.log.Error("a process sends us records in the kernel's place; they are dropped and counted",
			zap.Uint64("records", total-l.seen), zap.Uint32("sender_port", port), zap.String("comm", commOf(int(port))))
	}
	l.seen, l.last = total, now
}
