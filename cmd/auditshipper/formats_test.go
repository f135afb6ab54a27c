package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/logstest"
	"github.com/auditshipper/auditshipper/internal/paths"
	"github.com/auditshipper/auditshipper/internal/query"
)

// TestGroupFormats asks a group in each format: what is found is the same.
func TestGroupFormats(t *testing.T) {
	log, err := os.ReadFile("../../internal/event/testdata/corpus/debian12-6.18-basics.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	var found [][]string
	for _, format := range []string{"json", "raw", "ocsf"} {
		messages, millis := encoded(log, format)
		s := logstest.New(logstest.Options{})
		url, err := s.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		callLogs(t, url, "CreateLogGroup", `{"logGroupName":"/g"}`)
		callLogs(t, url, "CreateLogStream", `{"logGroupName":"/g","logStreamName":"host"}`)
		for i, m := range messages {
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			callLogs(t, url, "PutLogEvents", fmt.Sprintf(`{"logGroupName":"/g","logStreamName":"host","logEvents":[{"timestamp":%d,"message":%s}]}`, millis[i], text))
		}
		config := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(config, fmt.Appendf(nil, "cloudwatch: {endpoint_url: %q, region: us-east-1}\n", url), 0o600); err != nil {
			t.Fatal(err)
		}
		group := []string{"--config", config, "--log-group", "/g"}
		var paths []string
		for _, call := range []string{"unlinkat", "renameat2"} {
			text, err := printed("search", append(slices.Clone(group), "-k", "t", "-sv", "yes", "-sc", call, "--format", "csv"))
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range rows[1:] {
				path := row[slices.Index(rows[0], "OBJ_PRIME")]
				if call == "renameat2" {
					path += " -> " + row[slices.Index(rows[0], "OBJ_SEC")]
				}
				paths = append(paths, path)
			}
		}
		found = append(found, paths)
		if report, err := printed("report", append(slices.Clone(group), "-f", "-i")); err != nil || !strings.Contains(string(report), " /srv/t/b/c/f1 ") {
			t.Errorf("%s: %v\n%s", format, err, report)
		}

		src, _, err := query.OpenMessages(stored(messages), query.Options{Facts: true}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tl := newTail()
		if lines, err := tl.collect(src, func(*query.Event) bool { return true }); err != nil || !strings.Contains(strings.Join(lines, ""), "delete /srv/t/b/c/f1 ") {
			t.Errorf("%s: tail: %v\n%s", format, err, lines)
		}
	}
	for i, paths := range found {
		slices.Sort(paths) // those that wait come when their wait is over
		if len(paths) < 10 || !slices.Equal(paths, found[0]) {
			t.Errorf("format %d: %q\nwant %q", i, paths, found[0])
		}
	}
}

// encoded are the events of a log as messages of a group, of the last minutes.
func encoded(log []byte, format string) (messages []string, millis []int64) {
	s := paths.NewStream(paths.Options{})
	seq := uint64(0)
	for line := range bytes.Lines(log) {
		if l, err := event.ParseLine(line); err == nil {
			seq++
			s.Push(seq, l.Type, l.Text)
		}
	}
	s.Flush()
	enc := encode.Encoder{Host: "host"}
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		form := map[string]func([]byte, *event.Event) []byte{"json": enc.AppendJSON, "raw": enc.AppendRaw, "ocsf": enc.AppendOCSF}[format]
		messages = append(messages, string(form(nil, e)))
		millis = append(millis, time.Now().UnixMilli())
		s.Free(e)
	}
	return messages, millis
}

func stored(messages []string) func(yield func(query.Message, error) bool) {
	return func(yield func(query.Message, error) bool) {
		for _, m := range messages {
			if !yield(query.Message{Stream: "host", Text: m}, nil) {
				return
			}
		}
	}
}
