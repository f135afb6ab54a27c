package daemon

import (
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// An offWatch notices that somebody switches auditing off, and makes a gap of
// the time. It does not switch it on again: it takes an administrator's rights
// to do that, and a good reason.
type offWatch struct {
	notes *notes
	log   *zap.Logger

	lastOn   time.Time // when it was last seen on
	offSince time.Time // zero while it is on
}

// saw is told at each look whether auditing is on.
func (w *offWatch) saw(enabled uint32, now time.Time) {
	switch on := enabled != kaudit.Disabled; {
	case on && !w.offSince.IsZero():
		w.end(now)
		w.log.Info("auditing is on again")
		fallthrough
	case on:
		w.lastOn = now
	case w.offSince.IsZero():
		w.offSince = w.lastOn
		if w.offSince.IsZero() {
			w.offSince = now
		}
		w.log.Error("auditing was switched off: nothing is seen", zap.String("cure", "auditctl -e 1"))
	}
}

// end makes the gap, when auditing is on again or nobody will be there to see
// it.
func (w *offWatch) end(now time.Time) {
	if w.offSince.IsZero() {
		return
	}
	w.notes.gap(gap{cause: causeDowntime, from: w.offSince, to: now, detail: "auditing was switched off"})
	w.offSince = time.Time{}
}
