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

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// inEffect is how soon rules must see again after a change.
const inEffect = 2 * time.Second

// sees requires that deletions in dir are seen within two seconds of now, and
// then that one more arrives with its true path.
func (r *rig) sees(dir, after string) {
	r.t.Helper()
	r.t.Logf("after %s", after)
	n := 0
	remove := func() string {
		n++
		path := filepath.Join(dir, fmt.Sprintf("%s %d", after, n))
		shell(r.t, `: > "$1" && rm "$1"`, path)
		return path
	}
	arrived := func(path string) bool {
		for _, e := range r.ours() {
			if e.Action == "delete" && e.Path == path {
				return true
			}
		}
		return false
	}
	deadline := time.Now().Add(inEffect)
	var paths []string
	for time.Now().Before(deadline) {
		paths = append(paths, remove())
		wait := time.NewTimer(100 * time.Millisecond)
		<-wait.C
		for _, path := range paths {
			if arrived(path) {
				deadline = time.Now()
			}
		}
	}
	last := remove()
	r.eventually(5*time.Second, "the deletion after "+after, func() bool { return arrived(last) })
}

// shell runs a script with arguments.
func shell(t *testing.T, script string, args ...string) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-ec", script, "sh"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// repairs returns the events about rules, as one text.
func (r *rig) repairs() string {
	var lines []string
	for _, e := range r.endpoint.Events("/g", "s") {
		if strings.Contains(e.Message, `"action":"rules"`) {
			lines = append(lines, e.Message)
		}
	}
	return strings.Join(lines, "\n")
}

// TestKernelRepair changes mounts, directories and rules under a running daemon,
// and requires that each time deletions are seen again within two seconds.
func TestKernelRepair(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	fast := "flush_interval: 100ms, "
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.config, []byte(strings.Replace(string(text), "cloudwatch: {", "cloudwatch: {"+fast, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(func() {
		for errors.Is(unix.Unmount(r.watched, unix.MNT_DETACH), nil) {
		}
	})
	r.sees(r.watched, "the start")

	shell(t, `mount -t tmpfs none "$1"`, r.watched)
	r.sees(r.watched, "a mount over the watch")
	shell(t, `mkdir "$1/sub" && mount -t tmpfs none "$1/sub"`, r.watched)
	r.sees(filepath.Join(r.watched, "sub"), "a mount below the watch")
	shell(t, `umount "$1/sub" && umount "$1"`, r.watched)
	r.sees(r.watched, "the unmounting")
	shell(t, `mount -t tmpfs none "$1"`, r.watched)
	r.sees(r.watched, "a second mount")
	shell(t, `umount "$1" && mount -t tmpfs none "$1"`, r.watched)
	r.sees(r.watched, "another mount in its place at once")
	other := t.TempDir()
	shell(t, `umount "$1" && mount --bind "$2" "$1"`, r.watched, other)
	r.sees(r.watched, "a bind mount")
	shell(t, `umount -l "$1"`, r.watched)
	r.sees(r.watched, "a lazy unmounting")

	shell(t, `auditctl -D`)
	r.sees(r.watched, "auditctl -D")
	if !strings.Contains(r.repairs(), `"op":"repair"`) {
		t.Errorf("no event tells of a repair:\n%s", r.repairs())
	}
	shell(t, `rm -r "$1" && mkdir "$1"`, r.watched)
	r.sees(r.watched, "the directory made again")
	shell(t, `mv "$1" "$1.old" && mkdir "$1"`, r.watched)
	r.sees(r.watched, "the directory renamed and made again")
	shell(t, `rm -r "$1" && mkdir "$1"`, r.watched) // with the same inode number, and no rule goes: its root is the renamed one
	r.sees(r.watched, "the directory made again after it was renamed")
	shell(t, `rm -r "$1" && ln -s "$2" "$1"`, r.watched, other)
	r.sees(r.watched, "a symbolic link in its place")
	shell(t, `mkdir "$2/new" && ln -sfn "$2/new" "$1"`, r.watched, other)
	r.sees(r.watched, "a link to elsewhere")
	shell(t, `rm "$1" && mkdir "$1"`, r.watched)
	r.sees(r.watched, "the directory in the link's place")

	r.run("rules", "remove", "-c", r.config, "--all-ours")
	shell(t, `mount -t tmpfs none "$1"`, r.watched) // makes the keeper look
	r.stays(func(st daemon.Status) bool { return st.Rules.Removed > 0 && st.Rules.InEffect == 0 })
	r.run("rules", "apply", "-c", r.config)
	r.sees(r.watched, "rules apply")
	r.stop()
}

// run runs a command of the program and returns what it printed.
func (r *rig) run(args ...string) string {
	r.t.Helper()
	out, err := exec.Command(r.binary, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", args, err, out)
	}
	return string(out)
}

// stays requires that the daemon's status becomes so, and that no rule with our
// key is loaded then.
func (r *rig) stays(ok func(daemon.Status) bool) {
	r.t.Helper()
	r.eventually(5*time.Second, "the status", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && ok(st)
	})
	if list := r.run("rules", "list"); strings.Contains(list, "efs_changes") {
		r.t.Errorf("rules that were removed are back:\n%s", list)
	}
}

// TestKernelNoFight takes a rule away again and again: after five repairs the
// daemon pauses, and says so.
func TestKernelNoFight(t *testing.T) {
	c := kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	all, err := rules.Loaded(c)
	if err != nil {
		t.Fatal(err)
	}
	pausing := func() bool {
		st, err := askSocket(r.socket())
		return err == nil && len(st.Rules.Pausing) == 1
	}
	repairs := -1
	for !pausing() {
		back := false
		r.eventually(5*time.Second, "the rules to be back, or a pause", func() bool {
			loaded, err := rules.Loaded(c)
			back = err == nil && len(loaded) == len(all)
			return back || pausing()
		})
		if !back {
			break
		}
		if repairs++; repairs > 6 {
			t.Fatalf("%d repairs, and no pause", repairs)
		}
		if err := c.DeleteRule(all[0].Encode()); err != nil {
			t.Fatal(err)
		}
	}
	if repairs < 5 {
		t.Errorf("a pause after %d repairs, want 5", repairs)
	}
	r.stop()
	if !strings.Contains(r.log.String(), "repairs of them pause") {
		t.Error("the log does not say that repairs pause")
	}
}
