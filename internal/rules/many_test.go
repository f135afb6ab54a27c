package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestManyRules plans and checks thousands of rules, which must not take a time that grows
// with the square of their number: the daemon plans at every change.
func TestManyRules(t *testing.T) {
	const n = 2000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "-a always,exit -F arch=b64 -S acct -F uid=%d -k many\n", i)
	}
	file, err := ParseFile("many.rules", strings.NewReader(text.String()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	list := file.Rules
	began := time.Now()
	p := MakePlan(nil, State{}, []Source{{Name: "one", Rules: list}, {Name: "two", Rules: list}})
	Linter{}.Lint(list)
	if took := time.Since(began); len(p.Steps) != n || took > 5*time.Second {
		t.Errorf("%d steps in %v, want %d in far less", len(p.Steps), took, n)
	} else {
		t.Log(took)
	}
}
