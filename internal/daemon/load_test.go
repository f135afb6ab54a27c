package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// A changer is another program that changes rules at given times.
type changer struct {
	begun   time.Time
	runs    time.Duration   // it runs, under a loader's name, until then
	changes []time.Duration // when it changes a rule, in order
	silent  bool            // no CONFIG_CHANGE tells of it
	watch   *loadWatch
}

// done counts the changes made up to now.
func (c *changer) done() (n int) {
	for n < len(c.changes) && time.Since(c.begun) >= c.changes[n] {
		n++
	}
	return n
}

func (c *changer) list() ([][]byte, error) {
	n := c.done()
	if !c.silent {
		c.watch.changes.Store(uint64(n))
	}
	return [][]byte{fmt.Append(nil, n)}, nil
}

func every(d, until time.Duration) (all []time.Duration) {
	for t := time.Duration(0); t <= until; t += d {
		all = append(all, t)
	}
	return all
}

// TestLoadWatch waits for loads of rules that end, that pause, and that never end.
func TestLoadWatch(t *testing.T) {
	for _, tt := range []struct {
		name     string
		runs     time.Duration
		changes  []time.Duration
		silent   bool
		from, to time.Duration // between which the wait is to end
	}{
		{"nothing", 0, nil, false, 0, 0},
		{"one removal", 0, every(time.Second, 0), false, quiet, quiet + 3*loadLook},
		{"a load", 4 * time.Second, every(12*time.Millisecond, 4*time.Second), false, 4*time.Second + quiet - loadLook, 4*time.Second + quiet + 3*loadLook},
		{"a load untold", 4 * time.Second, every(12*time.Millisecond, 4*time.Second), true, 4*time.Second + quiet - loadLook, 4*time.Second + quiet + 3*loadLook},
		{"a load that pauses", 5 * time.Second, []time.Duration{0, 2 * time.Second, 4 * time.Second}, false, 5 * time.Second, 5*time.Second + quiet + 3*loadLook},
		{"a program of that name that does nothing", time.Hour, every(time.Second, 0), false, quietLoader, quietLoader + 3*loadLook},
		{"a loop of changes", 0, every(50*time.Millisecond, time.Minute), false, mostQuiet, mostQuiet + 3*loadLook},
		{"a loop of loads", time.Hour, every(50*time.Millisecond, time.Minute), false, mostLoading, mostLoading + 3*loadLook},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &changer{begun: time.Now(), runs: tt.runs, changes: tt.changes, silent: tt.silent}
				c.watch = &loadWatch{
					list: c.list, loader: func(bool) bool { return time.Since(c.begun) < c.runs },
					log: zap.NewNop(), changes: new(atomic.Uint64),
				}
				if _, err := c.list(); err != nil {
					t.Fatal(err)
				}
				if !c.watch.await(context.Background()) {
					t.Error("ended early")
				}
				if took := time.Since(c.begun); took < tt.from || took > tt.to {
					t.Errorf("waited %v, want %v to %v", took, tt.from, tt.to)
				}
				begun := time.Now()
				if c.runs = 0; !c.watch.await(context.Background()) || tt.name != "a loop of changes" && tt.name != "a loop of loads" && time.Since(begun) > 0 {
					t.Errorf("waited %v again", time.Since(begun))
				}
			})
		})
	}
}

// TestChangedByProcess tells what a process did from what the kernel did itself.
func TestChangedByProcess(t *testing.T) {
	for text, want := range map[string]bool{
		`audit(1785139200.123:7): auid=0 ses=1 subj=unconfined op=remove_rule key="k" list=4 res=1`:          true,
		`audit(1785139200.123:7): auid=4294967295 ses=4294967295 op=add_rule key=(null) list=4 res=1`:        true,
		`audit(1785139200.123:7): op=remove_rule dir="/mnt/efs" key="efs_changes" list=4 res=1`:              false,
		`audit(1785139200.123:7): op=remove_rule dir="/tmp/): auid=0" key="efs_changes" list=4 res=1`:        false,
		`audit(1785139200.123:7): op=set audit_backlog_limit=8192 old=64 auid=0 ses=1 subj=unconfined res=1`: false,
		`no record`: false,
	} {
		if got := changedByProcess([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

// TestLoaderIsRoot counts loaders of root's only: a process takes any name.
func TestLoaderIsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs to run a process as another user")
	}
	const nobody = 54321
	text, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "loader")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := filepath.Join(dir, "auditctl")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(name, text, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	for _, uid := range []uint32{nobody, nobody + 1} {
		if got := (&loaders{uid: uid}).run(false); got != (uid == nobody) {
			t.Errorf("loader of user %d: %t", uid, got)
		}
	}
}
