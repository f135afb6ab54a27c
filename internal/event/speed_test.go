package event

import (
	"fmt"
	"testing"
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
	types, texts := make([]Type, len(exampleRecords)), make([][]byte, len(exampleRecords))
	for i, line := range exampleRecords {
		var err error
		if types[i], texts[i], _, err = ParseLine([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	seq := uint64(0)
	return func() {
		for i := range types {
			seq++
			s.Push(seq, types[i], texts[i])
		}
	}
}

func BenchmarkRename(b *testing.B) {
	s, enc := NewStream(Options{}), &Encoder{Host: "ip-10-0-1-23"}
	push, dst := examplePusher(b, s), make([]byte, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		push()
		e, _ := s.Next()
		dst = enc.AppendJSON(dst[:0], e)
		s.Free(e)
	}
}

// BenchmarkCrowded is BenchmarkRename with thousands of events open and of
// directories known: it must not cost more.
func BenchmarkCrowded(b *testing.B) {
	s, enc := NewStream(Options{GiveUp: 1 << 40}), &Encoder{Host: "ip-10-0-1-23"}
	seq := uint64(1 << 40)
	for i := range DefaultLimit - 1 {
		seq++
		s.Push(seq, typeSyscall, fmt.Appendf(nil, "audit(1785139200.123:%d): arch=c000003e syscall=87 success=yes", 1_000_000+i))
	}
	for i := range DefaultPlaces {
		p := s.tree.walk(fmt.Appendf(nil, "/mnt/efs/d%d/e%d", i%100, i), 1785139200123)
		s.tree.bind(p, inodeKey{1, uint64(i + 1)}, 1, 1785139200123)
	}
	push, dst := examplePusher(b, s), make([]byte, 0, 1<<16)
	b.ReportAllocs()
	for b.Loop() {
		push()
		e, _ := s.Next()
		dst = enc.AppendJSON(dst[:0], e)
		s.Free(e)
	}
}
