package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
)

// TestJournalCommands looks into a journal, whole and with a flipped bit.
func TestJournalCommands(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		l := event.Line{Type: 1300, Text: fmt.Appendf(nil, "audit(1.000:%d): syscall=87", i)}
		if i == 99 {
			l.Extra = []byte(`UID="root"`)
		}
		rec := event.AppendRecord(nil, l)
		if _, err := j.Append([][]byte{rec}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.SetCursor(41, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	run := func(want string, args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		root := newRoot()
		root.SetOut(&out)
		root.SetErr(&errs)
		root.SetArgs(append([]string{"journal"}, args...))
		err := root.Execute()
		if got := fmt.Sprint(err); got != want {
			t.Fatalf("%v: %s, want %s\n%s%s", args, got, want, &out, &errs)
		}
		return out.String() + errs.String()
	}
	if got := run("<nil>", "stat", "--json", dir); !strings.Contains(got, `"low":41,"newest":100`) {
		t.Errorf("stat: %s", got)
	}
	if got := run("<nil>", "verify", dir); got != "100 records in 1 segment can be read, 0 cannot\n" {
		t.Errorf("verify: %s", got)
	}
	if got := run("<nil>", "dump", "--from", "1", dir); strings.ContainsFunc(got, func(r rune) bool { return r < ' ' && r != '\n' }) || strings.Count(got, "\n") != 100 {
		t.Errorf("dump for people:\n%q", got)
	}
	raw := run("<nil>", "dump", "--raw", "--undelivered", dir)
	if lines := strings.Split(raw, "\n"); len(lines) != 61 || lines[0] != "type=SYSCALL msg=audit(1.000:40): syscall=87" ||
		lines[59] != "type=SYSCALL msg=audit(1.000:99): syscall=87\x1dUID=\"root\"" {
		t.Errorf("dump:\n%s", raw)
	}

	segments, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	text, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(segments[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := run(dir+": damaged in 1 place", "verify", dir); !strings.Contains(got, "99 records in 1 segment can be read, 1 cannot") {
		t.Errorf("verify: %s", got)
	}
	if got := run("<nil>", "dump", dir); strings.Count(got, "type=SYSCALL") != 99 || !strings.Contains(got, "is missing") {
		t.Errorf("dump:\n%s", got)
	}
}
