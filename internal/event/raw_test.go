package event

import (
	"bytes"
	"testing"
)

// TestRawIsTheRecords requires that the raw format gives back every line of the
// corpus, and that what it prints reads back as the same events.
func TestRawIsTheRecords(t *testing.T) {
	for _, log := range readCorpus(t) {
		raw := rawOf(t, log)
		for line := range bytes.Lines(log) {
			if !bytes.Contains(raw, line) {
				t.Errorf("not in the raw format: %s", line)
			}
		}
		if len(raw) != len(log) {
			t.Errorf("%d bytes, want %d", len(raw), len(log))
		}
	}
}

// TestRawOfNotes requires a note's line to carry the ID of its event, and the line to be
// a stranger's when it is read again: anybody may have written it.
func TestRawOfNotes(t *testing.T) {
	s, enc := NewStream(Options{}), &Encoder{}
	s.Push(1, TypeGap, []byte(`audit(7.001:0): cause="overrun" count=3`))
	e, ok := s.Next()
	if !ok {
		t.Fatal("no event")
	}
	raw := enc.AppendRaw(nil, e)
	const line = "AUDITSHIPPER_GAP msg=audit(7.001:4294967297): cause=\"overrun\" count=3\n"
	if want := "type=" + line; string(raw) != want {
		t.Errorf("got %q, want %q", raw, want)
	}
	for range 2 {
		if raw = rawOf(t, raw); string(raw) != "type=FOREIGN_"+line {
			t.Errorf("read and printed again: %q", raw)
		}
	}
}

func rawOf(t *testing.T, log []byte) []byte {
	t.Helper()
	s, enc := NewStream(Options{}), &Encoder{}
	pushLines(t, s, log)
	s.Flush()
	var raw []byte
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		raw = enc.AppendRaw(raw, e)
		s.Free(e)
	}
	return raw
}
