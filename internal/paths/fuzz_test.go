package paths

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

// FuzzStream: whatever records come, each is in one event, and every event is a
// JSON object in UTF-8, on one line, within the limit and without a key twice.
func FuzzStream(f *testing.F) {
	f.Add([]byte(strings.Join(exampleRecords, "\n")))
	for _, log := range readCorpus(f) {
		for i := 0; i < len(log); i += 20000 {
			f.Add(log[i:min(len(log), i+2000)])
		}
	}
	f.Add([]byte("type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=82 success=yes items=2\ntype=PATH msg=audit(1.000:1): item=0 name=(null) inode=1 dev=fe:00 mode=040755 nametype=PARENT\ntype=PATH msg=audit(1.000:1): item=0 name=\"x\" inode=1 dev=fe:00 mode=040755 nametype=DELETE\ntype=EOE msg=audit(1.000:1):"))
	f.Add([]byte(`type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=263 success=yes items=3 a0=3 pid=1
type=PATH msg=audit(1.000:1): item=0 name="/" inode=5 dev=00:27 mode=040755 nametype=PARENT
type=PATH msg=audit(1.000:1): item=1 name="d" inode=6 dev=fe:00 mode=040755 nametype=DELETE
type=PATH msg=audit(1.000:1): item=2 name=(null) inode=5 dev=fe:00 mode=040755 nametype=PARENT
type=PATH msg=audit(1.000:1): item=3 name=(null) inode=7 dev=fe:00 mode=020000 nametype=CREATE
type=EOE msg=audit(1.000:1):
type=SYSCALL msg=audit(1.000:2): arch=c000003e syscall=264 success=yes items=5 a0=3 a2=4 pid=1
type=PATH msg=audit(1.000:2): item=0 name="/" inode=5 dev=00:27 mode=040755 nametype=PARENT
type=PATH msg=audit(1.000:2): item=1 name="/" inode=5 dev=00:27 mode=040755 nametype=PARENT
type=PATH msg=audit(1.000:2): item=2 name="a" inode=8 dev=fe:00 mode=040755 nametype=DELETE
type=PATH msg=audit(1.000:2): item=3 name="b" inode=8 dev=00:27 mode=040755 nametype=CREATE
type=PATH msg=audit(1.000:2): item=4 name=(null) inode=5 dev=fe:00 mode=040755 nametype=PARENT
type=EOE msg=audit(1.000:2):
`))
	f.Add([]byte("type=EXECVE msg=audit(1.000:1): argc=9 a0[1]=41 a0_len=3 a7=\"x\""))
	f.Add([]byte("type=USER msg=audit(1.000:1): msg='op=a b=\"' acct=4 id=00 v=x"))
	f.Fuzz(checkStream)
}

func checkStream(t *testing.T, in []byte) {
	const limit = 1 << 15
	s := NewStream(Options{Places: 16, Held: 4, Limit: 4, GiveUp: 40})
	enc := &encode.Encoder{Host: "h", IncludeRaw: true, MaxBytes: limit}
	records, seq := 0, uint64(0)
	for line := range bytes.Lines(in) {
		seq++
		l, err := event.ParseLine(line)
		if err != nil {
			l = event.Line{Type: event.TypeSyscall, Text: line}
		}
		if l.Type != event.TypeEOE {
			records++
		}
		s.PushEnriched(seq, l.Type, l.Text, l.Extra)
		if err := s.Check(); err != nil {
			t.Fatalf("record %d: %v", seq, err)
		}
	}
	s.Flush()
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		records -= e.Records()
		line := enc.AppendJSON(nil, e)
		checkObject(t, line)
		checkObject(t, enc.AppendOCSF(nil, e))
		if len(line) > limit {
			t.Errorf("%d bytes, want at most %d", len(line), limit)
		}
		s.Free(e)
	}
	if records != 0 {
		t.Errorf("%d records are in no event", records)
	}
	if s.Pending() != 0 || s.Low() != seq+1 {
		t.Errorf("%d pending, low %d after %d records", s.Pending(), s.Low(), seq)
	}
}

// TestDamagedLogs does what fuzzing does, but with a corpus cut and mixed with
// itself, so that records of one event meet in ways no kernel sends.
func TestDamagedLogs(t *testing.T) {
	logs := readCorpus(t)
	for seed := range 300 {
		rnd := rand.New(rand.NewPCG(uint64(seed), 2))
		in := bytes.Clone(logs[rnd.IntN(len(logs))])
		in = in[:min(len(in), 20000)]
		for range 1 + rnd.IntN(60) {
			i := rnd.IntN(len(in) - 30)
			switch rnd.IntN(3) {
			case 0:
				in[i] = "0123456789abcdef ./\"=\n"[rnd.IntN(22)]
			case 1:
				copy(in[i:i+20], in[rnd.IntN(len(in)-30):])
			case 2:
				in = append(in[:i], in[i+rnd.IntN(20):]...)
			}
		}
		checkStream(t, in)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// checkObject requires one line of UTF-8 that is a JSON object without a key twice.
func checkObject(t *testing.T, line []byte) {
	t.Helper()
	if !utf8.Valid(line) || bytes.IndexByte(line, '\n') >= 0 {
		t.Errorf("not one line of UTF-8: %q", line)
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		t.Fatalf("not an object: %q", line)
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if seen[key.(string)] {
			t.Errorf("key %q twice in %s", key, line)
		}
		seen[key.(string)] = true
		var v any
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
	}
}

// FuzzResume: a damaged mark is refused, and costs no more memory than it has bytes.
func FuzzResume(f *testing.F) {
	s := NewStream(Options{Boot: "b"})
	s.Push(7, event.TypeSyscall, []byte("audit(1.000:1): arch=c000003e"))
	f.Add(s.AppendMark(nil))
	f.Fuzz(func(t *testing.T, mark []byte) {
		s := NewStream(Options{})
		if low, err := s.Resume(mark); err == nil {
			s.Push(low, event.TypeSyscall, []byte("audit(1.000:1): arch=c000003e"))
		}
	})
}
