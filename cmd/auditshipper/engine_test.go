package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// A fleetEvent is an event of the truth that both engines are held against.
type fleetEvent struct {
	stream, line string
	at           time.Time
	object       map[string]any
}

// fleetTruth fills a group with events of many streams and returns them. Some
// come twice, as after a kill.
func fleetTruth(t *testing.T, s *logstest.Server, group string, streams, events int) []fleetEvent {
	t.Helper()
	must := func(op string, in any) {
		t.Helper()
		text, err := json.Marshal(in)
		if err == nil {
			err = s.Do(op, string(text))
		}
		if err != nil {
			t.Fatal(op, err)
		}
	}
	must("CreateLogGroup", map[string]any{"logGroupName": group})
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) string { return words[rnd.IntN(len(words))] }
	now := time.Now().Truncate(time.Second).Add(-time.Hour)
	var truth []fleetEvent
	for h := range streams {
		stream := fmt.Sprintf("i-%04d", h)
		must("CreateLogStream", map[string]any{"logGroupName": group, "logStreamName": stream})
		var batch []map[string]any
		for i := range events / streams {
			at := now.Add(time.Duration(rnd.IntN(3_400_000)) * time.Millisecond)
			uid := rnd.IntN(4) + 1000
			o := map[string]any{
				"v": 1, "id": fmt.Sprintf("%d.%03d:%d", at.Unix(), at.UnixMilli()%1000, i+1), "time": at.UTC().Format(time.RFC3339Nano), "host": "host" + fmt.Sprint(h%7),
				"key": pick("efs", "efs_changes", "web,efs", "other"), "action": pick("delete", "delete", "rename", "create"), "syscall": pick("unlinkat", "renameat2"), "success": rnd.IntN(5) > 0,
				"path": fmt.Sprintf("/mnt/%s/%s/%d", pick("efs", "é f\"s", "data"), pick("a b", "c", "d"), rnd.IntN(50)), "path_from": "absolute", "type": "file",
				"auid": uid, "auid_name": fmt.Sprint("u", uid), "uid": 0, "uid_name": "root", "ses": rnd.IntN(9) + 1, "tty": pick("pts0", "pts1"), "pid": rnd.IntN(90) + 1, "ppid": 1,
				"comm": pick("rm", "mv", "cp"), "exe": pick("/usr/bin/rm", "/usr/bin/mv"),
			}
			if o["success"] == false {
				o["errno"] = "EACCES"
			}
			line, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			o["dir"] = path.Dir(o["path"].(string)) // for the tests only
			truth = append(truth, fleetEvent{stream, string(line), at, o})
			batch = append(batch, map[string]any{"timestamp": at.UnixMilli(), "message": string(line)})
		}
		slices.SortStableFunc(batch, func(a, b map[string]any) int { return int(a["timestamp"].(int64) - b["timestamp"].(int64)) })
		for part := range slices.Chunk(batch, 1000) {
			must("PutLogEvents", map[string]any{"logGroupName": group, "logStreamName": stream, "logEvents": part})
		}
		must("PutLogEvents", map[string]any{"logGroupName": group, "logStreamName": stream, "logEvents": batch[:1]})
	}
	return truth
}

// readsFrom makes the command line read from an endpoint.
func readsFrom(t *testing.T, s *logstest.Server) (config string) {
	t.Helper()
	url, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	config = filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "cloudwatch: {endpoint_url: %q, region: us-east-1}\n", url), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	return config
}

func has(part string, fields ...string) func(fleetEvent) bool {
	return func(e fleetEvent) bool {
		return slices.ContainsFunc(fields, func(f string) bool { return strings.Contains(fmt.Sprint(e.object[f]), part) })
	}
}

func equals(value string, fields ...string) func(fleetEvent) bool {
	return func(e fleetEvent) bool {
		return slices.ContainsFunc(fields, func(f string) bool { return fmt.Sprint(e.object[f]) == value })
	}
}

// fleetQuestions are what people ask of a fleet, with what the truth says.
var fleetQuestions = []struct {
	words string
	wants func(fleetEvent) bool
}{
	{"-k efs", has("efs", "key")},
	{"-k efs_changes", has("efs_changes", "key")},
	{"-k nobody", has("nobody", "key")},
	{"-w -k other", equals("other", "key")},
	{"-w -k web", has("web", "key")},
	{"-f /mnt/efs", has("/mnt/efs", "path")},
	{"-f é", has("é", "path")},
	{"-f f\"s/a", has("f\"s/a", "path")},
	{"-x rm", has("rm", "exe")},
	{"-x /usr/bin/mv", has("/usr/bin/mv", "exe")},
	{"-c cp", has("cp", "comm")},
	{"-n host3", equals("host3", "host")},
	{"-n host3 -n host5", func(e fleetEvent) bool { return e.object["host"] == "host3" || e.object["host"] == "host5" }},
	{"-ui 0", equals("0", "uid")},
	{"-ui 1000", equals("1000", "uid")},
	{"-ul 1002", equals("1002", "auid")},
	{"-ua 1001", equals("1001", "auid", "uid")},
	{"-sv yes", equals("true", "success")},
	{"-sv no", equals("false", "success")},
	{"-sc unlinkat", equals("unlinkat", "syscall")},
	{"-e EACCES", equals("EACCES", "errno")},
	{"-p 42", equals("42", "pid")},
	{"-pp 1", equals("1", "ppid")},
	{"--session 3", equals("3", "ses")},
	{"-tm pts1", equals("pts1", "tty")},
	{"-m SYSCALL", func(fleetEvent) bool { return true }},
	{"-m CONFIG_CHANGE", func(fleetEvent) bool { return false }},
	{"--action rename", equals("rename", "action")},
	{"--action delete,rename", func(e fleetEvent) bool { return e.object["action"] != "create" }},
	{"--log-stream i-0001", func(e fleetEvent) bool { return e.stream == "i-0001" }},
	{"--log-stream i-0001 --log-stream i-0003 -k efs", func(e fleetEvent) bool {
		return (e.stream == "i-0001" || e.stream == "i-0003") && has("efs", "key")(e)
	}},
	{"--user u1001", equals("u1001", "auid_name")},
	{"--user root", func(fleetEvent) bool { return true }},
	{"--user=1001,u1002", func(e fleetEvent) bool { return e.object["auid"] == 1001 || e.object["auid"] == 1002 }},
	{"--host host3,host5", func(e fleetEvent) bool { return e.object["host"] == "host3" || e.object["host"] == "host5" }},
	{"--host host[34]", func(e fleetEvent) bool { return e.object["host"] == "host3" || e.object["host"] == "host4" }},
	{"--under /mnt/efs", has("/mnt/efs/", "path")},
	{"--under /mnt/ef", func(fleetEvent) bool { return false }},
	{"--under /mnt/efs/c/ --under /mnt/data/d", has2("/mnt/efs/c/", "/mnt/data/d/")},
	{"-f /mnt/*/c/*", has("/c/", "path")},
	{"-f /mnt/**/1?", func(e fleetEvent) bool { p := path.Base(e.object["path"].(string)); return len(p) == 2 && p[0] == '1' }},
	{"-f [a-z]*/7", has2("/c/7", "/d/7", "/a b/7")},
	{"-k other,web", has2key("other", "web")},
	{"-c rm,mv --action delete --under /mnt/efs --user u1003", func(e fleetEvent) bool {
		return e.object["comm"] != "cp" && e.object["action"] == "delete" && has("/mnt/efs/", "path")(e) && e.object["auid"] == 1003
	}},
	{"-a 7", func(e fleetEvent) bool { return strings.HasSuffix(e.object["id"].(string), ":7") }},
}

// has2 looks for the end, or for a part that ends with a slash, of the path.
func has2(parts ...string) func(fleetEvent) bool {
	return func(e fleetEvent) bool {
		p := e.object["path"].(string)
		return slices.ContainsFunc(parts, func(part string) bool {
			return strings.HasSuffix(p, part) || strings.HasSuffix(part, "/") && strings.Contains(p, part)
		})
	}
}

func has2key(keys ...string) func(fleetEvent) bool {
	return func(e fleetEvent) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.Contains(e.object["key"].(string), k) })
	}
}

// fleetReports are summaries, with the field that each counts.
var fleetReports = []struct{ words, field string }{
	{"--by user", "auid_name"},
	{"--by host", "host"},
	{"--by dir", "dir"},
	{"--by path --action create,rename,delete", "path"},
	{"--by exe --under /", "exe"},
	{"--top 1000 --by key --user 0", "key"},
	{"-k --summary", "key"},
	{"-x --summary", "exe"},
	{"--comm --summary", "comm"},
	{"-u --summary", "auid"},
	{"-f --summary", "path"},
	{"-tm --summary", "tty"},
	{"-p --summary", "pid"},
	{"-s --summary", "syscall"},
}

// TestEngines asks every question of both engines and of the truth: the rows are
// the same.
func TestEngines(t *testing.T) {
	streams, events := 6, 600
	if text := os.Getenv("AUDITSHIPPER_ENGINES"); text != "" { // 200x1000000 makes the table of docs/fleet.md
		if _, err := fmt.Sscanf(text, "%dx%d", &streams, &events); err != nil {
			t.Fatal(err)
		}
	}
	s := logstest.New(logstest.Options{})
	truth := fleetTruth(t, s, "/fleet", streams, events)
	config := readsFrom(t, s)
	both := func(verb string, words []string) []byte {
		t.Helper()
		var answers [2][]byte
		for i, engine := range []string{"insights", "filter"} {
			before, scanned, began := s.Calls(), s.BytesScanned(), time.Now()
			got, err := printed(verb, append([]string{"--config", config, "--log-group", "/fleet", "--since", "2h", "--engine", engine}, words...))
			if err != nil && len(got) > 0 {
				t.Fatalf("%s %q %s: %v\n%s", verb, words, engine, err, got)
			}
			answers[i] = got
			after := s.Calls()
			t.Logf("%-8s %-48s %-8s %4d StartQuery %4d GetQueryResults %5d FilterLogEvents %11.0f B scanned %6.2f s", verb, strings.Join(words, " "), engine,
				after["StartQuery"]-before["StartQuery"], after["GetQueryResults"]-before["GetQueryResults"], after["FilterLogEvents"]-before["FilterLogEvents"],
				s.BytesScanned()-scanned, time.Since(began).Seconds())
		}
		if !bytes.Equal(answers[0], answers[1]) {
			t.Fatalf("%s %q: Logs Insights has %d bytes, FilterLogEvents %d", verb, words, len(answers[0]), len(answers[1]))
		}
		return answers[0]
	}
	for _, q := range fleetQuestions {
		got := map[string]int{}
		for line := range strings.Lines(string(both("search", append(strings.Fields(q.words), "--format", "json")))) {
			got[strings.TrimSpace(line)]++
		}
		want := 0
		for _, e := range truth {
			if q.wants(e) {
				want++
				got[e.line]--
			}
		}
		for line, n := range got {
			if n != 0 {
				t.Errorf("%s: %+d of %s (%d wanted)", q.words, n, line, want)
				break
			}
		}
	}
	for _, r := range fleetReports {
		want := map[string]int{}
		for _, e := range truth {
			for key := range strings.SplitSeq(fmt.Sprint(e.object[r.field]), ",") {
				want[key]++
			}
		}
		text := string(both("report", append(strings.Fields(r.words), "--escape", "raw")))
		for key, n := range want {
			if line := fmt.Sprintf("\n%d  %s\n", n, key); !strings.Contains(text, line) {
				t.Errorf("report %s lacks %q:\n%.600s", r.words, line, text)
				break
			}
		}
	}
	if v := s.Violations(); len(v) > 0 {
		t.Errorf("limits broken: %q", v[:min(3, len(v))])
	}
}
