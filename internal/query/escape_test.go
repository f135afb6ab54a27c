package query

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/auditshipper/auditshipper/internal/event"
)

// nasty are pieces of which hostile names are made.
var nasty = []string{
	"a", "/", " ", "\n", "\r", "\t", "\x00", "\x1b[2J", "\x1b]0;x\x07", "\x9b2J", "\u009b2J", "\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\u2029",
	"=HYPERLINK(\"x\")", "+1", "-1", "@SUM", ",", "\"", "'", "\\", "</script>", "ä", "日本", "\xff", "\xc3", "\x7f", "\x1d", "\ntype=SYSCALL msg=audit(1.000:1): a=1",
}

func nastyText(rnd *rand.Rand) string {
	var b strings.Builder
	for range 1 + rnd.IntN(6) {
		b.WriteString(nasty[rnd.IntN(len(nasty))])
	}
	return b.String()
}

// hazards says where text has a character that no output may have.
func hazards(text string, allowed string) string {
	for i := 0; i < len(text); {
		n, bad := hazard([]byte(text[i:]))
		if bad && !strings.Contains(allowed, text[i:i+n]) {
			return fmt.Sprintf("%q at %d of %q", text[i:i+n], i, text)
		}
		i += n
	}
	return ""
}

// TestHazard compares hazard with a list of its own.
func TestHazard(t *testing.T) {
	for r := range rune(utf8.MaxRune) {
		if !utf8.ValidRune(r) {
			continue
		}
		want := r < 0x20 || r >= 0x7f && r < 0xa0 || slices.Contains([]rune("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"), r)
		if n, bad := hazard([]byte(string(r))); bad != want || n != utf8.RuneLen(r) {
			t.Fatalf("%U: %v, %d bytes", r, bad, n)
		}
	}
}

// TestEscapes gives each medium random names: none leaves a hazard, and none
// changes what is harmless.
func TestEscapes(t *testing.T) {
	for seed := range uint64(3000) {
		text := nastyText(rand.New(rand.NewPCG(seed, 2)))
		if h := hazards(Safe(text), ""); h != "" {
			t.Errorf("Safe: %s", h)
		}
		if Safe(Safe(text)) != Safe(text) {
			t.Errorf("Safe of %q changes again", text)
		}
		cell := Cell(text)
		if h := hazards(cell, ""); h != "" {
			t.Errorf("Cell: %s", h)
		}
		if strings.ContainsAny(cell[:1], "=+-@\t\r") && !isNumber(cell) {
			t.Errorf("Cell(%q) is a formula: %q", text, cell)
		}
		raw, err := json.Marshal(map[string]string{"path": text})
		if err != nil {
			t.Fatal(err)
		}
		var was, is map[string]string
		safe := SafeJSON(raw)
		if json.Unmarshal(raw, &was) != nil || json.Unmarshal(safe, &is) != nil || was["path"] != is["path"] {
			t.Errorf("SafeJSON of %s is %s", raw, safe)
		}
		if h := hazards(string(safe), ""); h != "" {
			t.Errorf("SafeJSON: %s", h)
		}
		var out bytes.Buffer
		w := &TerminalWriter{W: &out}
		for i := range len(text) { // cut anywhere
			if _, err := w.Write([]byte(text[i : i+1])); err != nil {
				t.Fatal(err)
			}
		}
		w.Write([]byte("\n"))
		if h := hazards(out.String(), "\n"); h != "" {
			t.Errorf("TerminalWriter: %s", h)
		}
		out.Reset()
		if _, err := (LogWriter{&out}).Write([]byte("level\t" + text + "\n")); err != nil {
			t.Fatal(err)
		}
		if h := hazards(strings.TrimSuffix(out.String(), "\n"), "\t"); h != "" {
			t.Errorf("LogWriter: %s", h)
		}
	}
	for _, same := range []string{"", "/srv/ä b", "日本", "-1", "+01:00", "12:30:00", "a\\b"} {
		if Safe(same) != same || Cell(same) != same || string(SafeJSON([]byte(same))) != same {
			t.Errorf("%q is changed", same)
		}
	}
}

// nastyEvent is an event with hostile text in every field.
func nastyEvent(rnd *rand.Rand, records bool) *Event {
	text := func() string { return nastyText(rnd) }
	f := &Facts{
		Action: text(), Syscall: text(), Errno: text(), Key: text(), Path: text(), Dest: text(), Parent: text(), TTY: text(), Comm: text(),
		Exe: text(), Cmd: []string{text(), text()}, Cwd: text(), AUIDName: text(), UIDName: text(), Fields: map[string]string{"op": text(), "cause": text(), "subj": text()},
	}
	if rnd.IntN(2) == 0 {
		f.Action = []string{"gap", "daemon", "delete"}[rnd.IntN(3)]
	}
	e := &Event{ID: event.ID{Sec: 1700000000, Serial: 7}, Node: text(), Facts: f, first: typeSyscall}
	if !records {
		return e
	}
	for _, typ := range []string{"SYSCALL", "USER_CMD", "PATH", "EXECVE", "SOCKADDR", "AVC", "TTY", "PROCTITLE"} {
		// One line, as a reader of lines has it.
		one := strings.ReplaceAll(fmt.Sprintf("node=%s type=%s msg=audit(1700000000.000:7): arch=c000003e syscall=87 success=yes exit=0 a0=1 a1=2 pid=1 auid=%s uid=0 %s=%s comm=%s exe=\"%s\" name=\"%s\" nametype=%s data=%X proctitle=%X msg='op=%s acct=\"%s\" hostname=%s terminal=%s res=success' scontext=%s key=%X",
			text(), typ, text(), text(), text(), text(), text(), text(), text(), text(), text(), text(), text(), text(), text(), text(), text()), "\n", " ")
		l := line{bytes: []byte(one), typ: typeNamed(typ), id: e.ID, text: strings.Index(one, "audit("), end: len(one)}
		e.add(&l)
	}
	e.finish()
	e.first = e.Records[0].Type
	return e
}

func typeNamed(name string) event.Type {
	typ, _ := event.ParseType(name)
	return typ
}

// TestPrintedSafe prints hostile events in every format and escape mode: a
// line begins only where the format begins one, and no character is a hazard.
func TestPrintedSafe(t *testing.T) {
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		e := nastyEvent(rnd, seed%2 == 0)
		for _, format := range []string{"default", "interpret", "csv", "text", "json"} {
			for _, mode := range []string{"tty", "shell", "shell_quote"} {
				var out bytes.Buffer
				p := NewPrinter(&out)
				p.Format, p.Escape = format, mode
				p.Extras = Extras{true, true, true, true}
				e.JSON, _ = json.Marshal(map[string]string{"path": e.Facts.Path, "host": e.Node})
				if err := p.Print(e); err != nil {
					t.Fatal(err)
				}
				if err := p.Flush(); err != nil {
					t.Fatal(err)
				}
				lines := map[string]int{"default": 2 + len(e.Records), "interpret": 1 + len(e.Records), "csv": 2, "text": 1, "json": 1}[format]
				if got := strings.Count(out.String(), "\n"); got != lines {
					t.Errorf("seed %d: %s %s: %d lines, want %d:\n%q", seed, format, mode, got, lines, out.String())
				}
				if h := hazards(out.String(), "\n"); h != "" {
					t.Errorf("seed %d: %s %s: %s", seed, format, mode, h)
				}
				if format == "csv" {
					checkCSV(t, out.String())
				}
			}
		}
	}
}

// checkCSV requires that no cell is a formula.
func checkCSV(t *testing.T, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") && !isNumber(cell) {
				t.Errorf("cell %q is a formula", cell)
			}
		}
	}
}

// TestPageSafe writes a page of hostile events: its data are JSON that ends no
// script, and no cell has a hazard.
func TestPageSafe(t *testing.T) {
	var p Page
	for seed := range uint64(300) {
		p.Add(nastyEvent(rand.New(rand.NewPCG(seed, 4)), false))
	}
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(pageText, "/*DATA*/null")
	var data struct {
		Rows    [][]any        `json:"rows"`
		Actions map[string]int `json:"actions"`
	}
	text := strings.TrimPrefix(out.String(), before)
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&data); err != nil {
		t.Fatal(err)
	}
	if len(data.Rows) != 300 {
		t.Errorf("%d rows, want 300", len(data.Rows))
	}
	for _, row := range data.Rows {
		for _, cell := range row[1:] {
			if h := hazards(cell.(string), ""); h != "" {
				t.Error(h)
			}
		}
	}
	if strings.Count(out.String(), "</script>") != strings.Count(pageText, "</script>") {
		t.Error("a name ends the script")
	}
}
