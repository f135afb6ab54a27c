package encode

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

// tool finds a program that reads our formats.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// TestAusearchReads gives every capture in the raw format to ausearch, which must
// return each event, as records and interpreted.
func TestAusearchReads(t *testing.T) {
	ausearch := tool(t, "ausearch")
	for i, log := range readAll(t) {
		raw := rawOf(t, log)
		file := filepath.Join(t.TempDir(), "raw")
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		want := ids(raw, `msg=audit\([0-9.]+:(\d+)\)`)
		for flag, id := range map[string]string{"--raw": `msg=audit\([0-9.]+:(\d+)\)`, "-i": `msg=audit\([^)]*:(\d+)\)`} {
			out, err := exec.Command(ausearch, "-if", file, flag).Output()
			if err != nil {
				t.Fatalf("capture %d: ausearch %s: %v", i, flag, err)
			}
			if got := ids(out, id); len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("capture %d: ausearch %s returns %d events of %d", i, flag, len(got), len(want))
			}
		}
	}
}

// ids are the serials of all events in a text, sorted.
func ids(text []byte, pattern string) (list []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
		list = append(list, string(m[1]))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestJQReads gives every capture as JSON and as OCSF to jq, which must print each
// event as one object on a line of its own.
func TestJQReads(t *testing.T) {
	jq := tool(t, "jq")
	for i, log := range readAll(t) {
		for format, encode := range map[string]func(*Encoder, []byte, *event.Event) []byte{
			"json": (*Encoder).AppendJSON, "ocsf": (*Encoder).AppendOCSF,
		} {
			var text []byte
			enc, events := &Encoder{Host: "host", Names: someUsers{}}, eventsOf(t, log)
			for _, e := range events {
				text = append(encode(enc, text, e), '\n')
			}
			n := len(events)
			cmd := exec.Command(jq, "-c", "objects")
			cmd.Stdin = bytes.NewReader(text)
			out, err := cmd.Output()
			if err != nil || bytes.Count(out, []byte("\n")) != n || bytes.Count(text, []byte("\n")) != n {
				t.Errorf("capture %d as %s: jq reads %d events of %d: %v", i, format, bytes.Count(out, []byte("\n")), n, err)
			}
		}
	}
}
