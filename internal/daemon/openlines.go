package daemon

import (
	"os"
	"path/filepath"
	"time"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// openLines makes the lines that auditd writes the source: of its log, or of
// its plugins' standard input. The kernel is commanded only for rules.
func (d *Daemon) openLines(mode string) error {
	l := lines{log: d.log}
	var src source
	var err error
	if mode == modeStdin {
		src, err = openPiped(int(os.Stdin.Fd()), l)
	} else {
		gone := func(detail string) { d.notes.gap(gap{cause: causeDowntime, from: d.lastRecord, detail: detail}) }
		d.receiver.relay = d.newRelay()
		src, err = openFollower(d.cfg.Source.File, filepath.Join(d.cfg.StateDir, "followed"), d.journal.Next(), l, gone, d.receiver.relay.cut)
	}
	if err != nil {
		return err
	}
	d.source = &opened{source: src, word: mode}
	d.receiver.src, d.receiver.relayed = src, true
	d.notes.wake = src.Wake
	if !hasRules(d.cfg) {
		return nil
	}
	if err := NeedRights(modeUnicast); err != nil {
		return err
	}
	if d.control, err = kaudit.OpenControl(); err != nil {
		return err
	}
	d.openFound()
	return nil
}

// newRelay checks the serials of the followed file.
func (d *Daemon) newRelay() *relay {
	return &relay{
		file: d.cfg.Source.File, host: d.host, notes: d.notes, others: map[string]*numbering{},
		own: &numbering{account: d.receiver.account, boot: bootTime(time.Now()).UnixMilli()},
	}
}

// hasRules reports whether the configuration wants anything of the kernel.
func hasRules(c config.Config) bool {
	for _, glob := range c.Rules.Files {
		if names, err := filepath.Glob(glob); err != nil || len(names) > 0 {
			return true
		}
	}
	return len(c.Watches) > 0
}
