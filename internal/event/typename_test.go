package event

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestUnknownNames keeps a type by the name that a log has for it, over the journal, and
// lets no name be an action of ours.
func TestUnknownNames(t *testing.T) {
	for _, name := range []string{"CONTAINER_NEWER", "DELETE", "GAP"} {
		line := []byte("node=n type=" + name + " msg=audit(1.000:1): contid=123455\x1dUID=\"root\"")
		l, err := ParseLine(line)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		typ, text, extra, node := SplitNode(AppendRecord(nil, l))
		if typ != l.Type || typ.String() != name || string(node) != "n" || string(extra) != `UID="root"` {
			t.Errorf("%s came back as %s, %q %q %q", name, typ, text, extra, node)
		}
		if got := AppendExtra(AppendLine(nil, typ, text, node), extra); !bytes.Equal(got, line) {
			t.Errorf("got the line %q", got)
		}
		e := ended(t, typ, text)
		if !e.Describe() || e.Action != "unknown_"+strings.ToLower(name) {
			t.Errorf("%s has the action %q", name, e.Action)
		}
		if e.CollectFields(); string(e.Field("contid")) != "123455" {
			t.Errorf("%s: contid is %q", name, e.Field("contid"))
		}
	}
	for _, name := range []string{"", "garbage", "A B", "1A", strings.Repeat("A", maxTypeName+1), "UNKNOWN[x]"} {
		if _, ok := ParseType(name); ok {
			t.Errorf("%q is a type", name)
		}
	}
	if typ, ok := ParseType(fmt.Sprintf("UNKNOWN[%d]", typeNamedFirst)); typ != 0 || !ok {
		t.Errorf("a number of this process is type %d", typ)
	}
}

// ended is the event that one record makes.
func ended(t *testing.T, typ Type, text []byte) (e *Event) {
	t.Helper()
	a := NewAssembler(Options{Ended: func(ended *Event) { e = ended }})
	a.Push(1, typ, text, nil)
	a.CloseOldest()
	if e == nil {
		t.Fatalf("%v %q is no event", typ, text)
	}
	return e
}
