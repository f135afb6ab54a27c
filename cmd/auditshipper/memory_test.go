//go:build amd64

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// TestKernelMemory renames files by descriptors of processes that are gone a moment later,
// with names as long as the kernel takes them, while the daemon has 128 MiB: it does not
// need them, neither then nor after it was killed, when the journal begins with all that;
// and every event arrives or a gap tells of it. The paths of a deep tree, all known at once
// when its top is removed, would take a third of it.
func TestKernelMemory(t *testing.T) {
	kerneltest.Need(t)
	const limit = 128 << 20
	const processes, each, levels = 40, 30, 400
	const events = processes*each + 2*levels
	r := newRig(t, "kernel: {backlog_limit: 65536}\n")
	group := newMemoryGroup(t, limit)
	start := func() {
		r.start()
		group.add(r.cmd.Process.Pid)
	}
	start()
	cmd := exec.CommandContext(t.Context(), "perl", "-e", fmt.Sprintf(`
		my @parts = map { sprintf("%%02d", $_) . "\xc3\xa4" x 120 } 1 .. 16;
		for (@parts) { mkdir $_; chdir $_ or die $! }
		open F, ">f0"; close F;
		chdir $ARGV[0];
		my $dir = join "/", @parts;
		for my $child (1 .. %d) {
			next if waitpid(fork || do {
				opendir D, "." or die $!;
				for (1 .. %d) {
					my ($from, $to) = ($_ %% 2 ? "$dir/f0" : "$dir/f1", $_ %% 2 ? "$dir/f1" : "$dir/f0");
					syscall(264, fileno D, $from, fileno D, $to) and die $!;
				}
				exit
			}, 0) > 0;
		}`, processes, each), r.watched)
	cmd.Dir = r.watched
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.removeDeepTree(levels)
	peak := r.peak()
	r.kill()
	start()
	r.eventually(time.Minute, "an empty journal", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.Journal.Undelivered == 0
	})
	peak = max(peak, r.peak())
	r.stop()
	var lost uint64
	for _, g := range r.gaps() {
		lost += g.Count
	}
	t.Logf("%d of %d events arrived, gaps tell of %d; %d MiB resident at most, %d kills for want of memory", r.distinct(), events, lost, peak>>20, group.kills())
	if r.distinct()+int(lost) < events {
		t.Errorf("%d events arrived and gaps tell of %d, want %d altogether", r.distinct(), lost, events)
	}
	if peak > limit || group.kills() > 0 {
		t.Errorf("%d MiB resident at most, want %d; %d kills for want of memory", peak>>20, limit>>20, group.kills())
	}
}

// removeDeepTree makes and removes directories of the longest names in each other, with a
// file in each.
func (r *rig) removeDeepTree(levels int) {
	r.t.Helper()
	shell(r.t, `cd "$1"; perl -e 'for (1 .. $ARGV[0]) { my $d = "d" x 255; mkdir $d; chdir $d or die $!; open F, ">f" }' "$2"; rm -rf d*`, r.watched, strconv.Itoa(levels))
}

// A memoryGroup is a control group with little memory; none where the machine lets us
// make none.
type memoryGroup struct {
	t    *testing.T
	path string
}

// newMemoryGroup makes a group of whichever version there is.
func newMemoryGroup(t *testing.T, limit int) *memoryGroup {
	for _, file := range []string{"/sys/fs/cgroup/memory/G/memory.limit_in_bytes", "/sys/fs/cgroup/G/memory.max"} {
		file = strings.ReplaceAll(file, "G", fmt.Sprintf("auditshipper-test-%d", os.Getpid()))
		g := &memoryGroup{t, filepath.Dir(file)}
		if os.Mkdir(g.path, 0o755) != nil {
			continue
		}
		if g.write(filepath.Base(file), limit) == nil {
			t.Cleanup(func() { failIf(t, os.Remove(g.path)) })
			return g
		}
		failIf(t, os.Remove(g.path))
	}
	t.Log("no control group with a limit of memory: only what is resident is looked at")
	return &memoryGroup{t: t}
}

func (g *memoryGroup) add(pid int) {
	if g.path != "" {
		failIf(g.t, g.write("cgroup.procs", pid))
	}
}

// write writes a number to one of the group's files.
func (g *memoryGroup) write(file string, n int) error {
	f, err := os.OpenFile(filepath.Join(g.path, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(n))
	return errors.Join(err, f.Close())
}

func failIf(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

// kills is how many processes of the group the kernel has killed.
func (g *memoryGroup) kills() (n int) {
	if g.path == "" {
		return 0
	}
	for _, file := range []string{"memory.events", "memory.oom_control"} {
		text, err := os.ReadFile(filepath.Join(g.path, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if word, count, _ := strings.Cut(strings.TrimSpace(line), " "); word == "oom_kill" {
				n, err = strconv.Atoi(count)
				if err != nil {
					g.t.Fatal(err)
				}
			}
		}
	}
	return n
}
