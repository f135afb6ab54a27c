package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A crowd are made-up processes, and a clock for Homes.
type crowd struct {
	procs map[uint32]home
	now   time.Time
	looks int
}

func (c *crowd) homes() *Homes {
	return &Homes{now: func() time.Time { return c.now }, look: func(pid uint32) (home, bool) {
		c.looks++
		h, ok := c.procs[pid]
		h.alive = ok
		return h, ok
	}}
}

// shell is a worker of Session Manager, its shell, sudo in it and rm in that, and somebody else.
func shell() *crowd {
	return &crowd{now: time.UnixMilli(100_000), procs: map[uint32]home{
		1:  {began: 1, ticks: 1},
		10: {began: 10, ticks: 10, parent: 1, worker: "alice-01"},
		11: {began: 11, ticks: 11, parent: 10},
		12: {began: 12, ticks: 12, parent: 11},
		13: {began: 13, ticks: 13, parent: 12, unit: "u.service"},
		20: {began: 20, ticks: 20, parent: 1},
	}}
}

// TestSessions finds the session of a process from its ancestors, and never that of another
// process which had the number before, or has it by now.
func TestSessions(t *testing.T) {
	later := func(c *crowd) { c.now = c.now.Add(time.Second) }
	for name, c := range map[string]struct {
		meanwhile func(*crowd)
		pid, ppid uint32
		at        int64
		want      string
	}{
		"a descendant":                        {nil, 13, 12, 1000, "alice-01"},
		"the worker itself":                   {nil, 10, 1, 1000, "alice-01"},
		"somebody else":                       {nil, 20, 1, 1000, ""},
		"one that has ended, by its parent":   {func(c *crowd) { delete(c.procs, 13) }, 13, 12, 1000, "alice-01"},
		"one that has ended, with its parent": {func(c *crowd) { delete(c.procs, 13); delete(c.procs, 12) }, 13, 12, 1000, ""},
		"an orphan of the shell": {func(c *crowd) {
			delete(c.procs, 11)
			c.procs[12] = home{began: 12, ticks: 12, parent: 1}
		}, 13, 12, 1000, "alice-01"},
		"an orphan of the worker": {func(c *crowd) {
			delete(c.procs, 10)
			c.procs[11] = home{began: 11, ticks: 11, parent: 1}
		}, 13, 12, 1000, "alice-01"},
		"another in the worker's number":  {func(c *crowd) { c.procs[10] = home{began: 500, ticks: 500, parent: 1} }, 10, 1, 1000, ""},
		"its child":                       {func(c *crowd) { c.procs[10], c.procs[14] = home{ticks: 500, parent: 1}, home{ticks: 501, parent: 10} }, 14, 10, 1000, ""},
		"the event is of one before":      {func(c *crowd) { c.procs[13] = home{began: 2000, ticks: 2000, parent: 11} }, 13, 1, 1000, ""},
		"and its parent is another, too":  {func(c *crowd) { delete(c.procs, 13); c.procs[12] = home{began: 2000, ticks: 2000, parent: 11} }, 13, 12, 1000, ""},
		"a ring, as no kernel makes it":   {func(c *crowd) { c.procs[20] = home{ticks: 20, parent: 20} }, 20, 1, 1000, ""},
		"the number of a lost descendant": {func(c *crowd) { c.procs[13] = home{began: 600, ticks: 600, parent: 20} }, 13, 20, 1000, ""},
	} {
		t.Run(name, func(t *testing.T) {
			all := shell()
			h := all.homes()
			if got := h.Of(13, 12, 1000); got != (event.Surroundings{Unit: "u.service", SSMSession: "alice-01"}) {
				t.Fatalf("before: %+v", got)
			}
			if c.meanwhile != nil {
				c.meanwhile(all)
			}
			later(all)
			if got := h.Of(c.pid, c.ppid, c.at); got.SSMSession != c.want {
				t.Errorf("got %q, want %q", got.SSMSession, c.want)
			}
		})
	}
}

// TestHomesAreCheap says that a process is looked at once in a while, whatever it does, and
// its ancestors with it.
func TestHomesAreCheap(t *testing.T) {
	c := shell()
	h := c.homes()
	for range 100 {
		h.Of(13, 12, 1000)
	}
	if c.looks != 4 { // 13, 12, 11, 10
		t.Errorf("%d looks for one process", c.looks)
	}
	for pid := range uint32(5000) {
		c.procs[1000+pid] = home{began: 13, ticks: 13, parent: 12}
		h.Of(1000+pid, 12, 1000)
	}
	if most := 5000 + 5000/mostHomes*4 + 8; c.looks > most {
		t.Errorf("%d looks for 5000 processes, want at most %d", c.looks, most)
	}
	if len(h.seen) > mostHomes || len(h.sessions) > mostHomes {
		t.Errorf("%d processes and %d sessions are remembered, want at most %d", len(h.seen), len(h.sessions), mostHomes)
	}
}

// TestSessionOfWorker reads the session from a process that has the worker's name: root's only.
func TestSessionOfWorker(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: other users' processes are no workers")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "alice-0123456789abcdef0"), []byte("read line\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	worker := filepath.Join(dir, workerName)
	sh, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(worker, sh, 0o755); err != nil {
		t.Fatal(err)
	}
	system := NewSystem(new(MountTable), func(string) {})
	defer system.Close()
	for _, c := range []struct{ as, want string }{{"", "alice-0123456789abcdef0"}, {"nobody", ""}} {
		args := []string{worker, "alice-0123456789abcdef0"}
		if c.as != "" {
			args = append([]string{"setpriv", "--reuid", c.as, "--clear-groups"}, args...)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for until := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid))
			if err == nil && string(comm) == workerComm+"\n" {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%s did not begin: %q, %v", worker, comm, err)
			}
		}
		h, ok := system.home(uint32(cmd.Process.Pid))
		if !ok || h.worker != c.want || h.parent != uint32(os.Getpid()) {
			t.Errorf("as %q: %+v, %v; want the session %q", c.as, h, ok, c.want)
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // read fails at the end of its input
	}
}
