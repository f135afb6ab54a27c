package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/rules"
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

// TestDoctorAsksTheDaemon tells of the service what the daemon knows, and a service
// that does not know us from one that does not let us.
func TestDoctorAsksTheDaemon(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "") // whoever runs doctor has nothing
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	now := time.Now()
	const group = "/auditshipper"
	for _, tt := range []struct {
		name     string
		delivery daemon.DeliveryStatus
		want     map[string]string // verdicts
	}{
		{"delivers", daemon.DeliveryStatus{Group: group, Stream: "i-1", LastSuccess: &now}, map[string]string{"permissions": well, "delivery": well}},
		{"not allowed", daemon.DeliveryStatus{Group: group, StalledSince: &now, LastError: "PutLogEvents: AccessDeniedException: no"}, map[string]string{"permissions": ill, "delivery": ill}},
		{"nobody", daemon.DeliveryStatus{Group: group, StalledSince: &now, LastError: "no credentials: no EC2 IMDS role found"}, map[string]string{"credentials": ill, "delivery": ill}},
		{"not believed", daemon.DeliveryStatus{Group: group, StalledSince: &now, LastError: "PutLogEvents: ExpiredTokenException: old"}, map[string]string{"credentials": ill, "delivery": ill}},
		{"no region", daemon.DeliveryStatus{Group: group, Blocked: &daemon.BlockedStatus{Reason: "looking for the region"}}, map[string]string{"service": ill, "permissions": unknown, "delivery": ill}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.delivery.Output = "cloudwatch"
			d := doctor{c: config.Default(), now: time.Now, status: &daemon.Status{Delivery: tt.delivery}}
			d.service(t.Context())
			got := map[string]string{}
			for _, f := range d.findings {
				got[f.Check] = f.Verdict
			}
			if got["permissions"] != tt.want["permissions"] || got["credentials"] != tt.want["credentials"] || got["delivery"] != tt.want["delivery"] {
				t.Errorf("%+v", d.findings)
			}
		})
	}
}

// TestDoctorAsUnit takes the environment of the unit where it is root's alone.
func TestDoctorAsUnit(t *testing.T) {
	if !isRoot() {
		t.Skip("needs files of root")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "environment")
	for _, mode := range []os.FileMode{0o622, 0o600} {
		if err := os.WriteFile(file, []byte("# proxy\nAUDITSHIPPER_TEST_UNIT=\"a b\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AUDITSHIPPER_TEST_UNIT", "") // put back at the end
		os.Unsetenv("AUDITSHIPPER_TEST_UNIT")
		new(doctor).asUnit(struct{ environment, credentials string }{file, dir + "/none"})
		want := map[os.FileMode]string{0o600: "a b"}[mode]
		if got := os.Getenv("AUDITSHIPPER_TEST_UNIT"); got != want {
			t.Errorf("mode %o: %q, want %q", mode, got, want)
		}
	}
}

// TestDoctorCountsRules finds the one rule of many that is missing, and on a kernel
// with immutable rules not what can never come.
func TestDoctorCountsRules(t *testing.T) {
	var text strings.Builder
	for n := range 36 {
		fmt.Fprintf(&text, "-a always,exit -F arch=b64 -S unlinkat -F dir=/srv -k k%d\n", n)
	}
	all := parsed(t, text.String()).Rules
	for _, tt := range []struct {
		name, more string
		loaded     []rules.Rule
		locked     bool
		evidence   string
		verdict    string
	}{
		{"all", "", all, false, "36 of 36 are loaded", well},
		{"one missing", "", all[:35], false, "35 of 36 are loaded; missing: ", ill},
		{"io_uring on an immutable kernel", "-a always,io_uring -S unlinkat -F dir=/srv -k u\n", all, true, "36 of 36 are loaded", well},
	} {
		file := filepath.Join(t.TempDir(), "my.rules")
		if err := os.WriteFile(file, []byte(text.String()+tt.more), 0o600); err != nil {
			t.Fatal(err)
		}
		c := config.Default()
		c.Rules.Files = []string{file}
		d := doctor{c: c, now: time.Now}
		d.rules(&lockedKernel{loaded: tt.loaded}, tt.locked)
		i := slices.IndexFunc(d.findings, func(f diagnosis) bool { return f.Check == "rules" })
		if i < 0 || d.findings[i].Verdict != tt.verdict || !strings.HasPrefix(d.findings[i].Evidence, tt.evidence) {
			t.Errorf("%s: %+v", tt.name, d.findings)
		}
	}
}

// TestSuspect requires that a canary which does not arrive names the failed check that
// explains it.
func TestSuspect(t *testing.T) {
	d := &doctor{}
	if why, cure := d.suspect(); why != "" || cure == "" {
		t.Errorf("without a failed check: %q, %q", why, cure)
	}
	d.find("rules", well, "", "9 of 9 are loaded")
	d.find("excluded records", ill, "sudo auditctl -d always,exclude -F 'uid=0'", "records are left out")
	if why, cure := d.suspect(); why != "; records are left out" || cure != "sudo auditctl -d always,exclude -F 'uid=0'" {
		t.Errorf("%q, %q", why, cure)
	}
}

// TestDoctorLimits finds settings by which the kernel drops records or is silent about it.
func TestDoctorLimits(t *testing.T) {
	for _, tt := range []struct {
		st            kaudit.Status
		mode          string // of the configuration
		rate, failure string
	}{
		{kaudit.Status{Failure: kaudit.FailPrintk}, "printk", well, well},
		{kaudit.Status{Failure: kaudit.FailSilent}, "printk", well, doubt},
		{kaudit.Status{Failure: kaudit.FailSilent}, "silent", well, well},
		{kaudit.Status{Failure: kaudit.FailPanic, RateLimit: 100}, "printk", ill, doubt},
	} {
		d := doctor{c: config.Config{Kernel: config.Kernel{FailureMode: tt.mode}}}
		d.limits(tt.st)
		if d.findings[0].Verdict != tt.rate || d.findings[1].Verdict != tt.failure {
			t.Errorf("%+v: %+v", tt.st, d.findings)
		}
	}
}
