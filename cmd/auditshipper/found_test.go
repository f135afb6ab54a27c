//go:build amd64

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// settings are what of the status the daemon sets.
func settings(t *testing.T, c *kaudit.Control) [4]uint32 {
	t.Helper()
	st, err := c.Status()
	if err != nil {
		t.Fatal(err)
	}
	return [...]uint32{st.Enabled, st.Failure, st.BacklogLimit, st.BacklogWaitTime}
}

// TestKernelSettingsAsFound lets the first of several daemons die, and requires
// that the kernel is set in the end as that one had found it.
func TestKernelSettingsAsFound(t *testing.T) {
	for _, end := range []string{"stop", "remove --all-ours"} {
		t.Run(end, func(t *testing.T) {
			c := kerneltest.Need(t)
			before := settings(t, c)
			r := newRig(t, "")
			r.manager = newServiceManager(t)
			r.start()
			if settings(t, c) == before {
				t.Fatal("the daemon sets nothing")
			}
			r.kill()
			r.start()
			if st, err := askSocket(r.socket()); err != nil || !st.Source.Kept {
				t.Fatalf("%+v, %v: the socket was not taken back", st.Source, err)
			}
			if end == "stop" {
				text, err := os.ReadFile(r.config)
				if err != nil {
					t.Fatal(err)
				}
				text = []byte(strings.Replace(string(text), "rules: {", "rules: {on_exit: remove, ", 1))
				if err := os.WriteFile(r.config, text, 0o600); err != nil {
					t.Fatal(err)
				}
				r.kill()
				r.start()
			}
			r.stop()
			r.manager.drop()
			if end != "stop" {
				if settings(t, c) == before {
					t.Error("a stop that keeps the rules puts settings back")
				}
				out, err := exec.Command(r.binary, "rules", "remove", "--all-ours", "--config", r.config).CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			if after := settings(t, c); after != before {
				t.Errorf("enabled, failure, backlog limit and wait were %v and are %v", before, after)
			}
			if _, err := os.Stat(filepath.Join(r.dir, "state", "kernel.found")); err == nil {
				t.Error("kernel.found is still there")
			}
		})
	}
}

// TestKernelSettingsAfterFault has the start fail at what comes after the
// kernel was set: the way out, and the rule files.
func TestKernelSettingsAfterFault(t *testing.T) {
	c := kerneltest.Need(t)
	for name, fault := range map[string]func(t *testing.T, r *rig){
		"no control socket": func(t *testing.T, r *rig) {
			if err := os.Mkdir(r.socket(), 0o755); err != nil {
				t.Fatal(err)
			}
		},
		"a faulty rule file": func(t *testing.T, r *rig) {
			file := filepath.Join(r.dir, "a.rules")
			if err := os.WriteFile(file, []byte("-w nowhere\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(r.config)
			if err != nil {
				t.Fatal(err)
			}
			text = []byte(strings.Replace(string(text), "files: []", "files: ["+file+"]", 1))
			if err := os.WriteFile(r.config, text, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := settings(t, c)
			r := newRig(t, "")
			fault(t, r)
			r.launch()
			if err := r.cmd.Wait(); err == nil {
				t.Fatal("it started")
			}
			if after := settings(t, c); after != before {
				t.Errorf("enabled, failure, backlog limit and wait were %v and are %v\n%s", before, after, r.log)
			}
		})
	}
}
