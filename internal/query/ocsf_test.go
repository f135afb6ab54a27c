package query

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// TestOCSF reads the captures' events in both forms: OCSF says of a file what our
// own form says.
func TestOCSF(t *testing.T) {
	files, err := filepath.Glob("../event/testdata/corpus/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := paths.NewStream(paths.Options{})
		seq := uint64(0)
		for line := range bytes.Lines(text) {
			if l, err := event.ParseLine(line); err == nil {
				seq++
				s.Push(seq, l.Type, l.Text)
			}
		}
		s.Flush()
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			enc := encode.Encoder{Host: "h"}
			var own, ocsf Event
			var ownFacts, ocsfFacts Facts
			j, o := enc.AppendJSON(nil, e), enc.AppendOCSF(nil, e)
			if err := own.fromJSON(Message{Text: string(j)}, &ownFacts); err != nil {
				t.Fatal(err)
			}
			if err := ocsf.fromJSON(Message{Text: string(o)}, &ocsfFacts); err != nil {
				t.Fatalf("%s: %v", o, err)
			}
			if ownFacts.Ses == event.Unset { // OCSF tells one user
				ownFacts.AUID, ocsfFacts.AUID = event.Unset, event.Unset
			}
			if ownFacts.Action == "exec" { // nor of the program more than its name
				ownFacts.Type, ownFacts.Inode, ownFacts.Path = "", 0, ownFacts.Exe
			}
			ownFacts.Fields, ocsfFacts.Fields = nil, nil
			if !reflect.DeepEqual(ownFacts, ocsfFacts) || own.ID != ocsf.ID || own.Node != ocsf.Node {
				t.Errorf("%s\n%s\n%+v\n%+v", j, o, ownFacts, ocsfFacts)
			}
			n++
		}
	}
	t.Logf("%d events", n)
}
