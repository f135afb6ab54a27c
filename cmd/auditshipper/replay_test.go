package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// TestReplay ships a log with two events that are too old, in both formats, and
// ships it again: nothing is there twice, and every event has its own time.
func TestReplay(t *testing.T) {
	for _, format := range []string{"json", "raw"} {
		t.Run(format, func(t *testing.T) {
			s := logstest.New(logstest.Options{})
			url, err := s.Start("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			dir := t.TempDir()
			var log bytes.Buffer
			begin := time.Now().Add(-13 * 24 * time.Hour).Truncate(time.Second)
			const recent, old = 500, 2
			for i := range recent + old {
				at := begin.Add(time.Duration(i) * 10 * time.Minute)
				if i >= recent {
					at = begin.Add(-30 * 24 * time.Hour)
				}
				fmt.Fprintf(&log, "type=USER_CMD msg=audit(%d.000:%d): pid=1 uid=0 auid=1000 ses=1 msg='cwd=\"/\" cmd=\"ls\" terminal=pts/0 res=success'\n", at.Unix(), i+1)
			}
			file, conf := filepath.Join(dir, "audit.log"), filepath.Join(dir, "a.yaml")
			for name, text := range map[string][]byte{
				file: log.Bytes(),
				conf: fmt.Appendf(nil, "cloudwatch: {endpoint_url: %q, region: us-east-1, group: /r, stream: s, format: %s}\n", url, format),
			} {
				if err := os.WriteFile(name, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("AWS_ACCESS_KEY_ID", "test")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
			for range 2 {
				listed, err := printed("replay", []string{"-c", conf, file})
				if err == nil || strings.Count(string(listed), "too old: ") != old {
					t.Errorf("%v\n%s", err, listed)
				}
				events := s.Events("/r", "s")
				if len(events) != recent {
					t.Fatalf("%d events arrived, want %d", len(events), recent)
				}
				slices.SortFunc(events, func(a, b logstest.Event) int { return cmp.Compare(a.Millis, b.Millis) }) // calls are in flight together
				for i, e := range events {
					if want := begin.Add(time.Duration(i) * 10 * time.Minute).UnixMilli(); e.Millis != want {
						t.Fatalf("event %d is of %d, want %d", i, e.Millis, want)
					}
				}
			}
			if v := s.Violations(); len(v) > 0 {
				t.Errorf("limits broken: %v", v)
			}
		})
	}
}

// TestReplayHostsOfOneName ships what another host of that name logged under the same
// id, and nothing twice.
func TestReplayHostsOfOneName(t *testing.T) {
	s := logstest.New(logstest.Options{})
	url, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dir := t.TempDir()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AUDITSHIPPER_CLOUDWATCH_ENDPOINT_URL", url)
	t.Setenv("AUDITSHIPPER_CLOUDWATCH_REGION", "us-east-1")
	t.Setenv("AUDITSHIPPER_CLOUDWATCH_GROUP", "/r")
	at := time.Now().Add(-time.Hour).Unix()
	for _, tt := range []struct {
		pid, want int
		stream    string
	}{{1, 1, "a"}, {2, 1, "b"}, {1, 1, "b"}, {2, 1, "b"}} {
		file := filepath.Join(dir, "audit.log")
		text := fmt.Appendf(nil, "type=USER_CMD msg=audit(%d.000:7): pid=%d uid=0 auid=1000 ses=1 msg='cwd=\"/\" cmd=\"ls\" res=success'\n", at, tt.pid)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("AUDITSHIPPER_CLOUDWATCH_STREAM", tt.stream)
		if out, err := printed("replay", []string{"-c", os.DevNull, file}); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if n := len(s.Events("/r", tt.stream)); n != tt.want {
			t.Errorf("process %d: %d events in stream %s, want %d", tt.pid, n, tt.stream, tt.want)
		}
	}
}
