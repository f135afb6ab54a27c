package daemon

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// A limitWatch notices that somebody sets a limit beyond which the kernel drops records, or
// that the kernel is to be silent about what it drops. The limitWatch does not set that
// back: whoever set it has an administrator's rights, and may have a reason.
type limitWatch struct {
	backlog uint32 // the backlog_limit that we have set, 0 where it is another daemon's
	loud    bool   // we have set that the kernel tells what it drops
	log     *zap.Logger

	told string
}

// limitWatch watches over what we have set, which is nothing beside another daemon.
func (d *Daemon) limitWatch() limitWatch {
	w := limitWatch{log: d.log}
	if d.source.owns() {
		w.backlog, w.loud = uint32(d.cfg.Kernel.BacklogLimit), d.cfg.Kernel.FailureMode != "silent"
	}
	return w
}

// saw is told the kernel's settings at each look.
func (w *limitWatch) saw(st kaudit.Status) {
	now := w.limits(st)
	switch {
	case now == w.told:
	case now == "":
		w.log.Info("the kernel's limits are as they should be again")
	default:
		w.log.Error("a setting of the kernel makes it drop records, or hide that it does", zap.String("setting", now))
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
	case w.loud && st.Failure == kaudit.FailSilent:
		return "the kernel's own log does not tell of records that the kernel drops: sudo auditctl -f 1"
	}
	return ""
}
