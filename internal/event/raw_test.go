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

// TestRawOfNotes requires a note's line to carry the ID of its event, also after
// it was printed and read.
func TestRawOfNotes(t *testing.T) {
	const want = "type=AUDITSHIPPER_GAP msg=audit(7.001:4294967297): cause=\"overrun\" count=3\n"
	raw := rawOf(t, []byte("type=AUDITSHIPPER_GAP msg=audit(7.001:0): cause=\"overrun\" count=3\n"))
	if string(raw) != want {
		t.Errorf("got %q, want %q", raw, want)
	}
	if again := rawOf(t, append([]byte("type=USER msg=audit(7.000:1): x=y\n"), raw...)); !bytes.HasSuffix(again, raw) {
		t.Errorf("printed again it is %q", again)
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
