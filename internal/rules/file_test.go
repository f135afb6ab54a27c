package rules

import (
	"strings"
	"testing"
)

// TestForeignLineEnds reads files as editors of other systems write them, and says so.
func TestForeignLineEnds(t *testing.T) {
	const (
		plain = "# rules\n-w /etc/passwd -p wa -k identity\n\n-w /etc/group -p wa -k identity\n"
		bom   = "\ufeff"
	)
	crlf := strings.ReplaceAll(plain, "\n", "\r\n")
	for _, tt := range []struct{ name, text, warns string }{
		{"plain", plain, ""},
		{"CR LF", crlf, "a.rules:1: crlf"},
		{"CR LF from the second line on", "# rules\n" + crlf[len("# rules\r\n"):], "a.rules:2: crlf"},
		{"a byte order mark", bom + plain, "a.rules:1: bom"},
		{"both", bom + crlf, "a.rules:1: bom a.rules:1: crlf"},
		{"no end of the last line", strings.TrimSuffix(crlf, "\n"), "a.rules:1: crlf"},
	} {
		file, err := ParseFile("a.rules", strings.NewReader(tt.text), Options{Arch: "x86_64"})
		if err != nil || len(file.Rules) != 2 {
			t.Errorf("%s: %d rules, %v", tt.name, len(file.Rules), err)
			continue
		}
		for i := range file.Rules {
			if key := file.Rules[i].Key(); key != "identity" {
				t.Errorf("%s: key %q", tt.name, key)
			}
		}
		var warns []string
		for _, w := range file.Warnings {
			if w.Code == "crlf" || w.Code == "bom" {
				warns = append(warns, strings.TrimSuffix(w.String(), ": warning: "+w.Msg)+": "+w.Code)
			}
		}
		if got := strings.Join(warns, " "); got != tt.warns {
			t.Errorf("%s: warnings %q, want %q", tt.name, got, tt.warns)
		}
	}
	for _, text := range []string{"-w /etc/passwd -p wa -k a\rb\n", "-w /etc/passwd -p wa -k " + bom + "\n"} { // within a line they are text
		file, err := ParseFile("a.rules", strings.NewReader(text), Options{Arch: "x86_64"})
		if err != nil || len(file.Rules) != 1 || !strings.Contains(text, file.Rules[0].Key()+"\n") {
			t.Errorf("%q: %+v, %v", text, file, err)
		}
	}
}
