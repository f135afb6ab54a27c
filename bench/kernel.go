package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// key is that of the rule which all contestants are measured under.
const key = "bench"

// A kernel is the right to change the machine's audit state, and what it was.
type kernel struct {
	*kaudit.Control
	lock  *os.File
	was   kaudit.Status
	rules [][]byte
}

// hold waits for the kernel, which the tests of this project use by turns.
func hold() (*kernel, error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "auditshipper-kernel.lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	k := &kernel{lock: f}
	if err := k.remember(); err != nil {
		f.Close()
		return nil, err
	}
	return k, nil
}

func (k *kernel) remember() error {
	var err error
	if k.Control, err = kaudit.OpenControl(); err != nil {
		return err
	}
	if k.was, err = k.Status(); err != nil {
		return err
	}
	if k.was.PID != 0 || k.was.Enabled == kaudit.Immutable {
		return fmt.Errorf("audit is in use: daemon %d, enabled %d", k.was.PID, k.was.Enabled)
	}
	k.rules, err = k.ListRules()
	return err
}

// arm puts the kernel into the state that all are measured in: one rule on dir,
// a backlog of 8192 records and no waiting for it. Without audited, auditing
// is off and there is no rule.
func (k *kernel) arm(dir string, audited bool) error {
	if !audited {
		return k.SetEnabled(kaudit.Disabled)
	}
	err := errors.Join(k.SetBacklogLimit(8192), k.SetBacklogWaitTime(0), k.SetFailure(kaudit.FailSilent), k.SetEnabled(kaudit.Enabled))
	if err != nil {
		return err
	}
	_, err = k.ResetLost()
	return errors.Join(err, command("auditctl", rule(dir)...))
}

// rule is the rule's text in words.
func rule(dir string) []string {
	return []string{"-a", "always,exit", "-F", "arch=b64", "-S", "unlink,unlinkat,rename,renameat,renameat2,rmdir", "-F", "dir=" + dir, "-k", key}
}

// daemon waits until the process pid is the kernel's audit daemon.
func (k *kernel) daemon(pid int) error {
	return eventually(10*time.Second, "registration", func() (bool, error) {
		s, err := k.Status()
		return err == nil && int(s.PID) == pid, err
	})
}

// nobody waits until no process is the audit daemon. The kernel believes in one
// that died until it is told to look.
func (k *kernel) nobody() error {
	return eventually(10*time.Second, "the end of the registration", func() (bool, error) {
		if err := k.TestDaemon(); err != nil {
			return false, err
		}
		s, err := k.Status()
		return err == nil && s.PID == 0, err
	})
}

// release lets the next one in.
func (k *kernel) release() error { return errors.Join(k.Close(), k.lock.Close()) }

// restore puts everything back.
func (k *kernel) restore() error {
	now, err := k.ListRules()
	errs := []error{err}
	has := func(list [][]byte, r []byte) bool {
		return slices.ContainsFunc(list, func(l []byte) bool { return bytes.Equal(l, r) })
	}
	for _, r := range now {
		if !has(k.rules, r) {
			errs = append(errs, k.DeleteRule(r))
		}
	}
	for _, r := range k.rules {
		if !has(now, r) {
			errs = append(errs, k.AddRule(r))
		}
	}
	errs = append(errs, k.SetBacklogLimit(k.was.BacklogLimit), k.SetBacklogWaitTime(k.was.BacklogWaitTime),
		k.SetFailure(k.was.Failure), k.SetRateLimit(k.was.RateLimit), k.SetEnabled(k.was.Enabled), k.nobody())
	return errors.Join(errs...)
}
