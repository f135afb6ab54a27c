package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

const cases = "../../internal/query/testdata/cases/"

// TestReportTTY lists typed keys as aureport names them.
func TestReportTTY(t *testing.T) {
	got, err := printed("report", []string{"-if", cases + "tty.log", "--tty"})
	for _, want := range []string{
		" 40 1000 pts1 160 bash \"type something\",<ret>\n", " 41 1000 ? 160 ? \"rm -rf /mnt/efs/x y\"\n", " 42 1000 ? 160 ? \"ls\"\n",
	} {
		if err != nil || !bytes.Contains(got, []byte(want)) {
			t.Errorf("%v: %q is not in\n%s", err, want, got)
		}
	}
}

// TestSearchDebug says which lines and records are malformed.
func TestSearchDebug(t *testing.T) {
	var out, errs bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs([]string{"search", "--debug", "-if", cases + "malformed.log"})
	if err := root.Execute(); err == nil {
		t.Errorf("found %s", out.Bytes())
	}
	want := `Malformed line skipped: garbage line
Malformed line skipped: type=SYSCALL msg=audit(broken): x
Malformed line skipped: type=FOO
Malformed event skipped: type=SYSCALL msg=audit(1796001010.100:1): arch=c000003e syscall=87 success=yes
<no matches>
`
	if errs.String() != want {
		t.Errorf("got\n%s\nwant\n%s", errs.Bytes(), want)
	}
}

// TestRawKeepsSeparators prints an enriched event raw: the byte in front of what
// auditd appended stands there, too, where it appended nothing.
func TestRawKeepsSeparators(t *testing.T) {
	log := strings.TrimSuffix(strangers, "\n") + "\ntype=CWD msg=audit(1795629708.403:7): cwd=\"/\"\x1d\n"
	file := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := searchFor([]string{"-if", file, "--raw"}); err != nil || string(got) != log {
		t.Errorf("%v, got %q, want %q", err, got, log)
	}
}

var secondOf = regexp.MustCompile(`audit\((\d+)\.`)

// recently moves the events of a log into the last hour.
func recently(t *testing.T, name string) []byte {
	t.Helper()
	log, err := os.ReadFile(cases + name)
	if err != nil {
		t.Fatal(err)
	}
	var first int64
	return secondOf.ReplaceAllFunc(log, func(m []byte) []byte {
		var sec int64
		if _, err := fmt.Sscanf(string(m), "audit(%d.", &sec); err != nil {
			t.Fatal(err)
		}
		if first == 0 {
			first = sec
		}
		return fmt.Appendf(nil, "audit(%d.", time.Now().Add(-time.Hour).Unix()/60*60+sec-first)
	})
}

// TestReplayCases ships logs whose events are slow, of two nodes out of step, or
// share an id: each event arrives once, whole.
func TestReplayCases(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	for _, tt := range []struct {
		name   string
		events int
		paths  []string
	}{
		{"slow-call.log", 4, []string{"a.log", "b.log", "c.log", "d.log"}},
		{"two-nodes.log", 20, []string{"a0.txt", "a9.txt", "b0.txt", "b9.txt"}},
		{"same-id-two-nodes.log", 2, []string{"a.txt", "b.txt"}},
		{"pair.log", 6, nil},
		{"refused-link.log", 14, nil},
		{"by-number.log", 5, nil},
		{"new-types.log", 25, nil}, // calls without a PROCTITLE
	} {
		s := logstest.New(logstest.Options{})
		url, err := s.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file, conf := filepath.Join(dir, "audit.log"), filepath.Join(dir, "a.yaml")
		for name, text := range map[string][]byte{
			file: recently(t, tt.name),
			conf: fmt.Appendf(nil, "cloudwatch: {endpoint_url: %q, region: us-east-1, group: /r, stream: s}\n", url),
		} {
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if listed, err := printed("replay", []string{"-c", conf, file}); err != nil {
			t.Errorf("%s: %v\n%s", tt.name, err, listed)
		}
		var all strings.Builder
		events := s.Events("/r", "s")
		ids := map[string]bool{}
		for _, e := range events {
			all.WriteString(e.Message)
			var is struct{ ID, Host string }
			if err := json.Unmarshal([]byte(e.Message), &is); err != nil {
				t.Errorf("%s: %v", e.Message, err)
			}
			ids[is.Host+" "+is.ID] = true
		}
		if len(ids) != tt.events || len(events) != tt.events || tt.name != "new-types.log" && strings.Contains(all.String(), `"partial"`) {
			t.Errorf("%s: %d events, want %d whole ones: %s", tt.name, len(events), tt.events, all.String())
		}
		for _, path := range tt.paths {
			if strings.Count(all.String(), `"path":"/mnt/efs/`+path+`"`) != 1 {
				t.Errorf("%s: %s is not there once", tt.name, path)
			}
		}
		s.Close()
	}
}

// TestReplayUnread fails on what is no log.
func TestReplayUnread(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "a.yaml")
	s := logstest.New(logstest.Options{})
	url, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	if err := os.WriteFile(conf, fmt.Appendf(nil, "cloudwatch: {endpoint_url: %q, region: us-east-1, group: /r, stream: s}\n", url), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "audit.log.7.lz4")
	if err := os.WriteFile(file, []byte("\x04\x22\x4d\x18 packed otherwise"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := printed("replay", []string{"-c", conf, file}); err == nil {
		t.Error("it says that it shipped all of it")
	}
}
