package event

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/auditshipper/auditshipper/internal/dirtree"
)

// TestNoAllocation pins what one event costs once the stream is warm.
func TestNoAllocation(t *testing.T) {
	s, enc := NewStream(Options{}), &Encoder{Host: "ip-10-0-1-23", Names: someUsers{}, IncludeRaw: true}
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
	lines := make([]Line, len(exampleRecords))
	for i, line := range exampleRecords {
		var err error
		if lines[i], err = ParseLine([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	seq := uint64(0)
	return func() {
		for _, l := range lines {
			seq++
			s.Push(seq, l.Type, l.Text)
		}
	}
}

// BenchmarkRename is the whole way of an event, from records to JSON.
func BenchmarkRename(b *testing.B) { benchmarkRename(b, NewStream(Options{})) }

// BenchmarkCrowded is BenchmarkRename with thousands of events open and of
// directories known: it must not cost more.
func BenchmarkCrowded(b *testing.B) {
	s := NewStream(Options{GiveUp: 1 << 40})
	seq := uint64(1 << 40)
	for i := range DefaultLimit - 1 {
		seq++
		s.Push(seq, typeSyscall, fmt.Appendf(nil, "audit(1785139200.123:%d): arch=c000003e syscall=87 success=yes", 1_000_000+i))
	}
	for i := range DefaultPlaces {
		above := s.tree.Node(dirtree.ID{Dev: 1, Ino: uint64(1 + i%100)})
		s.tree.Made(s.tree.Node(dirtree.ID{Dev: 1, Ino: uint64(1000 + i)}), dirtree.Edge{Parent: above, Name: fmt.Sprint("e", i)}, dirtree.Moment{})
	}
	benchmarkRename(b, s)
}

func benchmarkRename(b *testing.B, s *Stream) {
	enc, push, dst := &Encoder{Host: "ip-10-0-1-23"}, examplePusher(b, s), make([]byte, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		push()
		e, _ := s.Next()
		dst = enc.AppendJSON(dst[:0], e)
		s.Free(e)
	}
}

// A recorded is one record of a capture.
type recorded struct {
	typ  Type
	text []byte
}

// recordsOf copies an event's records, and adds the end, which auditd does not log.
func recordsOf(e *Event) (recs []recorded) {
	for i := range e.Records() {
		typ, text := e.Record(i)
		recs = append(recs, recorded{typ, bytes.Clone(text)})
	}
	return append(recs, recorded{typeEOE, fmt.Appendf(nil, "audit(%v): ", e.ID)})
}

// workload returns the events of a capture, by a path or by a directory's
// descriptor, and the stream that they belong to, which knows all directories now.
func workload(t testing.TB) (s *Stream, events []*Event) {
	s = NewStream(Options{})
	pushLines(t, s, gunzip(t, "testdata/truth/debian12-6.18-loadgen.log.gz"))
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
	r := &replay{t: t, stream: s, words: words, seq: s.high}
	for _, e := range events {
		if e.Path.Type() == typ && e.Path.From == FromClaimed && (e.Path.words != nil) == words {
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
	if !ok || (e.Path.words != nil) != r.words {
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

// formats are the forms in which an event may leave, by name.
var formats = []struct {
	name   string
	encode func(*Encoder, []byte, *Event) []byte
}{{"json", (*Encoder).AppendJSON}, {"raw", (*Encoder).AppendRaw}, {"ocsf", (*Encoder).AppendOCSF}}

// TestEncodingAllocatesNothing pins what the text of a workload's events costs.
func TestEncodingAllocatesNothing(t *testing.T) {
	_, events := workload(t)
	for _, f := range formats {
		t.Run(f.name, func(t *testing.T) {
			enc, dst := &Encoder{Host: "ip-10-0-1-23", Names: someUsers{}}, make([]byte, 0, 1<<16)
			all := func() {
				for _, e := range events {
					dst = f.encode(enc, dst[:0], e)
				}
			}
			if n := testing.AllocsPerRun(5, all); n != 0 {
				t.Errorf("%v allocations for %d events, want 0", n, len(events))
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

// BenchmarkEncode is what an event's text costs in each format.
func BenchmarkEncode(b *testing.B) {
	_, events := workload(b)
	for _, f := range formats {
		b.Run(f.name, func(b *testing.B) {
			enc, dst := &Encoder{Host: "ip-10-0-1-23", Names: someUsers{}}, make([]byte, 0, 1<<16)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				dst = f.encode(enc, dst[:0], events[i%len(events)])
			}
		})
	}
}
