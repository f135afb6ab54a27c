package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
	"github.com/auditshipper/auditshipper/internal/query"
)

// TestFleetVerb has ten hosts: three were killed, one has an old configuration,
// one has no rules, one lost events, one stops by itself, and one never came.
func TestFleetVerb(t *testing.T) {
	s := logstest.New(logstest.Options{})
	config := readsFrom(t, s)
	do := func(op string, in any) {
		text, err := json.Marshal(in)
		if err == nil {
			err = s.Do(op, string(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	do("CreateLogGroup", map[string]any{"logGroupName": "/fleet"})
	serial := 0
	say := func(host string, ago time.Duration, fields string) {
		serial++
		at := time.Now().Add(-ago)
		line := fmt.Sprintf(`{"v":1,"id":"%d.%03d:%d","time":%q,"host":"%s.local",%s}`, at.Unix(), at.UnixMilli()%1000, serial, at.UTC().Format(time.RFC3339Nano), host, fields)
		do("PutLogEvents", map[string]any{"logGroupName": "/fleet", "logStreamName": host, "logEvents": []any{map[string]any{"timestamp": at.UnixMilli(), "message": line}}})
	}
	beat := func(config string, rules int) string {
		return fmt.Sprintf(`"action":"daemon","op":"heartbeat","every":"1m","version":"1.2.3","config":%q,"rules":%d,"rules_wanted":4,"undelivered_bytes":0,"lost":0`, config, rules)
	}
	want := map[string]string{}
	for i := range 10 {
		host := fmt.Sprintf("i-%02d", i)
		do("CreateLogStream", map[string]any{"logGroupName": "/fleet", "logStreamName": host})
		want[host] = query.HostOK
		cfg, rules, ago := "new", 4, 10*time.Second
		switch i {
		case 1, 2, 3:
			ago, want[host] = 151*time.Second, query.HostSilent
		case 4:
			cfg, want[host] = "old", query.HostDeviating
		case 5:
			rules, want[host] = 0, query.HostDeviating
		case 6:
			ago, want[host] = 95*time.Second, query.HostLate
		}
		say(host, ago+5*time.Minute, beat("older", 1))
		say(host, ago, beat(cfg, rules))
		switch i {
		case 7:
			want[host] = query.HostDeviating
			say(host, time.Minute, `"action":"gap","cause":"overrun","count":3`)
		case 8:
			want[host] = query.HostStopped
			say(host, time.Second, `"action":"daemon","op":"stop"`)
		case 9:
			say(host, time.Minute, `"action":"gap","cause":"downtime","planned":true`)
		}
	}
	want["i-99"] = query.HostMissing
	expected := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(expected, []byte("i-00\ni-04.local\n\ni-99 # new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--config", config, "--log-group", "/fleet", "--expect", expected}
	for _, engine := range []string{"insights", "filter"} {
		got, err := printed("fleet", append(args, "--json", "--engine", engine))
		if status(err) != exitDiffers {
			t.Fatalf("%s: %v", engine, err)
		}
		hosts := 0
		for line := range bytes.Lines(got) {
			var h query.Host
			if err := json.Unmarshal(line, &h); err != nil {
				t.Fatal(err)
			}
			if hosts++; h.State != want[h.Stream] || h.State != query.HostOK && h.Why == "" {
				t.Errorf("%s: %s is %s (%s), want %s", engine, h.Stream, h.State, h.Why, want[h.Stream])
			}
		}
		if hosts != len(want) {
			t.Errorf("%s: %d hosts, want %d", engine, hosts, len(want))
		}
	}
	pages := 0
	ec2 := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages++
		if r.FormValue("Filter.1.Name") != "tag:efs" || r.FormValue("Filter.1.Value.1") != "yes" || !strings.Contains(r.Header.Get("Authorization"), "/us-east-1/ec2/aws4_request") {
			http.Error(w, "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>", http.StatusForbidden)
			return
		}
		next := "<nextToken>2</nextToken>"
		if r.FormValue("NextToken") == "2" {
			next = ""
		}
		fmt.Fprintf(w, "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-9%d</instanceId></item></instancesSet></item></reservationSet>%s</DescribeInstancesResponse>", pages, next)
	}))
	defer ec2.Close()
	t.Setenv("AWS_ENDPOINT_URL_EC2", ec2.URL)
	tagged, err := printed("fleet", []string{"--config", config, "--log-group", "/fleet", "--expect", "tag:efs=yes"})
	if status(err) != exitDiffers || !strings.Contains(string(tagged), "missing    i-91") || !strings.Contains(string(tagged), "missing    i-92") {
		t.Errorf("%v\n%s", err, tagged)
	}
	if _, err := printed("fleet", []string{"--config", config, "--log-group", "/fleet", "--expect", "tag:efs=no"}); status(err) != exitFailed || !strings.Contains(err.Error(), "UnauthorizedOperation") {
		t.Error(err)
	}
	table, err := printed("fleet", args)
	if status(err) != exitDiffers || !strings.Contains(string(table), "i-04    i-04.local") {
		t.Errorf("%v\n%s", err, table)
	}
	if _, err := printed("fleet", []string{"--config", config}); err == nil || errors.As(err, &quiet{}) {
		t.Error("no group: no error")
	}
}
