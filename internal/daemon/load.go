package daemon

import (
	"bytes"
	"context"
	"hash/maphash"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
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
	loader func() bool              // whether a program that loads rules is running
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
	if w.changes.Load() == w.settled.Load() && !w.loader() {
		return true
	}
	for last, since := w.state(), begun; ; {
		if !pauseFor(ctx, loadLook) {
			return false
		}
		if now := w.state(); now != last {
			last, since = now, time.Now()
		}
		stable, most := quiet, mostQuiet
		if w.loader() {
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

// loaderRuns reports whether root runs auditctl or augenrules. It reads names
// only: other files of a process may block the reader.
func loaderRuns() bool { return loaderOf(0) }

// loaderOf reports whether a user runs a program of that name. Others than root
// load no rules, and would only hold repairs off.
func loaderOf(uid uint32) bool {
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return false
	}
	for _, name := range names {
		comm, err := os.ReadFile(name)
		if err != nil {
			continue // the process is gone
		}
		switch strings.TrimSpace(string(comm)) {
		case "auditctl", "augenrules":
		default:
			continue
		}
		var st unix.Stat_t
		if unix.Stat(filepath.Dir(name), &st) == nil && st.Uid == uid {
			return true
		}
	}
	return false
}
