package event

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/go-libaudit/v2/rule"
	"github.com/elastic/go-libaudit/v2/rule/flags"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
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
	} {
		t.Run(where.name, func(t *testing.T) {
			script := "testdata/truth/" + where.workload
			dir := scratch(t, where.base)
			if where.workload == "layers.py" {
				if out, err := exec.Command(python, script, "prepare", dir).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			if where.upper != "" {
				dir = overlay(t, dir, scratch(t, where.upper), where.options)
			}
			for _, arch := range []string{"b64", "b32"} {
				watch(t, c, "-a always,exit -F arch="+arch+" -S unlink,unlinkat,rename,renameat,renameat2,rmdir -F dir="+dir+" -k truth")
			}
			truth := filepath.Join(t.TempDir(), "truth")
			v := kernelEvents(t, c, exec.Command(python, script, dir, truth, "slow"), truth)
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
	wire, err := rule.Build(parsed)
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

// kernelEvents runs a workload and judges the events it causes, which go
// through a Stream while it runs.
func kernelEvents(t *testing.T, c *kaudit.Control, workload *exec.Cmd, truth string) verdict {
	t.Helper()
	for _, err := range []error{c.SetBacklogLimit(8192), c.SetBacklogWaitTime(0), c.SetEnabled(1)} {
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

	var log []byte
	j := newJudge(t)
	s := NewStream(Options{Lookup: procLookup{}})
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
			typ, text := Type(binary.LittleEndian.Uint16(r)), r[2:]
			log = append(AppendLine(log, typ, text, nil), '\n')
			s.Push(seq, typ, text)
			seq++
		}
		s.Tick(time.Now())
		j.drain(s)
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
	j.drain(s)
	did, err := os.ReadFile(truth)
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("AUDITSHIPPER_SAVE"); path != "" {
		path += strings.ReplaceAll(t.Name(), "/", "-")
		for end, text := range map[string][]byte{".log": log, ".truth": did} {
			if err := os.WriteFile(path+end, text, 0o644); err != nil {
				t.Error(err)
			}
		}
	}
	return j.verdict(did)
}

// procLookup asks /proc, as the daemon does.
type procLookup struct{}

func (procLookup) FD(pid uint32, fd int32) (path string, dev Dev, ino uint64, ok bool) {
	link := "/proc/" + strconv.Itoa(int(pid)) + "/fd/" + strconv.Itoa(int(fd))
	path, err := os.Readlink(link)
	if err != nil {
		return "", 0, 0, false
	}
	dev, ino, ok = identity(link)
	return path, dev, ino, ok
}

func (procLookup) Is(path []byte, dev Dev, ino uint64) bool {
	d, i, ok := identity(string(path))
	return ok && d == dev && i == ino
}

func identity(path string) (dev Dev, ino uint64, ok bool) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, 0, false
	}
	return MakeDev(unix.Major(st.Dev), unix.Minor(st.Dev)), st.Ino, true
}
