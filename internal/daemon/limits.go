package daemon

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// A limitWatch notices that somebody sets a limit beyond which the kernel drops records.
// It does not take the limit away: that takes an administrator's rights, who may have a
// reason.
type limitWatch struct {
	backlog uint32 // the backlog_limit that we have set, 0 where it is another daemon's
	log     *zap.Logger

	told string
}

// wantedBacklog is the backlog_limit that we have set, 0 if that is not ours to set.
func (d *Daemon) wantedBacklog() uint32 {
	if !d.source.owns() {
		return 0
	}
	return uint32(d.cfg.Kernel.BacklogLimit)
}

// saw is told the kernel's settings at each look.
func (w *limitWatch) saw(st kaudit.Status) {
	now := w.limits(st)
	switch {
	case now == w.told:
	case now == "":
		w.log.Info("the kernel's limits are as they should be again")
	default:
		w.log.Error("a setting of the kernel makes it drop records", zap.String("setting", now))
	}
	w.told = now
}

// limits says which setting makes the kernel drop records, and the cure; empty for none.
func (w *limitWatch) limits(st kaudit.Status) string {
	switch {
	case st.RateLimit > 0:
		return fmt.Sprintf("the kernel drops what is beyond %d records a second: sudo auditctl -r 0", st.RateLimit)
	case st.BacklogLimit < w.backlog:
		return fmt.Sprintf("the kernel queues %d records before it drops, not %d: sudo auditctl -b %d", st.BacklogLimit, w.backlog, w.backlog)
	}
	return ""
}
