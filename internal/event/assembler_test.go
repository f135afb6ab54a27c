package event

import (
	"bytes"
	"testing"
)

// TestHeaders reads headers one after the other, of which the next begins as the one before.
func TestHeaders(t *testing.T) {
	a := NewAssembler(Options{Ended: func(*Event) {}})
	for _, text := range []string{
		"audit(1.000:1): a", "audit(1.000:1): b", "audit(1.000:1):c", "audit(1.000:1):", "audit(1.000:1): ", "audit(1.000:1):  d",
		"audit(1.000:12): e", "audit(1.000:1): f", "x", "audit(1.000:1): g", "", "audit(1.000:1", "audit(1.000:1): h",
	} {
		id, rest, err := a.parseHeader([]byte(text))
		wantID, want, wantErr := ParseHeader([]byte(text))
		if id != wantID || !bytes.Equal(rest, want) || err != wantErr {
			t.Errorf("%q: %v %q %v, want %v %q %v", text, id, rest, err, wantID, want, wantErr)
		}
	}
}
