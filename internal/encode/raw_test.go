package encode

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
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
	s, enc := paths.NewStream(paths.Options{}), &Encoder{}
	s.Push(1, event.TypeGap, []byte(`audit(7.001:0): cause="overrun" count=3`))
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
	var enc Encoder
	var raw []byte
	for _, e := range eventsOf(t, log) {
		raw = enc.AppendRaw(raw, e)
	}
	return raw
}

// TestRawIsCut prints events that are too long for the service, of many arguments and
// of much else, and reads them again.
func TestRawIsCut(t *testing.T) {
	for _, tt := range []struct {
		name       string
		args, path int // records
	}{
		{"many arguments", 600, 1},
		{"more than are held", 2000, 1},
		{"many paths", 0, 400},
		{"much of both", 300, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const head = "msg=audit(1785139200.123:7): "
			var text strings.Builder
			line := func(typ, format string, args ...any) { fmt.Fprintf(&text, "type="+typ+" "+head+format+"\n", args...) }
			line("SYSCALL", `arch=c000003e syscall=59 success=yes exit=0 items=1 ppid=1 pid=7 auid=1000 uid=1000 ses=1 comm="t" exe="/t" key="k"`)
			for i := range tt.args {
				line("EXECVE", "a%d=%s", i, strings.Repeat("41", 2000))
			}
			line("CWD", `cwd="/home"`)
			for i := range tt.path {
				line("PATH", `item=%d name="/%s" inode=5 dev=fe:00 mode=0100755 nametype=NORMAL`, i, strings.Repeat("n", 4000))
			}
			line("EOE", "")
			log := text.String()
			raw := rawOf(t, []byte(log))
			if len(raw) > DefaultMaxBytes || len(raw) < DefaultMaxBytes*9/10 {
				t.Errorf("%d bytes, want as many as the service takes", len(raw))
			}
			lines := map[string]bool{}
			for line := range strings.Lines(log) {
				lines[line] = true
			}
			for line := range bytes.Lines(raw) {
				if !lines[string(line)] && !bytes.HasPrefix(line, []byte("type=AUDITSHIPPER_CUT ")) {
					t.Fatalf("not a line of the event: %.200s", line)
				}
			}
			for _, want := range []string{"type=SYSCALL ", `cwd="/home"`, "type=PATH ", "type=AUDITSHIPPER_CUT " + head + "records="} {
				if !bytes.Contains(raw, []byte(want)) {
					t.Errorf("no %s", want)
				}
			}
			events := eventsOf(t, raw)
			if len(events) != 1 || !events[0].Truncated || events[0].Action != "exec" {
				t.Fatalf("read again: %d events, %+v", len(events), events)
			}
			if again := new(Encoder).AppendRaw(nil, events[0]); !bytes.Equal(again, raw) {
				t.Errorf("printed again it has %d bytes, not %d", len(again), len(raw))
			}
		})
	}
}
