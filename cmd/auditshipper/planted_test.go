package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// A planted state directory belongs to the daemon's user, who put links to a
// victim's file where root's commands expect files.
type planted struct {
	t             *testing.T
	state, victim string
	args          []string // --config FILE
}

const daemonUser = 65534

func plant(t *testing.T, names ...string) *planted {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to work in another user's directory")
	}
	dir := t.TempDir()
	p := &planted{t: t, state: filepath.Join(dir, "state"), victim: filepath.Join(dir, "shadow")}
	config := filepath.Join(dir, "a.yaml")
	text := "{rules: {files: [], persist_dir: " + filepath.Join(p.state, "rules.d") + "}, state_dir: " + p.state + ", socket: " + filepath.Join(dir, "c.sock") + "}"
	err := errors.Join(os.WriteFile(config, []byte(text), 0o600), os.WriteFile(p.victim, []byte("root:secret\n"), 0o600),
		os.MkdirAll(filepath.Join(p.state, "journal"), 0o700), os.Mkdir(filepath.Join(p.state, "rules.d"), 0o700))
	for _, name := range names {
		err = errors.Join(err, os.Symlink(p.victim, filepath.Join(p.state, name)))
	}
	for _, name := range []string{"", "journal", "rules.d"} {
		err = errors.Join(err, os.Chown(filepath.Join(p.state, name), daemonUser, daemonUser))
	}
	if err != nil {
		t.Fatal(err)
	}
	p.args = []string{"--config", config}
	return p
}

// refuses runs a command of root's and requires that it says no, tells nothing of
// the victim, and leaves it as it was.
func (p *planted) refuses(args ...string) {
	p.t.Helper()
	var out bytes.Buffer
	status := execute(p.t.Context(), append(args, p.args...), &out, &out)
	if text := out.String(); status == 0 || !strings.Contains(text, "symbolic link") || strings.Contains(text, "secret") {
		p.t.Errorf("%v: exit status %d\n%s", args, status, text)
	}
	p.untouched(args)
}

func (p *planted) untouched(args []string) {
	p.t.Helper()
	text, err := os.ReadFile(p.victim)
	var st unix.Stat_t
	if err = errors.Join(err, unix.Lstat(p.victim, &st)); err != nil || string(text) != "root:secret\n" || st.Uid != 0 || st.Mode&0o777 != 0o600 {
		p.t.Errorf("%v: the victim holds %q, belongs to user %d, mode %o, %v", args, text, st.Uid, st.Mode, err)
	}
}

// TestPlantedLinks requires that no command of root's that needs no kernel
// follows a link in a directory of another user.
func TestPlantedLinks(t *testing.T) {
	p := plant(t, "report.html", "check", "auditshipper-run.1", "journal/00000000000000000001.seg")
	log := filepath.Join(t.TempDir(), "log")
	line := `type=USER_LOGIN msg=audit(1785139200.123:1): pid=1 uid=0 auid=0 ses=1 msg='op=login acct="root" exe="/usr/sbin/sshd" res=success'` + "\n"
	if err := os.WriteFile(log, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	p.refuses("report", "-if", log, "--html", filepath.Join(p.state, "report.html"))
	p.refuses("search", "-if", log, "--checkpoint", filepath.Join(p.state, "check"))
	p.refuses("search", "--raw")
	p.refuses("journal", "dump")
	p.refuses("journal", "verify")
	p.refuses("man", p.state)
}

// TestKernelPlantedLinks requires the same of the commands that change rules, for
// every file that they read and write.
func TestKernelPlantedLinks(t *testing.T) {
	kerneltest.Need(t)
	rule := filepath.Join(t.TempDir(), "a.rules")
	if err := os.WriteFile(rule, []byte("-w "+filepath.Dir(rule)+" -p wa -k planted\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"rules.lock", "rules.applied"} {
		p := plant(t, name)
		p.refuses("rules", "apply", rule)
		p.refuses("rules", "remove", "--all-ours")
	}
	plant(t, "kernel.found").refuses("rules", "remove", "--all-ours")
	plant(t, "rules.d/60-auditshipper.rules").refuses("rules", "apply", "--persist", rule)
	p := plant(t, "rules.d/10.rules")
	p.refuses("rules", "apply", "--fix-never-task", rule)
}
