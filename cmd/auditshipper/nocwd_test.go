//go:build amd64

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// TestKernelNoCWD deletes and renames while a rule of others keeps CWD records away.
// Where the PARENT's inode tells the directory, names are resolved as ever; status
// tells of that rule.
func TestKernelNoCWD(t *testing.T) {
	c := kerneltest.Need(t)
	file, err := rules.ParseFile("x.rules", strings.NewReader("-a always,exclude -F msgtype=CWD\n"), rules.Options{})
	failIf(t, err)
	rule := file.Rules[0].Encode()
	failIf(t, c.AddRule(rule))
	t.Cleanup(func() { failIf(t, c.DeleteRule(rule)) })
	r := newRig(t, "")
	r.start()
	shell(t, `cd "$1"; mkdir -p tree/a/b/c tree/d; touch tree/a/1 tree/a/b/2 tree/a/b/c/3 tree/d/4 5 6; cd tree; mv a/1 d/moved; rm -f ../5; cd d; rm -f 4; cd "$1"; rm -rf tree; rm -f "$1/6"`, r.watched)
	var got []shipped
	r.eventually(20*time.Second, "the last deletion", func() bool {
		got = r.ours()
		return slices.ContainsFunc(got, func(e shipped) bool { return e.Path == r.watched+"/6" })
	})
	want := []string{
		"rename tree/a/1 tree/d/moved", "delete 5", "delete tree/d/4", "delete tree/d/moved", "delete tree/a/b/2",
		"delete tree/a/b/c/3", "delete tree/a/b/c", "delete tree/a/b", "delete tree/a", "delete tree/d", "delete tree", "delete 6",
	}
	var told []string
	for _, e := range got {
		if strings.Contains(e.Raw, "type=CWD") {
			t.Errorf("a CWD record came: %s", e.Raw)
		}
		if e.Action == "delete" || e.Action == "rename" {
			text := fmt.Sprint(e.Action, " ", e.Path, " ", e.Dest)
			told = append(told, strings.TrimSpace(strings.ReplaceAll(text, r.watched+"/", "")))
			if e.PathFrom == "unresolved" || e.PathFrom == "claimed" {
				t.Errorf("%s: from %s", text, e.PathFrom)
			}
		}
	}
	for _, text := range want {
		if !slices.Contains(told, text) {
			t.Errorf("%q is not told; told were %q", text, told)
		}
	}
	if st, err := askSocket(r.socket()); err != nil || st.State != "degraded" || !strings.Contains(strings.Join(st.Rules.Hidden, " "), "CWD") {
		t.Errorf("%v, %s, hidden %q", err, st.State, st.Rules.Hidden)
	}
}
