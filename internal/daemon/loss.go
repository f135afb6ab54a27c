package daemon

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// lookEvery is how often the kernel is asked what it dropped.
const lookEvery = time.Second

// A lossWatch asks the kernel for its counter of lost records and makes gaps of
// its rising. It has a Control of its own, since the keeper's may be busy.
type lossWatch struct {
	control *kaudit.Control
	landing *kaudit.Landing
	account *account
	untold  func() bool // whether the receive loop has yet to tell of a flood
	wake    func()      // the receive loop, which reckons
	log     *zap.Logger
	now     func() time.Time

	// regain is called when the kernel does not know us as its audit daemon any
	// more. It makes records come again, and says how.
	owner  func() (pid uint32, owns bool)
	regain func() error

	off    offWatch
	limits limitWatch
	forged forgedLog
	seen   kaudit.Seen // at the last look

	mu   sync.Mutex
	last kaudit.Status
}

// run looks until ctx is done.
func (w *lossWatch) run(ctx context.Context) {
	roundsAsked(ctx, lookEvery, w.account.asked, func() {
		if err := w.look(); err != nil {
			w.log.Warn("kernel's audit status not read", zap.Error(err))
		}
	})
	w.off.end(w.now())
}

// look compares with the last look. The counter counts records dropped for one
// of several reasons and misses others, so it is a lower bound of events only
// where it is all there is; the serials say more.
func (w *lossWatch) look() error {
	before := w.now()
	st, err := w.control.Status()
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.last = st
	w.mu.Unlock()

	now := w.now()
	w.off.saw(st.Enabled, now)
	w.limits.saw(st)
	was := w.seen
	if was.At != 0 && uint64(st.Lost) > was.Lost {
		w.log.Error("kernel lost records", zap.Uint64("records", uint64(st.Lost)-was.Lost))
		w.account.suspect(causeKernelLost, time.Unix(0, int64(was.At)), true)
	}
	if pid, owns := w.owner(); owns && st.PID != pid {
		w.log.Error("the kernel knows another audit daemon", zap.Uint32("pid", st.PID), zap.String("comm", commOf(int(st.PID))))
		err = w.regain()
		w.account.suspect(causeDowntime, time.Unix(0, int64(max(was.At, 1))), false)
	}
	w.seen = kaudit.Seen{Lost: uint64(st.Lost), At: uint64(now.UnixNano())}
	if !w.account.suspects() { // after a kill it would be forgotten
		w.landing.SetSeen(w.seen)
	}
	w.forged.look(now)
	if w.account.waits() || w.untold() || w.forged.forgeries.untold.Load() {
		w.wake()
	}
	w.account.knows(before)
	return err
}

// limited says which setting makes the kernel drop records, empty for none.
func (w *lossWatch) limited() string {
	if w == nil {
		return ""
	}
	st := w.status()
	if st == (kaudit.Status{}) {
		return "" // not looked yet
	}
	return w.limits.limits(st)
}

// status is what the last look saw.
func (w *lossWatch) status() kaudit.Status {
	if w == nil {
		return kaudit.Status{}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// gapCounts count gaps by cause, for status and metrics.
type gapCounts struct {
	mu sync.Mutex
	by map[string]uint64
}

func (g *gapCounts) add(cause string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil {
		g.by = map[string]uint64{}
	}
	g.by[cause]++
}

func (g *gapCounts) all() map[string]uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make(map[string]uint64, len(g.by))
	for cause, n := range g.by {
		all[cause] = n
	}
	return all
}
