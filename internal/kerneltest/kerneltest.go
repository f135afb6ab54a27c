// Package kerneltest lets tests change the audit state of the running kernel,
// one at a time, and puts everything back.
//
// Such tests are named TestKernel… and run only as root and with
// AUDITSHIPPER_KERNEL=1, since they are meant for a machine whose audit rules
// nobody needs. With AUDITSHIPPER_MUST_RUN=1 as well, a test that would be
// skipped fails instead, so that a build cannot pass by not testing.
package kerneltest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// Need returns a Control of the kernel, or skips the test. Until the test ends
// no other test on this machine has the kernel; then rules that were not there
// before are deleted, those missing are added again, and the status is as it
// was.
func Need(t testing.TB) *kaudit.Control {
	t.Helper()
	if os.Getenv("AUDITSHIPPER_KERNEL") != "1" {
		Skip(t, "AUDITSHIPPER_KERNEL=1 is not set")
	}
	if os.Getuid() != 0 {
		Skip(t, "not root")
	}
	lock(t)
	c, err := kaudit.OpenControl()
	if err != nil {
		Skip(t, err.Error())
	}
	if err := c.TestDaemon(); err != nil {
		Skip(t, err.Error())
	}
	status, err := c.Status()
	if err != nil {
		Skip(t, err.Error())
	}
	if status.PID != 0 || status.Enabled == kaudit.Immutable {
		Skip(t, "an audit daemon is registered or the rules are immutable")
	}
	rules, err := c.ListRules()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		restore(t, c, status, rules)
		c.Close()
	})
	return c
}

// Skip skips the test, or fails it where skipping is forbidden.
func Skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("AUDITSHIPPER_MUST_RUN") == "1" {
		t.Fatalf("this test must run here, but %s", why)
	}
	t.Skip(why)
}

// lock takes the kernel for this test and gives it back at the end of it.
func lock(t testing.TB) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "auditshipper-kernel.lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
}

func restore(t testing.TB, c *kaudit.Control, status kaudit.Status, rules [][]byte) {
	has := func(list [][]byte, r []byte) bool {
		return slices.ContainsFunc(list, func(l []byte) bool { return bytes.Equal(l, r) })
	}
	now, err := c.ListRules()
	if err != nil {
		t.Error(err)
	}
	for _, r := range now {
		if !has(rules, r) {
			check(t, c.DeleteRule(r))
		}
	}
	for _, r := range rules {
		if !has(now, r) {
			check(t, c.AddRule(r))
		}
	}
	check(t, c.SetEnabled(status.Enabled))
	check(t, c.SetFailure(status.Failure))
	check(t, c.SetRateLimit(status.RateLimit))
	check(t, c.SetBacklogLimit(status.BacklogLimit))
	check(t, c.SetBacklogWaitTime(status.BacklogWaitTime))
}

func check(t testing.TB, err error) {
	if err != nil {
		t.Errorf("restore the kernel: %v", err)
	}
}
