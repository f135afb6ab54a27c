package rules

import (
	"bytes"
	"strings"
	"testing"
)

func fuzzHost() Options {
	o := Options{Arch: HostArch(), IsDir: func(p string) bool { return strings.HasSuffix(p, "dir") }}
	o.User = account(map[string]uint32{"root": 0, "daemon": 1})
	o.Group = account(map[string]uint32{"root": 0, "daemon": 1})
	return o
}

// FuzzLine reads any text as a rule file. What it makes of a rule prints to a
// line that makes the same bytes again, and those decode to themselves.
func FuzzLine(f *testing.F) {
	for _, g := range readGolden(f) {
		f.Add(g.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, _ := ParseFile("f", strings.NewReader(text), fuzzHost())
		for i := range file.Rules {
			sameAgain(t, &file.Rules[i])
		}
	})
}

func sameAgain(t *testing.T, r *Rule) {
	b := r.Encode()
	decoded, err := Decode(b)
	if err != nil || !bytes.Equal(decoded.Encode(), b) {
		t.Fatalf("%s: decoded as %s, %v", r, &decoded, err)
	}
	line := r.AddLine()
	again, err := ParseFile("again", strings.NewReader(line), fuzzHost())
	if err != nil || len(again.Rules) != 1 {
		t.Fatalf("%q is not read back: %v", line, err)
	}
	if got := &again.Rules[0]; !bytes.Equal(got.Encode(), b) || got.First != r.First || got.AddLine() != line {
		t.Fatalf("%q reads back as\n%x, was\n%x", line, got.Encode(), b)
	}
}

// FuzzDecode reads any bytes as a rule of the kernel.
func FuzzDecode(f *testing.F) {
	file, _ := ParseFile("f", strings.NewReader("-a always,exit -F arch=b64 -S unlink -F dir=/tmp -F uid!=0 -k k\n-a never,task\n-w /etc -p r\n"), fuzzHost())
	for i := range file.Rules {
		f.Add(file.Rules[i].Encode())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		_, _ = r.String(), r.AddLine()
		again, err := Decode(r.Encode())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%s: %v", &r, err)
		}
	})
}
