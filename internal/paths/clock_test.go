package paths

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"
)

var stamp = regexp.MustCompile(`audit\((\d+)\.(\d+):(\d+)\)`)

// setClock returns a log as it would be had the clock been set by d at a part of it. The
// kernel goes on numbering its events.
func setClock(log []byte, part float64, d time.Duration) []byte {
	serial := func(m [][]byte) int { n, _ := strconv.Atoi(string(m[3])); return n }
	all := stamp.FindAllSubmatch(log, -1)
	from, to := serial(all[0]), serial(all[0])
	for _, m := range all {
		from, to = min(from, serial(m)), max(to, serial(m))
	}
	cut := from + int(float64(to-from)*part)
	return stamp.ReplaceAllFunc(log, func(b []byte) []byte {
		m := stamp.FindSubmatch(b)
		sec, _ := strconv.ParseInt(string(m[1]), 10, 64)
		if serial(m) >= cut {
			sec += int64(d / time.Second)
		}
		return fmt.Appendf(nil, "audit(%d.%s:%s)", sec, m[2], m[3])
	})
}

// TestClockSetBack runs workloads in the middle of which the clock is set back: what
// waits for a name goes on waiting, and no path is wrong. Only a removal that is under way
// then may lose names: a caller's words of long before are not believed (ownWord).
func TestClockSetBack(t *testing.T) {
	for _, name := range []string{"debian12-6.18-ext4", "debian12-6.1-nfs"} {
		log, truth := gunzip(t, "../event/testdata/truth/"+name+".log.gz"), gunzip(t, "../event/testdata/truth/"+name+".truth.gz")
		for _, back := range []time.Duration{2 * time.Second, 10 * time.Minute} {
			for _, part := range []float64{0.3, 0.6} {
				s, j := NewStream(Options{}), newJudge(t)
				pushLines(t, s, setClock(log, part, -back))
				s.Flush()
				j.drain(s)
				v := j.verdict(truth)
				if v.total == 0 || len(v.wrong) > 0 || v.unresolved*25 > v.total {
					t.Errorf("%s, set back %v at %v: of %d, %d unresolved, %d wrong", name, back, part, v.total, v.unresolved, len(v.wrong))
				}
			}
		}
	}
}

// TestClockSetBackWhileIdle lets an event go after its wait, though the clock was set back
// by more.
func TestClockSetBackWhileIdle(t *testing.T) {
	for _, back := range []time.Duration{0, 500 * time.Millisecond, time.Hour} {
		now := time.UnixMilli(1795639723609)
		s := NewStream(Options{})
		pushLines(t, s, []byte(`type=SYSCALL msg=audit(1795639723.609:1237): arch=c000003e syscall=263 success=yes exit=0 a0=4 a1=1 a2=0 a3=0 items=2 ppid=1 pid=444 auid=0 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1 comm="rm" exe="/usr/bin/rm" key="k"
type=CWD msg=audit(1795639723.609:1237): cwd="/"
type=PATH msg=audit(1795639723.609:1237): item=0 name="/" inode=83 dev=fe:00 mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT
type=PATH msg=audit(1795639723.609:1237): item=1 name="f1" inode=84 dev=fe:00 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=DELETE
type=PROCTITLE msg=audit(1795639723.609:1237): proctitle="rm"
`))
		s.Tick(now)
		s.Tick(now.Add(100 * time.Millisecond))
		if _, ok := s.Next(); ok {
			t.Fatal("it did not wait for its directory")
		}
		for range 30 {
			now = now.Add(100 * time.Millisecond)
			s.Tick(now.Add(-back))
		}
		if _, ok := s.Next(); !ok {
			t.Errorf("set back %v: the event still waits after 3 s", back)
		}
	}
}
