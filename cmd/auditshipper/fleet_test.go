package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// fleetSize is how many hosts, and events of each, TestFleet has; more where
// somebody asks.
func fleetSize(t *testing.T) (hosts, events int) {
	hosts, events = 10, 300
	if text := os.Getenv("TEST_FLEET"); text != "" {
		if _, err := fmt.Sscanf(text, "%dx%d", &hosts, &events); err != nil {
			t.Fatal(err)
		}
	}
	return hosts, events
}

// TestFleet searches and reports over the streams of many hosts, also where the
// endpoint ignores patterns: what is found is what was put there, each once.
func TestFleet(t *testing.T) {
	hosts, each := fleetSize(t)
	for _, ignores := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignores patterns %t", ignores), func(t *testing.T) {
			s := logstest.New(logstest.Options{IgnorePatterns: ignores})
			url, err := s.Start("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			deleted := fillFleet(t, url, hosts, each)

			config := filepath.Join(t.TempDir(), "a.yaml")
			if err := os.WriteFile(config, fmt.Appendf(nil, "cloudwatch: {endpoint_url: %q, region: us-east-1}\n", url), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_ACCESS_KEY_ID", "test")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
			group := []string{"--config", config, "--log-group", "/fleet", "--since", "2h"}
			got, err := printed("search", append(slices.Clone(group), "-k", "efs", "--format", "csv"))
			if err != nil {
				t.Fatal(err)
			}
			rows, err := csv.NewReader(bytes.NewReader(got)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]bool{}
			for _, row := range rows[1:] {
				name := row[0] + row[slices.Index(rows[0], "OBJ_PRIME")]
				if found[name] || !deleted[name] {
					t.Fatalf("found twice, or never there: %q", row)
				}
				found[name] = true
			}
			if len(found) != len(deleted) {
				t.Errorf("found %d of %d", len(found), len(deleted))
			}
			got, err = printed("report", append(group, "-k", "--summary"))
			if want := fmt.Sprintf("\n%d  efs\n", len(deleted)); err != nil || !bytes.Contains(got, []byte(want)) {
				t.Errorf("report: %v\n%s\nwant%s", err, got, want)
			}
		})
	}
}

// fillFleet puts events of hosts into a group, every third with the key efs,
// and returns those; the last of each host comes twice.
func fillFleet(t *testing.T, url string, hosts, each int) map[string]bool {
	t.Helper()
	deleted := map[string]bool{}
	now := time.Now().Add(-time.Hour)
	put := func(target, body string) { callLogs(t, url, target, body) }
	put("CreateLogGroup", `{"logGroupName":"/fleet"}`)
	for h := range hosts {
		host := fmt.Sprintf("host%02d", h)
		put("CreateLogStream", fmt.Sprintf(`{"logGroupName":"/fleet","logStreamName":%q}`, host))
		var events []string
		flush := func() {
			put("PutLogEvents", fmt.Sprintf(`{"logGroupName":"/fleet","logStreamName":%q,"logEvents":[%s]}`, host, strings.Join(events, ",")))
		}
		for i := range each {
			at := now.Add(time.Duration(i) * time.Millisecond)
			key, path := "other", fmt.Sprintf("/mnt/efs/%s/%d", host, i)
			if i%3 == 0 {
				key = "efs"
				deleted[host+path] = true
			}
			message := fmt.Sprintf(`{"v":1,"id":"%d.%03d:%d","time":%q,"host":%q,"key":%q,"action":"delete","syscall":"unlinkat","success":true,"path":%q,"path_from":"absolute","type":"file","uid":0,"pid":7,"ppid":1,"comm":"rm","exe":"/usr/bin/rm"}`,
				at.Unix(), at.UnixMilli()%1000, i+1, at.UTC().Format(time.RFC3339Nano), host, key, path)
			events = append(events, fmt.Sprintf(`{"timestamp":%d,"message":%s}`, at.UnixMilli(), strconv.Quote(message)))
			if len(events) == 3000 {
				flush()
				events = nil
			}
		}
		if len(events) > 0 {
			flush()
			events = events[len(events)-1:]
			flush() // as after a kill
		}
	}
	return deleted
}

// callLogs makes one call of CloudWatch Logs.
func callLogs(t *testing.T, url, target, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "Logs_20140328."+target)
	date := time.Now().UTC().Format("20060102T150405Z")
	req.Header.Set("X-Amz-Date", date)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/"+date[:8]+"/us-east-1/logs/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var why bytes.Buffer
		_, _ = why.ReadFrom(resp.Body) // for the message
		t.Fatalf("%s: %s %s", target, resp.Status, why.String())
	}
}
