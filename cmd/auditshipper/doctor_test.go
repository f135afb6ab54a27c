package main

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// TestKernelDoctor examines a host whose daemon runs, by a canary too, and one
// whose rules somebody hides.
func TestKernelDoctor(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	examine := func(want int, args ...string) map[string]diagnosis {
		t.Helper()
		cmd := exec.Command(r.binary, append([]string{"doctor", "--json", "-c", r.config}, args...)...)
		cmd.Env = append(cmd.Environ(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true")
		out, _ := cmd.Output() // its status is looked at
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("doctor %v: exit status %d, want %d\n%s", args, got, want, out)
		}
		var all struct{ Checks []diagnosis }
		if err := json.Unmarshal(out, &all); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		found := map[string]diagnosis{}
		for _, d := range all.Checks {
			found[d.Check] = d
		}
		return found
	}
	for check, d := range examine(0, "--canary") {
		if d.Verdict != well && check != "lost" {
			t.Errorf("%s: %+v", check, d)
		}
	}
	auditctl(t, "-a", "never,task")
	if d := examine(3)["never,task"]; d.Verdict != ill || d.Cure == "" {
		t.Errorf("never,task: %+v", d)
	}
	auditctl(t, "-d", "never,task")
	auditctl(t, "-A", "never,exit", "-F", "arch=b64", "-S", "all", "-F", "dir="+r.dir)
	if d := examine(3)["hidden rules"]; d.Verdict != ill {
		t.Errorf("hidden rules: %+v", d)
	}
	auditctl(t, "-d", "never,exit", "-F", "arch=b64", "-S", "all", "-F", "dir="+r.dir)
	r.stop()
	found := examine(3)
	if d := found["daemon"]; d.Verdict != ill {
		t.Errorf("daemon: %+v", d)
	}
	if d := found["rules"]; d.Verdict != ill {
		t.Errorf("rules: %+v", d)
	}
}

// TestDoctorRenames is about watches under which directories are renamed unseen.
func TestDoctorRenames(t *testing.T) {
	watch := func(path string, ops ...string) config.Watch { return config.Watch{Path: path, Ops: ops} }
	tests := []struct {
		name    string
		watches []config.Watch
		blind   bool
	}{
		{"both", []config.Watch{watch("/mnt/efs", "delete", "rename")}, false},
		{"delete alone", []config.Watch{watch("/mnt/efs", "delete")}, true},
		{"no delete", []config.Watch{watch("/mnt/efs", "attr")}, false},
		{"another watch sees them", []config.Watch{watch("/mnt/efs/a", "delete"), watch("/mnt/efs/", "rename")}, false},
		{"another watch is elsewhere", []config.Watch{watch("/mnt/efs2", "delete"), watch("/mnt/efs", "rename")}, true},
	}
	for _, tt := range tests {
		d := doctor{c: config.Config{Watches: tt.watches}}
		d.renames()
		if got := len(d.findings) > 0; got != tt.blind || got && d.findings[0].Verdict != doubt {
			t.Errorf("%s: %+v", tt.name, d.findings)
		}
	}
}
