package event

import (
	"bytes"
	"testing"
)

// FuzzParseHeader: a header that parses must be a prefix of the input, and
// printing the ID must give it back.
func FuzzParseHeader(f *testing.F) {
	f.Add([]byte("audit(1490137971.011:50406): pid=1"))
	f.Add([]byte("audit(1.000:1):"))
	f.Add([]byte("audit(999999999999.999:18446744073709551615): x"))
	f.Fuzz(func(t *testing.T, in []byte) {
		id, rest, err := ParseHeader(in)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(in, rest) {
			t.Errorf("rest %q is not the tail of %q", rest, in)
		}
		if again, err := ParseID(id.String()); err != nil || again != id {
			t.Errorf("%v printed and parsed is %v, %v", id, again, err)
		}
	})
}

// FuzzParseLine: what is parsed and printed must parse to the same again.
func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`node=h type=SYSCALL msg=audit(1.000:1): arch=c000003e`))
	f.Add([]byte("type=UNKNOWN[1334] msg=audit(1.000:1): prog-id=5\x1dAUID=\"x\"\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		l, err := ParseLine(in)
		if err != nil {
			return
		}
		again, err := ParseLine(AppendLine(nil, l.Type, l.Text, l.Node))
		if err != nil || again.Type != l.Type || !bytes.Equal(again.Text, l.Text) || !bytes.Equal(again.Node, l.Node) {
			t.Errorf("%q: %+v became %+v, %v", in, l, again, err)
		}
	})
}

// FuzzCutEnrichment cuts what auditd appended: nothing is lost, and a line comes back
// from the journal as it was.
func FuzzCutEnrichment(f *testing.F) {
	f.Add(uint16(1300), []byte("audit(1.000:1): a=1\x1dUID=\"root\""))
	f.Add(uint16(1112), []byte("audit(1.000:1): pid=1 msg='a\x1db'\x1dUID=\"root\""))
	f.Add(uint16(1112), []byte("\x1d"))
	f.Fuzz(func(t *testing.T, typ uint16, text []byte) {
		kernel, extra := CutEnrichment(Type(typ), text)
		joined := kernel
		if extra != nil {
			joined = append(append(bytes.Clone(kernel), enrichment), extra...)
		}
		if !bytes.Equal(joined, text) {
			t.Errorf("%q became %q and %q", text, kernel, extra)
		}
		l, err := ParseLine(append([]byte("node=a type="+Type(typ).String()+" msg="), text...))
		if err != nil {
			return
		}
		got, back, _, node := SplitNode(AppendRecord(nil, l))
		if got != l.Type || !bytes.Equal(back, l.Text) || string(node) != "a" {
			t.Errorf("%+v came back as %d %q of %q", l, got, back, node)
		}
	})
}
