package event

import (
	"bytes"
	"testing"
)

// TestRecord requires the journal to give back what a line had, and what the
// kernel sent as it came, whatever bytes are in it.
func TestRecord(t *testing.T) {
	text := []byte("audit(1.000:1): uid=0")
	tests := []struct {
		name string
		line Line
		want Line
	}{
		{"of the kernel", Line{Type: TypeSyscall, Text: text}, Line{Type: TypeSyscall, Text: text}},
		{"enriched", Line{Type: TypeSyscall, Text: text, Extra: []byte(`UID="root"`)}, Line{Type: TypeSyscall, Text: text, Extra: []byte(`UID="root"`)}},
		{"without a text", Line{Type: TypeEOE}, Line{Type: TypeEOE}},
		{"of ours", Line{Type: TypeGap, Text: text}, Line{Type: TypeGap, Text: text}},
		{"of a type that has the bit", Line{Type: typeEnriched | 1, Text: text}, Line{Type: typeEnriched | 1, Text: text}},
		{"of such a type, enriched", Line{Type: typeEnriched | 1, Text: text, Extra: []byte(`UID="root"`)}, Line{Type: typeEnriched | 1, Text: text}},
		{
			"of the kernel, with the byte of enriched lines in it",
			Line{Type: typeUserFirst, Text: []byte("audit(1.000:1): msg='\x1dUID=\"root\"'")},
			Line{Type: typeUserFirst, Text: []byte("audit(1.000:1): msg='\x1dUID=\"root\"'")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got Line
			if got.Type, got.Text, got.Extra = SplitRecord(AppendRecord(nil, tt.line)); !sameLine(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	for _, short := range [][]byte{nil, {5}} {
		if typ, text, extra := SplitRecord(short); typ != 0 || !bytes.Equal(text, short) || extra != nil {
			t.Errorf("%q: got %v %q %q", short, typ, text, extra)
		}
	}
}

func sameLine(a, b Line) bool {
	return a.Type == b.Type && bytes.Equal(a.Text, b.Text) && bytes.Equal(a.Extra, b.Extra)
}
