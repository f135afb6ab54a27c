package paths

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	auditrule "github.com/elastic/go-libaudit/v2/rule"
	"github.com/elastic/go-libaudit/v2/rule/flags"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/kerneltest"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestKernelTruth lets a workload delete and rename on the real kernel, and
// compares the events with what it did: no path wrong, none unresolved, on a
// disk's file system and in memory.
func TestKernelTruth(t *testing.T) {
	c := kerneltest.Need(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		kerneltest.Skip(t, err.Error())
	}
	for _, where := range []struct {
		name, base, upper, options string // upper is empty without an overlay
		workload                   string
	}{
		{"disk", "/srv", "", "", "workload.py"},
		{"tmpfs", "/dev/shm", "", "", "workload.py"},
		{"overlay", "/srv", "/srv", "", "workload.py"},
		{"overlay on tmpfs", "/dev/shm", "/dev/shm", "", "workload.py"},
		{"layers", "/srv", "/srv", "", "layers.py"},
		{"layers of two kinds", "/srv", "/dev/shm", "", "layers.py"},
		{"layers without xino", "/dev/shm", "/srv", "xino=off", "layers.py"},
		{"layers with redirects", "/srv", "/srv", "redirect_dir=on,metacopy=on", "layers.py"},
		{"layers with an index", "/srv", "/srv", "index=on", "layers.py"},
		{"layers of an overlay", "/srv", "/srv", "", "layers.py"},
		{"network", os.Getenv("TEST_NETWORK_DIR"), "", "", "workload.py"},
	} {
		t.Run(where.name, func(t *testing.T) {
			needBase(t, where.base)
			script := "../event/testdata/truth/" + where.workload
			dir := scratch(t, where.base)
			if where.workload == "layers.py" {
				if out, err := exec.Command(python, script, "prepare", dir).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			if where.name == "layers of an overlay" {
				dir = overlay(t, dir, scratch(t, where.upper), where.options)
			}
			if where.upper != "" {
				dir = overlay(t, dir, scratch(t, where.upper), where.options)
			}
			for _, arch := range []string{"b64", "b32"} {
				watch(t, c, "-a always,exit -F arch="+arch+" -S unlink,unlinkat,rename,renameat,renameat2,rmdir -F dir="+dir+" -k truth")
			}
			truth := filepath.Join(t.TempDir(), "truth")
			j := newJudge(t)
			log := kernelEvents(t, c, exec.Command(python, script, dir, truth, "slow"), j.drain)
			did, err := os.ReadFile(truth)
			if err != nil {
				t.Fatal(err)
			}
			save(t, ".log", log)
			save(t, ".truth", did)
			v := j.verdict(did)
			t.Logf("%d events, %d right, %d unresolved, %d wrong", v.total, v.right, v.unresolved, len(v.wrong))
			for _, w := range v.wrong {
				t.Errorf("wrong: %s", w)
			}
			if v.total == 0 || v.unresolved > 0 {
				t.Errorf("%d of %d unresolved", v.unresolved, v.total)
			}
			for did, n := range v.missing {
				if n != 0 {
					t.Errorf("%d times without an event: %s", n, did)
				}
			}
		})
	}
}

// TestKernelTruthOfCalls makes every call that names files, by itself and through
// rm, find, rmtree, mv, tar, git and rsync, and has strace witness what each
// did: no path may be wrong, and of those that have a name hardly any unresolved,
// asking /proc or not.
func TestKernelTruthOfCalls(t *testing.T) {
	c := kerneltest.Need(t)
	python, err1 := exec.LookPath("python3")
	strace, err2 := exec.LookPath("strace")
	if err := errors.Join(err1, err2); err != nil {
		kerneltest.Skip(t, err.Error())
	}
	for _, where := range []struct{ name, base, upper string }{
		{"disk", "/srv", ""},
		{"tmpfs", "/dev/shm", ""},
		{"overlay", "/srv", "/dev/shm"},
		{"network", os.Getenv("TEST_NETWORK_DIR"), ""},
	} {
		t.Run(where.name, func(t *testing.T) {
			needBase(t, where.base)
			dir := scratch(t, where.base)
			if where.upper != "" {
				dir = overlay(t, dir, scratch(t, where.upper), "")
			}
			watch(t, c, "-a always,exit -F arch=b64 -S "+strings.Join(tracedCalls(), ",")+" -F dir="+dir+" -k truth")
			out := filepath.Join(t.TempDir(), "strace")
			script, err := filepath.Abs("../event/testdata/truth/calls.py")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(strace, "-f", "-y", "-xx", "-s", "9999", "-o", out,
				"-e", "trace="+strings.Join(tracedCalls(), ",")+",chdir,fchdir,clone,clone3,fork,vfork", python, script, dir)
			cmd.Dir = "/"
			before, err := c.Status()
			if err != nil {
				t.Fatal(err)
			}
			live := &witness{enc: new(encode.Encoder)}
			log := kernelEvents(t, c, cmd, live.drain)
			save(t, ".log", log)
			seen, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			save(t, ".strace", seen)
			save(t, ".json", live.all())
			alone := &witness{enc: new(encode.Encoder)}
			s := NewStream(Offline()) // a slow machine takes its time to remove a tree
			pushLines(t, s, log)
			s.Flush()
			alone.drain(s)
			after, err := c.Status()
			if err != nil {
				t.Fatal(err)
			}
			live.check(t, readTrace(t, seen, dir, "/"), after.Lost == before.Lost, 1)
			// A child of a fork is a stranger to its parent's words.
			alone.check(t, readTrace(t, seen, dir, "/"), after.Lost == before.Lost, 8)
			// Without asking it is 3.8 %, on an idle machine some 0.4. An overlay's
			// records have its layers' identities, a server's files no times to trust.
			if sc := live.score(readTrace(t, seen, dir, "/")); where.base != "" && where.upper == "" && (sc.unresolved+sc.nowhere)*100 > sc.total*3 {
				t.Errorf("%d of %d unresolved although somebody was asked", sc.unresolved+sc.nowhere, sc.total)
			}
		})
	}
}

func tracedCalls() (names []string) {
	for name := range callNames {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// check requires what DESIGN.md promises of paths, and an event for every call
// if the kernel says that it lost none.
func (w *witness) check(t *testing.T, tr *trace, all bool, percent int) {
	t.Helper()
	sc := w.score(tr)
	t.Logf("%d bytes of JSON, %d names, %d right, %d unresolved, %d wrong; %d whose records tell of no directory: %v",
		w.bytes, sc.total, sc.right, sc.unresolved, len(sc.wrong), sc.nowhere, sc.kinds)
	for i, text := range sc.wrong {
		if i < 20 {
			t.Errorf("wrong: %s", text)
		}
	}
	for i, text := range sc.open {
		if i < 20 {
			t.Logf("unresolved: %s", text)
		}
	}
	if sc.total == 0 || sc.unresolved*100 >= sc.total*percent || sc.sure > 0 {
		t.Errorf("%d of %d unresolved, %d of them by rm and rmtree", sc.unresolved, sc.total, sc.sure)
	}
	for what, n := range tr.made {
		if all && n > 0 {
			t.Errorf("%d times without an event: %s", n, what)
		}
	}
}

// needBase skips what is for a network file system where none is named. It is
// no test that must run: the machine has one or has none.
func needBase(t *testing.T, base string) {
	t.Helper()
	if base == "" {
		t.Skip("TEST_NETWORK_DIR does not name a directory on a network file system")
	}
}

// scratch is a new directory below base.
func scratch(t *testing.T, base string) string {
	t.Helper()
	dir, err := os.MkdirTemp(base, "auditshipper")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// overlay mounts an overlay over lower; its other directories are in top.
func overlay(t *testing.T, lower, top, options string) string {
	t.Helper()
	data := "lowerdir=" + lower
	for _, layer := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(top, layer), 0o755); err != nil {
			t.Fatal(err)
		}
		data += "," + layer + "dir=" + filepath.Join(top, layer)
	}
	if options != "" {
		data += "," + options
	}
	merged := filepath.Join(top, "merged")
	if err := os.Mkdir(merged, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("overlay", merged, "overlay", 0, data); err != nil {
		kerneltest.Skip(t, "mount an overlay: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(merged, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return merged
}

func watch(t *testing.T, c *kaudit.Control, line string) {
	t.Helper()
	parsed, err := flags.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	wire, err := auditrule.Build(parsed)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddRule(wire); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.DeleteRule(wire); err != nil {
			t.Error(err)
		}
	})
}

// save keeps what a run saw where somebody asks, to add it to testdata.
func save(t *testing.T, end string, text []byte) {
	t.Helper()
	if dir := os.Getenv("AUDITSHIPPER_SAVE"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+end), text, 0o644); err != nil {
			t.Error(err)
		}
	}
}

// kernelEvents runs a workload and drains the events it causes, which go through
// a Stream while it runs. It returns the records.
func kernelEvents(t *testing.T, c *kaudit.Control, workload *exec.Cmd, drain func(*Stream)) (log []byte) {
	t.Helper()
	for _, err := range []error{c.SetBacklogLimit(1 << 17), c.SetBacklogWaitTime(0), c.SetEnabled(1)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	landing, err := kaudit.OpenLanding(filepath.Join(t.TempDir(), "landing"))
	if err != nil {
		t.Fatal(err)
	}
	defer landing.Close()
	l, err := kaudit.Listen(-1, landing)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.SetBuffer(64 << 20); err != nil {
		t.Fatal(err)
	}
	if err := l.Register(); err != nil {
		t.Fatal(err)
	}
	defer l.Unregister()

	workload.Stderr = os.Stderr
	if err := workload.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- workload.Wait() }()

	s := NewStream(Options{Host: procLookup{}})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				l.Wake()
			case <-stop:
				return
			}
		}
	}()
	defer close(stop)

	var quiet time.Time // when the workload ended
	for seq := uint64(1); quiet.IsZero() || time.Since(quiet) < 2*time.Second; {
		records, err := l.Receive(seq)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			typ, text := event.Type(binary.LittleEndian.Uint16(r)), r[2:]
			log = append(event.AppendLine(log, typ, text, nil), '\n')
			s.Push(seq, typ, text)
			seq++
		}
		s.Tick(time.Now())
		drain(s)
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			quiet = time.Now()
		default:
		}
	}
	s.Flush()
	drain(s)
	return log
}
