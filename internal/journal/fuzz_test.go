package journal

import (
	"bytes"
	"testing"
)

// FuzzScan: whatever a segment holds, what is found in it is made of its own
// bytes, in order, once, and with rising sequences; and it ends.
func FuzzScan(f *testing.F) {
	const salt = 7
	whole := appendHead(nil, head{salt: salt, base: 1, millis: 1})
	for seq := range uint64(4) {
		whole = appendFrame(whole, record(seq), seq+1, 5, salt)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(append(bytes.Clone(whole[:headLen]), whole[headLen+7:]...))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := readHead(bytes.NewReader(in), 1)
		if err != nil {
			h = head{salt: salt, base: 1}
		}
		var s scanner
		s.reset(bytes.NewReader(in), h)
		s.extend(int64(len(in)), 0)
		last, end := uint64(0), int64(headLen)
		for {
			fr, ok, err := s.peek()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				return
			}
			framed := appendFrame(nil, fr.rec, fr.seq, fr.millis, h.salt)
			if fr.seq <= last || s.off < end || !bytes.Equal(in[s.off:s.off+int64(len(framed))], framed) {
				t.Fatalf("record %d at %d, behind %d before %d", fr.seq, s.off, last, end)
			}
			s.take(fr)
			last, end = fr.seq, s.off
		}
	})
}

// FuzzPlace: a cursor file that is believed is the one that was written.
func FuzzPlace(f *testing.F) {
	f.Add(appendPlace(nil, place{salt: 1, gen: 2, low: 3, last: 4, millis: 5, extra: []byte("extra")}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if p, ok := parsePlace(in); ok && !bytes.HasPrefix(in, appendPlace(nil, p)) {
			t.Errorf("%+v was read from %x", p, in)
		}
	})
}
