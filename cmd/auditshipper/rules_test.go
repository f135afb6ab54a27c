//go:build amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// A rulesRig is the built program with a configuration and a state of its own.
type rulesRig struct {
	t      *testing.T
	dir    string
	binary string
	config string
}

func newRulesRig(t *testing.T) *rulesRig {
	t.Helper()
	r := &rulesRig{t: t, dir: t.TempDir(), binary: program(t)}
	r.config = r.write("a.yaml", fmt.Sprintf("watches: [{path: %[1]s/watched, key: w}]\nrules: {files: [], persist_dir: %[1]s/rules.d}\nstate_dir: %[1]s/state\n", r.dir))
	for _, name := range []string{"rules.d", "watched"} {
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// write makes a file; @ in its text stands for the rig's directory.
func (r *rulesRig) write(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "@", r.dir)), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// run runs a rules command and returns its exit status and what it printed.
func (r *rulesRig) run(verb string, args ...string) (status int, stdout, stderr string, cmd *exec.Cmd) {
	r.t.Helper()
	cmd = exec.Command(r.binary, append([]string{"rules", verb, "-c", r.config}, args...)...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String(), cmd
}

// must runs a command that has to end with a status.
func (r *rulesRig) must(want int, verb string, args ...string) (stdout, stderr string) {
	r.t.Helper()
	status, stdout, stderr, _ := r.run(verb, args...)
	if status != want {
		r.t.Fatalf("rules %s %v: exit status %d, want %d\n%s%s", verb, args, status, want, stdout, stderr)
	}
	return stdout, stderr
}

// TestKernelRulesApply brings two files and the configuration into the kernel
// beside a foreign rule, changes one, and takes all of it away again.
func TestKernelRulesApply(t *testing.T) {
	kerneltest.Need(t)
	r := newRulesRig(t)
	auditctl(t, "-w", r.dir, "-p", "r", "-k", "foreign")
	one := r.write("one.rules", "# one\n-a always,exit -F arch=b64 -S mkdirat -F dir=@ -k a\n-w @/file -p wa -k b\n-w @ -p r -k foreign\n")
	two := r.write("two.rules", "-a always,exit -F arch=b64 -S chmod -F dir=@ -k c\n")

	if out, _ := r.must(3, "plan", one); strings.Count(out, "+ ") != 2 {
		t.Errorf("plan:\n%s", out)
	}
	_, said := r.must(0, "apply", one, two)
	if !strings.Contains(said, "stays somebody else's: -w "+r.dir) {
		t.Errorf("a rule that was there before is not said:\n%s", said)
	}
	r.must(0, "apply")
	for _, args := range [][]string{{one, two}, {}} {
		if out, _ := r.must(0, "apply", args...); out != "" {
			t.Errorf("a second apply did\n%s", out)
		}
		r.must(0, "plan", args...)
	}
	want := auditctl(t, "-l")
	if got, _ := r.must(0, "list"); strings.Count(got, "\n") != strings.Count(want, "\n") || !strings.Contains(want, strings.Split(got, "\n")[0]) {
		t.Errorf("list prints\n%sauditctl\n%s", got, want)
	}

	r.write("one.rules", "-w @/file -p wa -k b\n")
	if out, _ := r.must(0, "apply", one); strings.Count(out, "- ") != 1 || strings.Contains(out, "+ ") {
		t.Errorf("taking a line away did\n%s", out)
	}
	if out, _ := r.must(0, "list", "--owner"); !strings.Contains(out, one) || !strings.Contains(out, two) || !strings.Contains(out, "configuration") {
		t.Errorf("list --owner:\n%s", out)
	}
	r.must(1, "remove", "-w "+r.dir+" -p r -k foreign")
	r.must(0, "apply", "--persist", one)
	persisted, err := os.ReadFile(filepath.Join(r.dir, "rules.d", "60-auditshipper.rules"))
	if err != nil || !strings.Contains(string(persisted), "\n-w "+r.dir+"/file -p wa -k b\n") {
		t.Errorf("persisted: %v\n%s", err, persisted)
	}
	r.must(0, "remove", "--all-ours")
	if got := strings.TrimSpace(auditctl(t, "-l")); got != "-w "+r.dir+" -p r -k foreign" {
		t.Errorf("left:\n%s", got)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "rules.d", "60-auditshipper.rules")); !os.IsNotExist(err) {
		t.Errorf("the persisted file is still there: %v", err)
	}
}

// TestKernelRulesRollback gives the kernel five rules of which it refuses the
// third.
func TestKernelRulesRollback(t *testing.T) {
	kerneltest.Need(t)
	r := newRulesRig(t)
	for i := range 3 {
		auditctl(t, "-w", filepath.Join(r.dir, fmt.Sprint(i)), "-p", "wa", "-k", fmt.Sprint("foreign", i))
	}
	before := auditctl(t, "-l")
	file := r.write("five.rules", `-w @/1x -p wa -k one
-w @/2x -p wa -k two
-w @/missing/x -p wa -k three
-w @/4x -p wa -k four
-w @/5x -p wa -k five
`)
	_, said := r.must(1, "apply", file)
	want := file + ":3: the kernel refuses the rule: the path or its parent directory does not exist (ENOENT)"
	if !strings.Contains(said, want) {
		t.Errorf("said\n%swant\n%s", said, want)
	}
	if after := auditctl(t, "-l"); after != before {
		t.Errorf("the kernel's rules were\n%s\nand are\n%s", before, after)
	}
}

// TestKernelRulesBesideMany adds one rule beside 300 of others: deleting one
// takes the kernel 12 ms, so that the log shows at once when any is.
func TestKernelRulesBesideMany(t *testing.T) {
	kerneltest.Need(t)
	r := newRulesRig(t)
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "-a always,exit -F arch=b64 -S mkdirat -F uid=%d -k foreign\n", 10_000+i)
	}
	auditctl(t, "-R", r.write("foreign.rules", text.String()))
	file := r.write("one.rules", "-w @/x -p wa -k one\n")
	for range 3 {
		begin := time.Now()
		status, out, said, cmd := r.run("apply", file)
		if status != 0 || strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "+ -w ") {
			t.Fatalf("exit status %d\n%s%s", status, out, said)
		}
		t.Logf("took %v, %v of it in the kernel", time.Since(begin), cmd.ProcessState.SystemTime())
		r.must(0, "remove", "--all-ours")
	}
	if n := strings.Count(auditctl(t, "-l"), "key=foreign"); n != 300 {
		t.Errorf("%d of 300 rules of others are left", n)
	}
}

// TestKernelNeverTask finds the rule that makes new processes deaf, and cures it.
func TestKernelNeverTask(t *testing.T) {
	c := kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	rr := newRulesRig(t)
	file := rr.write("x.rules", "-w @/x -p wa -k x\n")
	rr.write("rules.d/10-base.rules", "-D\n-a never,task\n")
	auditctl(t, "-a", "never,task")
	t.Cleanup(func() { _ = exec.Command("auditctl", "-d", "never,task").Run() }) // after a failure
	deaf := exec.Command("sleep", "60")
	if err := deaf.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = deaf.Process.Kill()
		_ = deaf.Wait() // "signal: killed"
	}()
	r.eventually(5*time.Second, "the daemon to see it", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.Rules.NeverTask
	})
	_, said := rr.must(4, "apply", file)
	if !strings.Contains(said, "never,task") || !strings.Contains(said, "hint: auditshipper rules apply --fix-never-task") {
		t.Errorf("said\n%s", said)
	}
	_, said = rr.must(0, "apply", "--fix-never-task", file)
	if !strings.Contains(said, fmt.Sprintf("%d sleep", deaf.Process.Pid)) {
		t.Errorf("the deaf process %d is not named:\n%s", deaf.Process.Pid, said)
	}
	text, err := os.ReadFile(filepath.Join(rr.dir, "rules.d", "10-base.rules"))
	if err != nil || strings.Contains(string(text), "\n-a never") {
		t.Errorf("the rule file still has it: %v\n%s", err, text)
	}
	shell(t, `: > "$1/f" && rm "$1/f"`, r.watched)
	r.eventually(5*time.Second, "the deletion of a new shell", func() bool { return len(r.ours()) > 0 })
	rr.must(0, "remove", "--all-ours")
	r.stop()
	if list, err := c.ListRules(); err != nil || len(list) != 0 {
		t.Errorf("%d rules left, %v", len(list), err)
	}
}
