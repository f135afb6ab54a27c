package query

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sieved are the events that a search finds in logs, with the sieve or without.
func sieved(t *testing.T, dir string, want *Search, opt Options, sieve bool) (found []string) {
	t.Helper()
	opt.Keep, opt.Numbers = want.Match, &Numbers{}
	if sieve {
		if opt.Need = want.Need(); opt.Need == nil {
			t.Fatal("nothing is needed")
		}
	}
	src, err := OpenLog(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	each(t, src, func(e *Event) {
		var text bytes.Buffer
		fmt.Fprintf(&text, "%v given up %v\n", e.ID, e.GivenUp)
		for _, r := range e.Records {
			text.Write(append(slices.Clone(r.Line), '\n'))
		}
		found = append(found, text.String())
	})
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	return found
}

// shuffledLog is a log of events whose lines are mixed with those of others near by, as the
// kernel and slow calls write them, with lines that are none of a record. The clock may have
// been set back.
func shuffledLog(rnd *rand.Rand, sec int64, first int, setBack bool) []byte {
	type placed struct {
		at   float64
		text string
	}
	var lines []placed
	for i := range 300 {
		stamp := fmt.Sprintf("msg=audit(%d.%03d:%d): ", sec+int64(i/10), i%1000, first+i)
		if setBack && rnd.IntN(20) == 0 {
			stamp = fmt.Sprintf("msg=audit(%d.%03d:%d): ", sec-int64(rnd.IntN(5000)), i, first+i)
		}
		node := []string{"", "", "node=a ", "node=audit(1) "}[rnd.IntN(4)]
		key := []string{`"efs_changes"`, `"rare"`, "726172650165667300", "7261726501656673", "(null)"}[rnd.IntN(5)]
		call := fmt.Sprintf(`arch=c000003e syscall=87 success=yes exit=0 a0=1 a1=2 a2=0 a3=0 items=2 ppid=%d pid=%d auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=%d comm="rm" exe="/usr/bin/rm" key=%s`,
			rnd.IntN(30), rnd.IntN(30), rnd.IntN(5), key)
		at := float64(i)
		for _, l := range []string{"SYSCALL " + stamp + call, `CWD ` + stamp + `cwd="/"`, `PATH ` + stamp + `item=0 name="rare" inode=1 dev=fe:00 mode=0100644 nametype=DELETE`, "PROCTITLE " + stamp + "proctitle=726D"} {
			lines = append(lines, placed{at, node + "type=" + l})
			at += rnd.Float64() * []float64{0.1, 3, 100}[rnd.IntN(3)]
		}
		if rnd.IntN(30) == 0 {
			lines = append(lines, placed{float64(i), "rare nonsense pid=7"[rnd.IntN(5):]})
		}
	}
	slices.SortStableFunc(lines, func(a, b placed) int { return int(1000 * (a.at - b.at)) })
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.text + "\n")
	}
	return []byte(text.String())
}

// TestSieve says that a search finds the same with the sieve as without: in logs whose lines
// are out of order, over several files, by each thing that is asked for. Only where the clock
// was set back, the order of what is found may be another one: those in between are not seen.
func TestSieve(t *testing.T) {
	questions := []func(*rand.Rand, *Search){
		func(r *rand.Rand, s *Search) { s.Event = r.Int64N(600) },
		func(r *rand.Rand, s *Search) { s.PID = 1 + r.Int64N(30) },
		func(r *rand.Rand, s *Search) { s.PPID = 1 + r.Int64N(30) },
		func(r *rand.Rand, s *Search) { s.Session = 1 + r.Int64N(5) },
		func(r *rand.Rand, s *Search) { s.Key = []string{"rare", "efs_changes", "efs", "none"}[r.IntN(4)] },
		func(r *rand.Rand, s *Search) { s.Exe, s.Word = "/usr/bin/rm", true },
		func(r *rand.Rand, s *Search) { s.Comm, s.PID = "rm", 3 },
	}
	found := 0
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		dir, sec, setBack := t.TempDir(), int64(1795491821), rnd.IntN(2) == 0
		for i := range 2 {
			text := shuffledLog(rnd, sec+int64(i)*30, i*300, setBack)
			if rnd.IntN(4) == 0 {
				text = bytes.TrimSuffix(text, []byte("\n"))
			}
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("audit.log.%d", 2-i)), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want := NewSearch()
		questions[rnd.IntN(len(questions))](rnd, want)
		var opt Options
		if rnd.IntN(3) == 0 {
			opt.From, opt.To = time.Unix(sec+rnd.Int64N(30), 0), time.Unix(sec+rnd.Int64N(60), 0)
		}
		with, without := sieved(t, dir, want, opt, true), sieved(t, dir, want, opt, false)
		if setBack {
			slices.Sort(with)
			slices.Sort(without)
		}
		if found += len(with); !slices.Equal(with, without) {
			t.Fatalf("seed %d, need %q: %d events with the sieve, %d without", seed, want.Need(), len(with), len(without))
		}
	}
	if found < 500 {
		t.Errorf("%d events found: the test shows little", found)
	}
}

// TestSieveHelps says that lines of others are held back, where that is so, and else not.
func TestSieveHelps(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "audit.log")
	if err := os.WriteFile(log, busyLog(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		opt  Options
		want bool
	}{
		{"another's text", Options{Need: [][]byte{[]byte("nobody has this")}}, true},
		{"another time", Options{From: time.Unix(1795491821+100, 0)}, true},
		{"every event's text", Options{Need: [][]byte{[]byte("efs_changes")}}, false},
		{"with facts", Options{Need: [][]byte{[]byte("nobody has this")}, Facts: true}, false},
		{"as ausearch", Options{Need: [][]byte{[]byte("nobody has this")}, Compat: true}, false},
	} {
		src, err := OpenLog(log, c.opt)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = src.Next()
		}
		in := src.(*stream).in.(*fileReader)
		if err := errors.Join(src.Close()); err != nil || in.lines.held > 0 != c.want {
			t.Errorf("%s: %d lines held back, want some: %v (%v)", c.name, in.lines.held, c.want, err)
		}
	}
}

// TestSieveGivesUp is about logs that are better read once.
func TestSieveGivesUp(t *testing.T) {
	line := func(n int) string { return fmt.Sprintf("type=SYSCALL msg=audit(1795491821.043:%d): pid=7\n", n) }
	var many strings.Builder
	for n := range 2 * pieceSize / len(line(0)) {
		many.WriteString(line(n))
	}
	for name, text := range map[string]string{
		"too many events":       many.String(),
		"a line without stamp":  line(1) + "pid=7\n",
		"a line without an end": line(1) + strings.Repeat("x", maxLine+2*pieceSize) + "\n",
	} {
		path := filepath.Join(t.TempDir(), "audit.log")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files, _, err := openLogs(path, &Options{})
		if err != nil {
			t.Fatal(err)
		}
		var s sieve
		if err := s.sift(files, [][]byte{[]byte("pid=7")}); err != nil || s.ids != nil {
			t.Errorf("%s: %d events, %v; want none", name, len(s.ids), err)
		}
		if at, err := files[0].Seek(0, io.SeekCurrent); err != nil || at != 0 {
			t.Errorf("%s: the file stands at %d, %v", name, at, err)
		}
		files[0].Close()
	}
}
