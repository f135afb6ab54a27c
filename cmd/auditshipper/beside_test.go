package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// startAuditd runs auditd with a log and a configuration of its own until it is
// the registered audit daemon. The function returned stops it.
func startAuditd(t *testing.T) (log string, stop func()) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "plugins.d"), 0o750); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf(`local_events = yes
write_logs = yes
log_file = %[1]s/audit.log
log_group = root
log_format = RAW
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 8
num_logs = 2
max_log_file_action = ROTATE
plugin_dir = %[1]s/plugins.d
space_left = 75
space_left_action = IGNORE
admin_space_left = 50
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
`, dir)
	if err := os.WriteFile(filepath.Join(dir, "auditd.conf"), []byte(conf), 0o640); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("auditd", "-n", "-c", dir)
	said := new(logText)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Signal(unix.SIGTERM) // Wait tells
			_ = cmd.Wait()                       // its exit status is not ours to judge
		}
	}
	t.Cleanup(stop)
	want := fmt.Sprintf("pid %d\n", cmd.Process.Pid)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(auditctl(t, "-s"), want); {
		if time.Now().After(deadline) {
			t.Fatalf("auditd did not register:\n%s", said)
		}
	}
	return filepath.Join(dir, "audit.log"), stop
}

// TestKernelBesideAuditd reads on beside a registered auditd, goes on when that
// one stops, and does not leave rules behind that nobody reads.
func TestKernelBesideAuditd(t *testing.T) {
	c := kerneltest.Need(t)
	_, stopAuditd := startAuditd(t)
	r := newRig(t, "")
	r.start()
	st, err := askSocket(r.socket())
	if err != nil || st.Source.Mode != "multicast" {
		t.Errorf("source %+v, %v", st.Source, err)
	}
	pid, deeds := r.work(spec{Count: 500, Rate: 1000, Seed: 2})
	r.eventually(10*time.Second, "all events", func() bool { return len(r.ours()) >= len(deeds) })
	r.check(pid, deeds)

	stopAuditd()
	shell(t, `: > "$1/alone" && rm "$1/alone"`, r.watched)
	r.eventually(10*time.Second, "an event without auditd", func() bool { return len(r.ours()) > len(deeds) })
	r.stop()
	if list, err := c.ListRules(); err != nil || len(list) != 0 {
		t.Errorf("%d rules left, %v", len(list), err)
	}
}

// TestKernelReload gives the running daemon another directory to watch, and a
// configuration that is wrong.
func TestKernelReload(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	other := t.TempDir()
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	reload := func(text string) {
		t.Helper()
		if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := r.cmd.Process.Signal(unix.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	done := func(what string) func() bool {
		return func() bool {
			st, err := askSocket(r.socket())
			return err == nil && fmt.Sprint(st.Rules.InEffect) == what
		}
	}
	st, err := askSocket(r.socket())
	if err != nil {
		t.Fatal(err)
	}
	both := strings.Replace(string(text), "watches: [", "watches: [{path: "+other+", key: other}, ", 1)
	reload(both)
	r.eventually(20*time.Second, "the new rules", done(fmt.Sprint(2*st.Rules.InEffect)))
	for _, dir := range []string{r.watched, other} {
		shell(t, `: > "$1/f" && rm "$1/f"`, dir)
	}
	r.eventually(10*time.Second, "events of both", func() bool {
		keys := map[string]bool{}
		for _, e := range r.arrived() {
			keys[e.Key] = keys[e.Key] || e.Action == "delete"
		}
		return keys["efs_changes"] && keys["other"]
	})
	reload(string(text) + "\nnope: 1\n")
	r.eventually(5*time.Second, "the fault's name", func() bool { return strings.Contains(r.log.String(), "nope: unknown key") })
	reload(string(text))
	r.eventually(5*time.Second, "the old rules", done(fmt.Sprint(st.Rules.InEffect)))
	r.stop()
}
