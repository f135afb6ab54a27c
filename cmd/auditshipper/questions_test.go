package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// questionLog is an ENRICHED log of the last days on a host called web1.
func questionLog(t *testing.T) (file string) {
	t.Helper()
	var b strings.Builder
	serial := 0
	type made struct {
		at    time.Time
		write func()
	}
	var calls []made
	write := func(at time.Time, user string, uid, call int, success, comm, exe string, paths ...string) {
		serial++
		stamp := fmt.Sprintf("audit(%d.%03d:%d)", at.Unix(), serial, serial)
		exit := map[string]int{"yes": 0, "no": -13}[success]
		fmt.Fprintf(&b, "node=web1 type=SYSCALL msg=%s: arch=c000003e syscall=%d success=%s exit=%d a0=1 a1=2 a2=0 a3=0 items=%d ppid=1 pid=7 auid=%d uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm=%q exe=%q key=\"efs_changes\"\x1dAUID=%q UID=\"root\"\n",
			stamp, call, success, exit, len(paths)+1, uid, comm, exe, user)
		fmt.Fprintf(&b, "node=web1 type=CWD msg=%s: cwd=\"/\"\n", stamp)
		fmt.Fprintf(&b, "node=web1 type=PATH msg=%s: item=0 name=%q inode=80 dev=00:2a mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT\n", stamp, filepath.Dir(paths[0])+"/")
		for i, p := range paths {
			kind := []string{"DELETE", "CREATE"}[i]
			fmt.Fprintf(&b, "node=web1 type=PATH msg=%s: item=%d name=%q inode=9%d dev=00:2a mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=%s\n", stamp, i+1, p, serial, kind)
		}
		fmt.Fprintf(&b, "node=web1 type=EOE msg=%s: \n", stamp)
	}
	call := func(at time.Time, user string, uid, number int, success, comm, exe string, paths ...string) {
		calls = append(calls, made{at, func() { write(at, user, uid, number, success, comm, exe, paths...) }})
	}
	now := time.Now()
	monday := now.AddDate(0, 0, -(int(now.Weekday())+6)%7)
	noon := func(day time.Time) time.Time {
		return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 30, 0, day.Location())
	}
	for i := range 3 {
		call(noon(now.AddDate(0, 0, -6)), "alice", 1002, 87, "yes", "rm", "/usr/bin/rm", fmt.Sprint("/mnt/efs/proj/f", i, ".doc"))
	}
	const unlink, rename = 87, 82
	call(noon(monday), "bob", 1001, rename, "yes", "mv", "/usr/bin/mv", "/mnt/efs/a.doc", "/mnt/efs/b.doc")
	call(noon(now.AddDate(0, 0, -1)).Add(time.Hour), "bob", 1001, unlink, "yes", "rm", "/usr/bin/rm", "/mnt/efs/x")
	call(now.Add(-time.Minute), "eve", 1003, unlink, "no", "rm", "/usr/bin/rm", "/mnt/efs/secret")
	slices.SortStableFunc(calls, func(a, b made) int { return a.at.Compare(b.at) })
	for _, c := range calls {
		c.write()
	}
	file = filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var questionRow = regexp.MustCompile("(?m)^\\|.*\\| `auditshipper (search|report) (.*)` \\|$")

// TestQuestions runs every command of docs/questions.md over a file and over a log
// group with its events: each has an answer, and both have the same one. Formats that
// ausearch has differ where a record says what an event does not, or less.
func TestQuestions(t *testing.T) {
	text, err := os.ReadFile("../../docs/questions.md")
	if err != nil {
		t.Fatal(err)
	}
	file := questionLog(t)
	all, errs, code := told(t, "search", "-if", file, "--format", "json")
	if code != 0 {
		t.Fatal(errs)
	}
	s := logstest.New(logstest.Options{})
	config := readsFrom(t, s)
	deliver(t, s, all)
	rows := questionRow.FindAllStringSubmatch(string(text), -1)
	if len(rows) < 20 {
		t.Fatalf("%d questions", len(rows))
	}
	for _, row := range rows {
		words := append([]string{row[1]}, shellWords(row[2])...)
		if row[1] == "search" && !strings.Contains(row[2], "--format") {
			words = append(words, "--format", "json")
		}
		local, errs, code := told(t, append(words, "-if", file)...)
		if code != 0 || local == "" || strings.Contains(local, "<no events") {
			t.Errorf("%s: exit %d, %s%s", row[2], code, local, errs)
		}
		group, errs, code := told(t, append(words, "--config", config, "--log-group", "/agree")...)
		same := group == local
		if slices.Contains(words, "text") || slices.Contains(words, "csv") || slices.Contains(words, "-f") && row[1] == "report" { // ausearch's own words of records
			same = strings.Count(group, "\n") == strings.Count(local, "\n")
		}
		if code != 0 || !same {
			t.Errorf("%s: exit %d, the group says\n%s%sthe file\n%s", row[2], code, group, errs, local)
		}
	}
}

var shellWord = regexp.MustCompile(`'[^']*'|"[^"]*"|[^ ]+`)

// shellWords are the words of a command without what a shell would do more.
func shellWords(text string) (words []string) {
	for _, w := range shellWord.FindAllString(text, -1) {
		words = append(words, strings.Trim(w, `'"`))
	}
	return words
}
