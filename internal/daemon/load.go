package daemon

import (
	"bytes"
	"context"
	"hash/maphash"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/ship"
)

// A loadWatch tells when other programs have finished to change rules.
//
// auditctl -R, which augenrules and auditd's start run, deletes all rules, adds
// those of a file and stops at the first rule that exists already. A rule that
// the keeper puts back meanwhile would cost the host all rules behind that line.
// So the keeper waits until the rules are stable. An attacker may change rules
// again and again to hold the keeper off, so each wait has a limit.
type loadWatch struct {
	list   func() ([][]byte, error) // the kernel's rules
	loader func(changed bool) bool  // whether a program that loads rules is running
	log    *zap.Logger

	changes *atomic.Uint64 // rule changes by processes; the receive loop counts
	settled atomic.Uint64  // changes at the end of the last wait
}

const (
	loadLook    = 100 * time.Millisecond // how often a wait looks
	quiet       = 500 * time.Millisecond // how long rules are stable if no loader runs
	quietLoader = 3 * time.Second        // the same if one runs
	mostQuiet   = 5 * time.Second        // the limit of a wait if no loader runs
	mostLoading = 20 * time.Second       // the same if one runs
)

// await returns when the rules are stable or at the limit. It reports whether
// ctx goes on.
func (w *loadWatch) await(ctx context.Context) bool {
	defer func() { w.settled.Store(w.changes.Load()) }()
	begun := time.Now()
	if w.changes.Load() == w.settled.Load() && !w.loader(false) {
		return true
	}
	for last, since := w.state(), begun; ; {
		if ship.Pause(ctx, loadLook) != nil {
			return false
		}
		now := w.state()
		changed := now != last
		if changed {
			last, since = now, time.Now()
		}
		stable, most := quiet, mostQuiet
		if w.loader(changed) {
			stable, most = quietLoader, mostLoading
		}
		switch {
		case time.Since(since) >= stable:
			return true
		case time.Since(begun) >= most:
			w.log.Warn("other programs go on changing rules; ours are put back now", zap.Duration("after", time.Since(begun)))
			return true
		}
	}
}

// A ruleState differs after a change of rules.
type ruleState struct {
	changes uint64
	rules   uint64 // a hash of them
}

func (w *loadWatch) state() ruleState { return ruleState{w.changes.Load(), w.rules()} }

var ruleSeed = maphash.MakeSeed()

// rules returns a hash of the kernel's rules, 0 if they cannot be read: the keeper
// will meet that error itself.
func (w *loadWatch) rules() uint64 {
	list, err := w.list()
	if err != nil {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(ruleSeed)
	for _, r := range list {
		h.Write(r)
	}
	return h.Sum64()
}

// changedByProcess reports whether a CONFIG_CHANGE tells of a rule that a process
// added or deleted. What the kernel itself deletes, with a directory or a mount,
// names no login.
func changedByProcess(text []byte) bool {
	_, body, ok := bytes.Cut(text, []byte("): "))
	return ok && bytes.HasPrefix(body, []byte("auid="))
}

// loaders finds programs that load rules. To read the names of thousands of processes
// is costly: once a loader is found only that one is looked at.
type loaders struct {
	uid     uint32 // whose; others than root load no rules, and would only hold repairs off
	found   string // directory in /proc of the one that ran at the last look
	scanned time.Time
}

// scanAgain is how long it holds that no loader runs, if no rules change.
const scanAgain = time.Second

// run reports whether a loader runs. changed says that rules changed just now.
func (l *loaders) run(changed bool) bool {
	if l.found != "" && l.isLoader(l.found) {
		return true
	}
	l.found = ""
	if !changed && time.Since(l.scanned) < scanAgain {
		return false
	}
	l.scanned = time.Now()
	proc, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer proc.Close()
	for {
		names, err := proc.Readdirnames(1024)
		for _, name := range names {
			if name[0] >= '0' && name[0] <= '9' && l.isLoader("/proc/"+name) {
				l.found = "/proc/" + name
				return true
			}
		}
		if err != nil { // the end, or nothing more can be read
			return false
		}
	}
}

// isLoader reports whether a process is one. It reads the name only: other files of a
// process may block the reader.
func (l *loaders) isLoader(dir string) bool {
	fd, err := unix.Open(dir+"/comm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // the process is gone
	}
	defer unix.Close(fd)
	var name [32]byte
	n, err := unix.Read(fd, name[:])
	if err != nil {
		return false
	}
	switch string(bytes.TrimSpace(name[:n])) {
	case "auditctl", "augenrules":
		var st unix.Stat_t
		return unix.Stat(dir, &st) == nil && st.Uid == l.uid
	}
	return false
}
