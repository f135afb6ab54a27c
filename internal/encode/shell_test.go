package encode

import (
	"bytes"
	"testing"
)

// FuzzShell: the words of a command line stay on one line.
func FuzzShell(f *testing.F) {
	f.Add([]byte("mv\x00q2 draft.csv\x00archive/q2.csv\x00"))
	f.Add([]byte("a\x00\x00'\x00$'\\\x00\xff"))
	f.Fuzz(func(t *testing.T, title []byte) {
		got := appendShell(nil, title)
		if bytes.IndexByte(got, 0) >= 0 || bytes.IndexByte(got, '\n') >= 0 {
			t.Errorf("%q became %q", title, got)
		}
	})
}
