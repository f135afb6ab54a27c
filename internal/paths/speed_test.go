package paths

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

// TestNoAllocation pins what one event costs once the stream is warm.
func TestNoAllocation(t *testing.T) {
	s, enc := NewStream(Options{}), &encode.Encoder{Host: "ip-10-0-1-23", Names: someUsers{}, IncludeRaw: true}
	push, dst, mark := examplePusher(t, s), make([]byte, 0, 1<<16), make([]byte, 0, 1<<10)
	run := func() {
		push()
		e, ok := s.Next()
		if !ok {
			t.Fatal("no event")
		}
		dst = enc.AppendJSON(dst[:0], e)
		dst = enc.AppendOCSF(dst[:0], e)
		dst = enc.AppendRaw(dst[:0], e)
		mark = s.AppendMark(mark[:0])
		s.Free(e)
	}
	run()
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("%v allocations an event, want 0", n)
	}
}

func examplePusher(t testing.TB, s *Stream) func() {
	lines := make([]event.Line, len(exampleRecords))
	for i, line := range exampleRecords {
		var err error
		if lines[i], err = event.ParseLine([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		for _, l := range lines {
			s.Push(s.Read()+1, l.Type, l.Text)
		}
	}
}

// BenchmarkRename is the whole way of an event, from records to JSON.
func BenchmarkRename(b *testing.B) { benchmarkRename(b, NewStream(Options{})) }

// BenchmarkCrowded is BenchmarkRename with thousands of events open and of
// directories known: it must not cost more.
func BenchmarkCrowded(b *testing.B) {
	s := NewStream(Options{GiveUp: 1 << 40})
	for i := range event.DefaultLimit - 1 { // begun long ago, so that nobody waits for them
		s.Push(uint64(i+1), event.TypeSyscall, fmt.Appendf(nil, "audit(1785139100.123:%d): arch=c000003e syscall=87 success=yes", 1_000_000+i))
	}
	for i := range DefaultPlaces {
		above := s.tree.Node(dirtree.ID{Dev: 1, Ino: uint64(1 + i%100)})
		s.tree.Made(s.tree.Node(dirtree.ID{Dev: 1, Ino: uint64(1000 + i)}), dirtree.Edge{Parent: above, Name: fmt.Sprint("e", i)}, dirtree.Moment{})
	}
	benchmarkRename(b, s)
}

func benchmarkRename(b *testing.B, s *Stream) {
	enc, push, dst := &encode.Encoder{Host: "ip-10-0-1-23"}, examplePusher(b, s), make([]byte, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		push()
		e, ok := s.Next()
		if !ok {
			b.Fatal("no event")
		}
		dst = enc.AppendJSON(dst[:0], e)
		s.Free(e)
	}
}

// A recorded is one record of a capture.
type recorded struct {
	typ  event.Type
	text []byte
}

// recordsOf copies an event's records, and adds the end, which auditd does not log.
func recordsOf(e *event.Event) (recs []recorded) {
	for i := range e.Records() {
		typ, text := e.Record(i)
		recs = append(recs, recorded{typ, bytes.Clone(text)})
	}
	return append(recs, recorded{event.TypeEOE, fmt.Appendf(nil, "audit(%v): ", e.ID)})
}

// workload returns the events of a capture, by a path or by a directory's
// descriptor, and the stream that they belong to, which knows all directories now.
func workload(t testing.TB) (s *Stream, events []*event.Event) {
	s = NewStream(Options{})
	pushLines(t, s, gunzip(t, "../event/testdata/truth/debian12-6.18-loadgen.log.gz"))
	s.Flush()
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		events = append(events, e)
	}
	return s, events
}

// A replay pushes some of the workload's events into a warm stream, round and
// round: those about files of one type whose paths are known from the same.
type replay struct {
	t      testing.TB
	stream *Stream
	words  bool
	events [][]recorded
	at     int
	seq    uint64
}

func newReplay(t testing.TB, typ string, words bool) *replay {
	s, events := workload(t)
	r := &replay{t: t, stream: s, words: words, seq: s.Read()}
	for _, e := range events {
		if e.Path.Type() == typ && e.Path.From == event.FromClaimed && (workOf(e).path.words != nil) == words {
			r.events = append(r.events, recordsOf(e))
		}
		s.Free(e)
	}
	if len(r.events) < 100 {
		t.Fatalf("only %d events", len(r.events))
	}
	return r
}

// next is the way of one event through the stream.
func (r *replay) next() {
	for _, rec := range r.events[r.at] {
		r.seq++
		r.stream.Push(r.seq, rec.typ, rec.text)
	}
	r.at = (r.at + 1) % len(r.events)
	e, ok := r.stream.Next()
	if !ok || (workOf(e).path.words != nil) != r.words {
		r.t.Fatalf("no event, or another one: %v", e)
	}
	r.stream.Free(e)
}

// TestReplayAllocations pins what the events of a workload cost, from records to
// true paths: nothing, but that a directory's end tells of the directory.
func TestReplayAllocations(t *testing.T) {
	for _, tt := range []struct {
		name, typ string
		words     bool
		want      int // an event
	}{
		{"with whole paths", "file", true, 0},
		{"by descriptors", "file", false, 0},
		{"of directories", "dir", true, 2}, // a place and its name
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReplay(t, tt.typ, tt.words)
			round := func() {
				for range r.events {
					r.next()
				}
			}
			if n, want := testing.AllocsPerRun(5, round), tt.want*len(r.events); n > float64(want) {
				t.Errorf("%v allocations in %d events, want %d", n, len(r.events), want)
			}
		})
	}
}

// BenchmarkAssemble is the way of an event's records to an event whose paths the
// records give whole.
func BenchmarkAssemble(b *testing.B) { benchmarkReplay(b, true) }

// BenchmarkResolve is BenchmarkAssemble by directory descriptors, with paths that
// only earlier records tell.
func BenchmarkResolve(b *testing.B) { benchmarkReplay(b, false) }

func benchmarkReplay(b *testing.B, words bool) {
	r := newReplay(b, "file", words)
	b.ReportAllocs()
	for b.Loop() {
		r.next()
	}
}

// exampleRecords are what the kernel sends for the rename of DESIGN.md.
var exampleRecords = strings.Split(strings.TrimSpace(`
type=SYSCALL msg=audit(1785139200.123:48213): arch=c000003e syscall=316 success=yes exit=0 a0=ffffff9c a1=7ffe64de9ac1 a2=ffffff9c a3=7ffe64de9ace items=4 ppid=21044 pid=21877 auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 tty=pts0 ses=7 comm="mv" exe="/usr/bin/mv" key="efs_changes"
type=CWD msg=audit(1785139200.123:48213): cwd="/mnt/efs/reports"
type=PATH msg=audit(1785139200.123:48213): item=0 name="/mnt/efs/reports/archive/" inode=9663676417 dev=00:2a mode=040755 ouid=1000 ogid=1000 rdev=00:00 nametype=PARENT cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PATH msg=audit(1785139200.123:48213): item=1 name="/mnt/efs/reports/" inode=9663676416 dev=00:2a mode=040755 ouid=1000 ogid=1000 rdev=00:00 nametype=PARENT cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PATH msg=audit(1785139200.123:48213): item=2 name=2F6D6E742F6566732F7265706F7274732F71322064726166742E637376 inode=9663676499 dev=00:2a mode=0100644 ouid=1000 ogid=1000 rdev=00:00 nametype=DELETE cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PATH msg=audit(1785139200.123:48213): item=3 name="/mnt/efs/reports/archive/q2.csv" inode=9663676499 dev=00:2a mode=0100644 ouid=1000 ogid=1000 rdev=00:00 nametype=CREATE cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PROCTITLE msg=audit(1785139200.123:48213): proctitle=6D760071322064726166742E63737600617263686976652F71322E637376
type=EOE msg=audit(1785139200.123:48213): 
`), "\n")
