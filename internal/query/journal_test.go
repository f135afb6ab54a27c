package query

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
)

// TestSeam reads a journal in which records are missing: what is told of a directory
// behind the seam is not said of what was in it before, and the seam is no event.
func TestSeam(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(typ event.Type, text string) {
		if _, err := j.Append([][]byte{append(binary.LittleEndian.AppendUint16(nil, uint16(typ)), text...)}); err != nil {
			t.Fatal(err)
		}
	}
	unlink := func(serial, call int, parent, name string) {
		id := fmt.Sprintf("audit(1700000000.%03d:%d): ", 10*serial, serial)
		put(1300, id+fmt.Sprintf("arch=c000003e syscall=%d success=yes exit=0 a0=3 a1=1 a2=0 a3=0 items=2 ppid=1 pid=2 auid=0 uid=0 comm=\"rm\" exe=\"/usr/bin/rm\" key=\"k\"", call))
		put(1307, id+`cwd="/root"`)
		put(1302, id+fmt.Sprintf("item=0 name=%q inode=8 dev=00:2a mode=040755 nametype=PARENT", parent))
		put(1302, id+fmt.Sprintf("item=1 name=%q inode=9 dev=00:2a mode=0100644 nametype=DELETE", name))
		put(1320, id)
	}
	unlink(1, 263, "/root", "f")
	put(event.TypeSeam, `audit(1700000000.015:0): boot_id="b"`)
	unlink(2, 263, "/root", "g")
	unlink(3, 87, "/srv/d/", "/srv/d/h")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	src, err := OpenJournal(dir, Options{Facts: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	each(t, src, func(e *Event) { got = append(got, e.Facts.Path) })
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if want := "[f /srv/d/g /srv/d/h]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestJournalNodes reads a journal of a daemon that follows the log of several
// hosts: each event has its host, and its lines begin with it.
func TestJournalNodes(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const text = "type=USER_LOGIN msg=audit(1700000000.010:7): pid=1 uid=0 msg='op=login res=success'"
	for _, line := range []string{"node=web1 " + text, text, "node=web2 " + text} {
		l, err := event.ParseLine([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Append([][]byte{event.AppendRecord(nil, l)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	src, err := OpenJournal(dir, Options{Facts: true})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got := map[string]bool{}
	each(t, src, func(e *Event) { got[e.Node+"|"+string(e.Records[0].Line)] = true })
	for _, want := range []string{"web1|node=web1 " + text, "|" + text, "web2|node=web2 " + text} {
		if !got[want] || len(got) != 3 {
			t.Errorf("no %s in %v", want, got)
		}
	}
}

// TestJournalTwice reads journals whose last records stand there twice, as after
// a power cut, from any record on: each event comes once, with each record once.
func TestJournalTwice(t *testing.T) {
	var recs [][]byte
	for serial := 1; serial <= 4; serial++ {
		for _, r := range []struct {
			typ  event.Type
			text string
		}{{1300, "arch=c000003e syscall=87 success=yes exit=0 a0=0 a1=0 items=1 pid=2"}, {1307, `cwd="/"`}, {1302, `item=0 name="/f"`}, {1320, ""}} {
			text := fmt.Sprintf("audit(1700000000.00%d:%d): %s", serial, serial, r.text)
			recs = append(recs, append(binary.LittleEndian.AppendUint16(nil, uint16(r.typ)), text...))
		}
	}
	for cut := 0; cut < len(recs); cut += 2 {
		for back := 0; back <= cut; back += 3 {
			dir := t.TempDir()
			j, err := journal.Open(dir, journal.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := j.Append(append(append([][]byte(nil), recs[:cut]...), recs[back:]...)); err != nil {
				t.Fatal(err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			src, err := OpenJournal(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			each(t, src, func(e *Event) { got = append(got, fmt.Sprint(e.ID.Serial, "/", len(e.Records))) })
			if err := src.Close(); err != nil {
				t.Fatal(err)
			}
			if want := "[1/4 2/4 3/4 4/4]"; fmt.Sprint(got) != want {
				t.Errorf("cut at %d, again from %d: got %v, want %s", cut, back, got, want)
			}
		}
	}
}

// TestJournalOfAnotherHost reads the journal of a host that was renamed, or copied: each
// event is of the host that received it.
func TestJournalOfAnotherHost(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		l, err := event.ParseLine(fmt.Appendf(nil, "type=USER_LOGIN msg=audit(1700000000.010:%d): pid=1 uid=0 msg='op=login res=success'", i+1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Append([][]byte{event.AppendRecord(nil, l)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	opt := Options{JSON: true, Host: "now", HostOf: func(seq uint64) string { return map[uint64]string{1: "then", 2: "now", 3: "now"}[seq] }}
	src, err := OpenJournal(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var got []string
	each(t, src, func(e *Event) { got = append(got, e.Node+" "+string(e.JSON)) })
	if len(got) != 3 || !strings.HasPrefix(got[0], "then ") || !strings.Contains(got[0], `"host":"then"`) || !strings.Contains(got[1], `"host":"now"`) {
		t.Errorf("%q", got)
	}
	f, err := FollowJournal(dir, time.Unix(0, 0), opt)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, want := range []string{"then", "now", "now"} {
		e, _, err := f.Next(t.Context())
		if err != nil || !strings.Contains(string(e.JSON), `"host":"`+want+`"`) {
			t.Fatalf("event %d: %s, %v, want of %s", i, e.JSON, err, want)
		}
	}
}
