package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// deletion is an rm of a file on a node, as auditd writes it.
func deletion(node string, at time.Time, serial int, cwd, name string) []string {
	id := fmt.Sprintf("audit(%d.%03d:%d):", at.Unix(), at.UnixMilli()%1000, serial)
	prefix := ""
	if node != "" {
		prefix = "node=" + node + " "
	}
	return []string{
		prefix + "type=SYSCALL msg=" + id + ` arch=c000003e syscall=263 success=yes exit=0 a0=ffffff9c a1=55d0 a2=0 a3=0 items=2 ppid=900 pid=901 auid=1000 uid=1000 comm="rm" exe="/usr/bin/rm" key="k"`,
		prefix + "type=CWD msg=" + id + ` cwd="` + cwd + `"`,
		prefix + "type=PATH msg=" + id + ` item=0 name="` + cwd + `" inode=2 dev=00:2f mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT`,
		prefix + "type=PATH msg=" + id + ` item=1 name="` + name + `" inode=70 dev=00:2f mode=0100600 ouid=0 ogid=0 rdev=00:00 nametype=DELETE`,
		prefix + "type=PROCTITLE msg=" + id + ` proctitle=726D`,
	}
}

// mixed puts lines of several logs together, one of each after the other, as
// records of the journal.
func mixed(t *testing.T, logs ...[]string) [][]byte {
	t.Helper()
	var recs [][]byte
	for i := range slices.MaxFunc(logs, func(a, b []string) int { return len(a) - len(b) }) {
		for _, log := range logs {
			if i >= len(log) {
				continue
			}
			line, err := event.ParseLine([]byte(log[i]))
			if err != nil {
				t.Fatal(err)
			}
			recs = append(recs, event.AppendRecord(nil, line))
		}
	}
	return recs
}

// logStreams are the streams of a daemon on the host "here" that reads a log.
func logStreams(o paths.Options, now time.Time) *nodeStreams {
	s := newNodeStreams(paths.NewStream(o))
	s.relayed, s.host, s.now = true, "here", func() time.Time { return now }
	s.options = paths.Options{ResolveWait: o.ResolveWait}
	return s
}

// told returns what the streams give back, as "node path", and whether it is of
// the past.
func (s *nodeStreams) told(t *testing.T, into map[string]bool) {
	t.Helper()
	for e, of, from, ok := s.next(); ok; e, of, from, ok = s.next() {
		text := of.node + " " + string(e.Path.Path)
		if _, twice := into[text]; twice {
			t.Errorf("%s is told twice", text)
		}
		into[text] = of.past
		from.Free(e)
	}
}

// noLookup panics if anything is asked.
type noLookup struct{ paths.Host }

// TestNodes: events of several hosts with the same ids, inodes and processes stay
// apart, also over a restart at any record, and nobody asks this host about them.
func TestNodes(t *testing.T) {
	now := time.Date(2026, 7, 27, 8, 0, 0, 0, time.UTC)
	old := now.Add(-time.Hour)
	var web1, web2, nobody []string
	for i := range 3 {
		at := old.Add(time.Duration(i) * time.Second)
		web1 = append(web1, deletion("web1", at, 100+i, "/mnt/a", fmt.Sprint("f", i))...)
		web2 = append(web2, deletion("web2", at, 100+i, "/mnt/b", fmt.Sprint("f", i))...)
		nobody = append(nobody, deletion("", at, 100+i, "/mnt/c", fmt.Sprint("f", i))...)
	}
	recs := mixed(t, web1, web2, nobody)
	want := map[string]bool{}
	for i := range 3 {
		for _, of := range []string{"web1 /mnt/a", "web2 /mnt/b", " /mnt/c"} {
			want[fmt.Sprintf("%s/f%d", of, i)] = true
		}
	}
	asked := func(_, _ uint32, _ int64) event.Surroundings {
		t.Error("this host was asked about a process")
		return event.Surroundings{}
	}
	options := paths.Options{ResolveWait: -1, Host: noLookup{}, Process: asked}
	for cut := range len(recs) + 1 {
		got := map[string]bool{}
		s := logStreams(options, now)
		for i, rec := range recs[:cut] {
			s.push(uint64(i+1), rec)
			s.told(t, got)
		}
		low, mark := s.Low(), s.AppendMark(nil)
		s = logStreams(options, now)
		at, err := s.Resume(mark)
		if err != nil || at != low {
			t.Fatalf("cut at %d: resumed at %d, %v, want %d", cut, at, err, low)
		}
		for i := int(at) - 1; i < len(recs); i++ {
			s.push(uint64(i+1), recs[i])
			s.told(t, got)
		}
		if !maps.Equal(got, want) {
			t.Fatalf("cut at %d: told %v, want %v", cut, got, want)
		}
	}
}

// TestPresent: this host is asked about its own events of now, by whatever name
// its lines have; an event is not torn when a log catches up with the present.
func TestPresent(t *testing.T) {
	now := time.Date(2026, 7, 27, 8, 0, 0, 0, time.UTC)
	tests := []struct {
		node string
		age  time.Duration
		past bool
	}{
		{"", 0, false},
		{"", time.Hour, true},
		{"", -time.Hour, true},
		{"here", 0, false},
		{"here.example.com", 0, false},
		{"here", time.Hour, true},
		{"elsewhere", 0, true},
		{"herein", 0, true},
	}
	for _, tt := range tests {
		asked := 0
		process := func(_, _ uint32, _ int64) event.Surroundings { asked++; return event.Surroundings{} }
		s := logStreams(paths.Options{ResolveWait: -1, Process: process}, now)
		for i, rec := range mixed(t, deletion(tt.node, now.Add(-tt.age), 7, "/mnt", "f")) {
			s.push(uint64(i+1), rec)
		}
		got := map[string]bool{}
		s.told(t, got)
		if len(got) != 1 || asked != 0 == tt.past {
			t.Errorf("%q, %v old: told %v, asked %d times", tt.node, tt.age, got, asked)
		}
	}

	recs := mixed(t, append(deletion("", now.Add(-freshFor-time.Second), 7, "/mnt", "f"), deletion("", now, 8, "/mnt", "g")...))
	s := logStreams(paths.Options{ResolveWait: -1}, now)
	got := map[string]bool{}
	for i, rec := range recs {
		if i == 2 {
			s.now = func() time.Time { return now.Add(-2 * time.Second) } // the first event would be of now
		}
		s.push(uint64(i+1), rec)
		s.told(t, got)
	}
	if want := map[string]bool{" /mnt/f": true, " /mnt/g": false}; !maps.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// TestManyNodes: hosts beyond the bound of those remembered lose no event.
func TestManyNodes(t *testing.T) {
	now := time.Date(2026, 7, 27, 8, 0, 0, 0, time.UTC)
	s, got := logStreams(paths.Options{ResolveWait: -1}, now), map[string]bool{}
	const hosts = maxOrigins + 20
	seq := uint64(0)
	for i := range hosts {
		for _, rec := range mixed(t, deletion(fmt.Sprint("n", i), now, 7, "/mnt", "f")) {
			seq++
			s.push(seq, rec)
			s.told(t, got)
		}
	}
	if len(got) != hosts || len(s.others) > maxOrigins {
		t.Errorf("%d events of %d hosts, %d remembered", len(got), hosts, len(s.others))
	}
}

// TestBadNodesMark: a mark that does not read is an error, not a panic.
func TestBadNodesMark(t *testing.T) {
	s := logStreams(paths.Options{}, time.Now())
	for i, rec := range mixed(t, deletion("web1", time.Now(), 7, "/mnt", "f")[:2]) {
		s.push(uint64(i+1), rec)
	}
	mark := s.AppendMark(nil)
	for n := range mark {
		for _, text := range []string{string(mark[:n]), string(mark[:n]) + strings.Repeat("\xff", 9)} {
			if _, err := logStreams(paths.Options{}, time.Now()).Resume([]byte(text)); err == nil && n > 2 && n < len(mark)-1 && !strings.HasPrefix(string(mark), text) {
				t.Errorf("resumed from %q", text)
			}
		}
	}
}
