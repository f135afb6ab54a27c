package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestLint holds each trap to its warning, and what is right to none.
func TestLint(t *testing.T) {
	places := map[string]Place{
		"/d": {Exists: true}, "/d/e": {Exists: true}, "/f": {Exists: true}, "/link": {Exists: true, Link: "/d"},
		"/mnt/efs/x": {Exists: true, Mount: "/mnt/efs"},
	}
	linter := Linter{IOUring: true, Place: func(path string) Place { return places[path] }}
	const good = `-a always,exit -F arch=b64 -S unlink,unlinkat,rename,renameat,renameat2,rmdir -F dir=/d -k k
-a always,exit -F arch=b32 -S unlink,unlinkat,rename,renameat,renameat2,rmdir -F dir=/d -k k
-a always,io_uring -S unlinkat,renameat -F dir=/d -k k
`
	for _, tt := range []struct {
		name, text string
		want       string // LINE CODE, …
	}{
		{"good", good, ""},
		{"other keys are no matter", strings.Replace(good, "-k k\n-a always,io", "-k other\n-a always,io", 1), ""},
		{"five calls", strings.ReplaceAll(good, ",renameat2", ""), "1 no-renameat2"},
		{"half of the deletions", strings.ReplaceAll(good, "unlink,unlinkat", "unlink"), "1 no-unlinkat"},
		{"rmdir alone", strings.ReplaceAll(good, "unlink,unlinkat,rename,renameat,renameat2,", ""), ""},
		{"64 bits", strings.Split(good, "\n")[0] + "\n-a always,io_uring -S all\n", "1 no-b32"},
		{"32 bits for another directory", strings.Replace(good, "arch=b32 -S unlink,unlinkat,rename,renameat,renameat2,rmdir -F dir=/d", "arch=b32 -S all -F dir=/d/e", 1), "1 no-b32"},
		{"no arch", "-a always,exit -S chmod -F dir=/d\n", "1 no-arch"},
		{"no calls, no arch", "-a always,exit -F dir=/d -F perm=x -F uid=0\n", ""},
		{"no io_uring", strings.Join(strings.Split(good, "\n")[:2], "\n"), "1 no-io-uring"},
		{"io_uring above", strings.Replace(good, "renameat -F dir=/d", "renameat", 1), ""},
		{"io_uring elsewhere", strings.Replace(good, "renameat -F dir=/d", "renameat -F dir=/d/e", 1), "1 no-io-uring"},
		{"never,task", "-a never,task\n", "1 never-task"},
		{"never,task of somebody", "-a never,task -F uid=5\n", ""},
		{"hidden", "-a never,exit -S all -F dir=/d\n" + good, "2 hidden, 3 hidden"},
		{"hidden from below", good + "-A never,exit -S all -F dir=/d\n", "1 hidden, 2 hidden"},
		{"a file of it is not all", "-a never,exit -S all -F dir=/d/e\n" + good, ""},
		{"watch", "-w /f -p wa -k k\n", "1 slow-watch"},
		{"watch of a directory", "-w /d -p x -k k\n-a never,exit -F uid=3\n", "1 slow-watch"},
		{"twice", good + strings.Split(good, "\n")[1] + "\n", "4 duplicate"},
		{"link", strings.ReplaceAll(good, "/d", "/link"), "1 symlink"},
		{"not mounted", strings.ReplaceAll(good, "/d", "/mnt/efs/x"), "1 not-mounted"},
		{"missing", strings.ReplaceAll(good, "/d", "/nowhere"), "1 missing"},
		{"missing file", "-a always,exit -F arch=b64 -F path=/nowhere -F perm=w\n-a always,exit -F arch=b32 -F path=/nowhere -F perm=w\n", ""},
		{"missing call", strings.ReplaceAll(good, "rmdir", "rmdir,sigreturn"), "1 arch-lacks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := ParseFile("x", strings.NewReader(tt.text), Options{Arch: "x86_64", IsDir: func(path string) bool { return path == "/d" }})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range slices.Concat(f.Warnings, linter.Lint(f.Rules)) {
				got = append(got, fmt.Sprintf("%d %s", w.Line, w.Code))
				if w.Fix == "" {
					t.Errorf("%s: no cure", w)
				}
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("got %q, want %q", strings.Join(got, ", "), tt.want)
			}
		})
	}
}
