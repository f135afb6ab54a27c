package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// pieces are what a hostile user would put into names and messages.
var pieces = []string{
	"\x1b[2J", "\x1b]0;x\x07", "\x9b2J", "\u009b", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\r", "\t", "\x00", "\x1d", "\x7f", "\xff",
	"=HYPERLINK(1)", "@SUM", "+1+1", "'", "\"", "\\", " ", "(null)", "</script>", " key=", " msg='", "type=", "}", "{", "node=\x1b ", "1B5B324A", "0A", "C29B", "E280AE",
}

// mutate changes a log in a few places, as chance has it.
func mutate(rnd *rand.Rand, log []byte) []byte {
	log = bytes.Clone(log)
	for range 1 + rnd.IntN(60) {
		if len(log) < 2 {
			break
		}
		at := rnd.IntN(len(log))
		to := min(len(log), at+1+rnd.IntN(80))
		switch rnd.IntN(6) {
		case 0:
			log[at] = byte(rnd.IntN(256))
		case 1, 2:
			log = slices.Insert(log, at, []byte(pieces[rnd.IntN(len(pieces))])...)
		case 3:
			log = slices.Delete(log, at, to)
		case 4:
			log = slices.Insert(log, rnd.IntN(len(log)), bytes.Clone(log[at:to])...)
		case 5:
			log[at] ^= 1 << rnd.IntN(8)
		}
	}
	return log
}

// seedLogs are pieces of captures to be mutated.
func seedLogs(t testing.TB) (logs [][]byte) {
	t.Helper()
	names, err := filepath.Glob("../../internal/event/testdata/corpus/*.log")
	if err != nil || len(names) == 0 {
		t.Fatal("no captures", err)
	}
	cases, err := filepath.Glob("../../internal/query/testdata/cases/*.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, cases...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, text)
	}
	logs = append(logs, inventLog(1, 60), inventLog(2, 60))
	return logs
}

// askings are all forms of search and report that are made safe.
func askings() (all [][]string) {
	for _, format := range []string{"default", "interpret", "csv", "text", "json"} {
		all = append(all, []string{"search", "--format", format}, []string{"search", "--format", format, "-f", "/"})
	}
	for _, k := range kindWords {
		kind := strings.Fields(k.names)[0]
		all = append(all, []string{"report", kind}, []string{"report", kind, "-i", "--format", "csv"}, []string{"report", kind, "--format", "json"})
		if kind != "--tty" {
			all = append(all, []string{"report", kind, "--summary"})
		}
	}
	return append(all, []string{"report"})
}

// badText says where text has a character that drives a terminal.
func badText(text []byte) string {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '\n':
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == utf8.RuneError && n == 1,
			r == 0x61c, r == 0x200e, r == 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return fmt.Sprintf("%q", text[max(0, i-60):min(len(text), i+20)])
		}
		i += n
	}
	return ""
}

// hostile asks one thing of a log and requires that nothing printed is a hazard.
func hostile(t *testing.T, seed uint64, file string, args []string) {
	t.Helper()
	out, _ := printed(args[0], append([]string{"-if", file}, args[1:]...)) // nothing found is no fault
	if bad := badText(out); bad != "" {
		t.Errorf("seed %d: %s prints %s", seed, strings.Join(args, " "), bad)
	}
	if len(out) > 0 && slices.Contains(args, "csv") {
		for line := range strings.Lines(string(out)) {
			if strings.ContainsAny(line[:1], "=@") || strings.Contains(line, ",=") || strings.Contains(line, ",@") {
				if !strings.Contains(line, `"`) { // inside quotes a comma parts no cells
					t.Errorf("seed %d: %s has a formula: %q", seed, strings.Join(args, " "), line)
				}
			}
		}
	}
}

// A shipping ships logs to an endpoint of its own and makes pages of them.
type shipping struct {
	dir, conf string
}

func newShipping(t testing.TB) *shipping {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	s := logstest.New(logstest.Options{})
	url, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	conf := filepath.Join(dir, "a.yaml")
	text := fmt.Appendf(nil, "cloudwatch: {endpoint_url: %q, region: us-east-1, group: /r, stream: s}\n", url)
	if err := os.WriteFile(conf, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return &shipping{dir, conf}
}

// all makes a page of a log and ships it: the page is made of whatever there is, and
// replay says nothing that drives a terminal.
func (s *shipping) all(t *testing.T, seed uint64, file string) {
	t.Helper()
	if _, err := printed("report", []string{"-if", file, "--html", filepath.Join(s.dir, "page.html")}); err != nil {
		t.Errorf("seed %d: page: %v", seed, err)
	}
	out, _ := printed("replay", []string{"-c", s.conf, file}) // what cannot be read fails
	if bad := badText(out); bad != "" {
		t.Errorf("seed %d: replay prints %s", seed, bad)
	}
}

// TestHostileLogs asks search and report everything of mutated logs: no panic,
// and nothing printed drives a terminal. Formats are asked in turn.
func TestHostileLogs(t *testing.T) {
	logs, all, ship := seedLogs(t), askings(), newShipping(t)
	file := filepath.Join(t.TempDir(), "audit.log")
	const seeds, each = 40, 6
	for seed := range uint64(seeds) {
		rnd := rand.New(rand.NewPCG(seed, 5))
		log := logs[rnd.IntN(len(logs))]
		log = mutate(rnd, log[:min(len(log), 20_000)])
		if err := os.WriteFile(file, log, 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(each) {
			hostile(t, seed, file, all[(seed*each+i)%uint64(len(all))])
		}
		if seed%8 == 0 {
			ship.all(t, seed, file)
		}
	}
}

// FuzzLogs gives search, report, the page and replay whole logs.
func FuzzLogs(f *testing.F) {
	for _, log := range seedLogs(f) {
		f.Add(log[:min(len(log), 4096)], uint64(1))
	}
	all, ship := askings(), newShipping(f)
	f.Fuzz(func(t *testing.T, log []byte, seed uint64) {
		dir := t.TempDir()
		file := filepath.Join(dir, "audit.log")
		log = mutate(rand.New(rand.NewPCG(seed, 6)), log)
		if err := os.WriteFile(file, log, 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(4) {
			hostile(t, seed, file, all[(seed+i*7)%uint64(len(all))])
		}
		ship.all(t, seed, file)
	})
}

// TestHostileRules checks a rule file whose name and lines would drive a terminal.
func TestHostileRules(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a\x1b[2J\n\u009b\u202e.rules")
	text := "-w /no\x1b[2J/x -p wa -k a\u009bb\nbad\x1b]0;x\x07line \u202e\n-a always,exit -S nosuch\u009b\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if status := execute(t.Context(), []string{"rules", "check", file}, &out, &out); status != exitUsage {
		t.Errorf("exit status %d, want %d", status, exitUsage)
	}
	if bad := badText(out.Bytes()); bad != "" || strings.Count(out.String(), "rules:") < 4 {
		t.Errorf("printed %s in\n%s", bad, out.String())
	}
}
