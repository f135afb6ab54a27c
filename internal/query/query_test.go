package query

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const corpus = "../event/testdata/corpus/"

// each reads a source to its end.
func each(t testing.TB, s Source, do func(*Event)) {
	t.Helper()
	for {
		e, err := s.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		do(e)
	}
}

func all(t *testing.T, s Source) (events []string) {
	t.Helper()
	each(t, s, func(e *Event) {
		text := e.ID.String()
		if f := e.Facts; f != nil {
			text += " " + f.Action + " " + f.Path + " " + f.Dest
		}
		events = append(events, text)
	})
	return events
}

// TestFacts reads a log of removals and renames relative to directory
// descriptors, and requires the true paths in the order of the events.
func TestFacts(t *testing.T) {
	s, err := OpenLog(corpus+"debian12-6.18-basics.log", Options{Facts: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := all(t, s)
	golden, err := os.ReadFile(corpus + "debian12-6.18-basics.golden")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Count(string(golden), "\n"); len(got) != want {
		t.Errorf("got %d events, want %d", len(got), want)
	}
	for i, line := range got {
		id, fact, _ := strings.Cut(line, " ")
		f := strings.SplitN(fact, " ", 3)
		if i > 0 && id < strings.Fields(got[i-1])[0] {
			t.Errorf("event %s comes after %s", id, got[i-1])
		}
		for g := range strings.Lines(string(golden)) {
			if strings.Contains(g, `"id":"`+id+`"`) && f[0] == "delete" && !strings.Contains(g, f[1]) {
				t.Errorf("%s: not in %s", line, g)
			}
		}
	}
}

// TestRotated reads a directory of logs as one, the oldest first.
func TestRotated(t *testing.T) {
	text, err := os.ReadFile(corpus + "debian12-6.18-basics.log")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	dir := t.TempDir()
	third := len(lines) / 3
	for i, part := range [][]string{lines[2*third:], lines[third : 2*third], lines[:third]} {
		name := filepath.Join(dir, "audit.log"+[]string{"", ".1", ".2"}[i])
		if err := os.WriteFile(name, []byte(strings.Join(part, "")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := OpenLog(corpus+"debian12-6.18-basics.log", Options{Facts: true})
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	parts, err := OpenLog(dir, Options{Facts: true})
	if err != nil {
		t.Fatal(err)
	}
	defer parts.Close()
	got, want := strings.Join(all(t, parts), "\n"), strings.Join(all(t, whole), "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestRotatedNames reads a directory whose logs are dated, numbered with a hole,
// and compressed in four ways: all of it once, in the order of time, and the
// file that is no log is named.
func TestRotatedNames(t *testing.T) {
	var left Left
	s, err := OpenLog("testdata/rotated", Options{Facts: true, Warn: func(l Left) { left = l }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []uint64
	each(t, s, func(e *Event) {
		got = append(got, e.ID.Serial)
		if len(e.Records) != 5 || !strings.HasPrefix(e.Facts.Path, "/mnt/efs/") {
			t.Errorf("%s has %d records, path %q", e.ID, len(e.Records), e.Facts.Path)
		}
	})
	want := []uint64{1003, 1005, 1010, 1020, 1030, 1040, 1050, 1060, 1070, 1071, 1080, 1081, 1089, 1090, 1091}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if words := strings.Join(left.Words(), "\n"); !strings.Contains(words, "other.txt: not an audit.log by its name") || len(left.Unread) != 1 {
		t.Errorf("said %q", words)
	}
}

// TestUnread opens what is no log, or a damaged one: it is named, never passed
// over in silence.
func TestUnread(t *testing.T) {
	dir := t.TempDir()
	record := "type=USER_CMD msg=audit(1700000000.000:1): pid=1\n"
	for name, text := range map[string]string{
		"audit.log": record, "audit.log.7": "", "audit.log.8": "no record\n", "audit.log.9.gz": "\x1f\x8bdamaged",
		"audit.log.10.xz": "\xfd7zXZ\x00damaged, and long enough to be looked at", "audit.log.11.zst": "\x28\xb5\x2f\xfddamaged",
		"audit.log.12.bz2": "BZhdamaged", "audit.log.13.lz4": "\x04\x22\x4d\x18damaged",
		// A dictionary of nearly 4 GiB.
		"audit.log.14.xz": "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x28\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var left Left
	s, err := OpenLog(dir, Options{Warn: func(l Left) { left = l }})
	if err != nil {
		t.Fatal(err)
	}
	if got := all(t, s); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if len(left.Unread) != 7 {
		t.Errorf("%d files are named, want 7: %q", len(left.Unread), left.Unread)
	}
	s, err = OpenLog(filepath.Join(dir, "audit.log.8"), Options{Warn: func(l Left) { left = l }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := all(t, s); len(got) != 0 || len(left.Unread) != 1 {
		t.Errorf("got %v, said %q", got, left.Unread)
	}
}

func TestClock(t *testing.T) {
	zone := time.FixedZone("", 7200)
	now := time.Date(2026, 11, 24, 10, 20, 30, 500, zone)
	c := Clock{Now: now, Boot: func() (time.Time, error) { return now.Add(-time.Hour), nil }}
	tests := []struct {
		of    string
		words string
		want  string // or the error
	}{
		{"start", "now", "2026-11-24T10:20:30+02:00"},
		{"start", "recent", "2026-11-24T10:10:30+02:00"},
		{"start", "boot", "2026-11-24T09:20:30+02:00"},
		{"start", "today", "2026-11-24T00:00:00+02:00"},
		{"start", "today 08:15", "2026-11-24T08:15:00+02:00"},
		{"start", "08:15:01", "2026-11-24T08:15:01+02:00"},
		{"start", "yesterday", "2026-11-23T00:00:00+02:00"},
		{"start", "this-hour", "2026-11-24T10:00:00+02:00"},
		{"start", "this-week", "2026-11-22T00:00:00+02:00"},
		{"start", "week-ago", "2026-11-17T00:00:00+02:00"},
		{"start", "this-month", "2026-11-01T00:00:00+02:00"},
		{"start", "this-year", "2026-01-01T00:00:00+02:00"},
		{"start", "11/05/2026", "2026-11-05T00:00:00+02:00"},
		{"start", "11/05/26 01:02:03", "2026-11-05T01:02:03+02:00"},
		{"start", "01:02:03 11/05/26", "2026-11-05T01:02:03+02:00"},
		{"start", "2026-11-05T01:02:03Z", "2026-11-05T01:02:03Z"},
		{"start", "2026-11-05", "2026-11-05T00:00:00+02:00"},
		{"start", "tomorrow", "Invalid start date (tomorrow). Month, Day, and Year are required."},
		{"start", "11/05/2003", "Error - year is 2003"},
		{"start", "11/05/20266", "Error parsing start date (11/05/20266)"},
		{"start", "25:00", "Invalid start time (25:00). Hour, Minute, and Second are required."},
		{"end", "now", "2026-11-24T10:20:30+02:00"},
		{"end", "today", "2026-11-24T10:20:30+02:00"},
		{"end", "yesterday", "2026-11-23T00:00:00+02:00"},
		{"end", "11/05/2026", "2026-11-05T10:20:30+02:00"},
		{"end", "10:00", "2026-11-24T10:00:00+02:00"},
		{"since", "2h", "2026-11-24T08:20:30+02:00"},
		{"since", "3d", "2026-11-21T10:20:30+02:00"},
		{"since", "yesterday", "2026-11-23T00:00:00+02:00"},
	}
	for _, tt := range tests {
		f := map[string]func(...string) (time.Time, error){"start": c.Start, "end": c.End, "since": func(s ...string) (time.Time, error) { return c.Since(s[0]) }}[tt.of]
		got, err := f(strings.Fields(tt.words)...)
		text := got.Format(time.RFC3339)
		if err != nil {
			text = err.Error()
		}
		if text != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.of, tt.words, text, tt.want)
		}
	}
}

// TestStreamsApart: two hosts of one name have events of the same ids, in two
// streams of a group. Each is found, in the formats json and raw, and what comes
// twice in one stream is found once.
func TestStreamsApart(t *testing.T) {
	const id = "1785139200.123:7"
	raw := func(comm string) string {
		return `type=SYSCALL msg=audit(` + id + `): arch=c000003e syscall=87 success=yes exit=0 items=0 ppid=1 pid=7 auid=0 uid=0 comm="` + comm + `" exe="/bin/x" key="k"`
	}
	json := func(comm string) string {
		return `{"v":1,"id":"` + id + `","time":"2026-07-27T08:00:00.123Z","host":"web","action":"delete","syscall":"unlink","success":true,"path":"/f","pid":7,"comm":"` + comm + `"}`
	}
	for name, format := range map[string]func(string) string{"raw": raw, "json": json} {
		t.Run(name, func(t *testing.T) {
			messages := func(yield func(Message, error) bool) {
				for _, m := range []Message{{"i-a", format("one")}, {"i-b", format("two")}, {"i-a", format("one")}} {
					if !yield(m, nil) {
						return
					}
				}
			}
			src, _, err := OpenMessages(messages, Options{Facts: true}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			found := map[string]int{}
			for {
				e, err := src.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				found[e.Stream+" "+e.Facts.Comm]++
			}
			if len(found) != 2 || found["i-a one"] != 1 || found["i-b two"] != 1 {
				t.Errorf("found %v", found)
			}
		})
	}
}
