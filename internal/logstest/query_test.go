package logstest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// asked starts a query over the first minute and returns its rows as FIELD=VALUE
// words, without @ptr.
func asked(t *testing.T, s *Server, text string) []string {
	t.Helper()
	id := do(t, s, "StartQuery", map[string]any{"logGroupName": "/g", "startTime": now.Unix(), "endTime": now.Unix() + 60, "queryString": text})["queryId"]
	out := do(t, s, "GetQueryResults", map[string]any{"queryId": id})
	if out["status"] != "Complete" {
		t.Fatalf("%s: status %v", text, out["status"])
	}
	var rows []string
	for _, row := range out["results"].([]any) {
		var words []string
		for _, cell := range row.([]any) {
			c := cell.(map[string]any)
			if c["field"] != "@ptr" {
				words = append(words, fmt.Sprintf("%v=%v", c["field"], c["value"]))
			}
		}
		rows = append(rows, strings.Join(words, " "))
	}
	return rows
}

func putMessages(t *testing.T, s *Server, messages ...string) {
	t.Helper()
	var events []map[string]any
	for i, m := range messages {
		events = append(events, map[string]any{"timestamp": now.UnixMilli() + int64(i), "message": m})
	}
	do(t, s, "PutLogEvents", map[string]any{"logGroupName": "/g", "logStreamName": "s", "logEvents": events})
}

func TestQueryLanguage(t *testing.T) {
	s := newServer(t, Options{})
	putMessages(
		t, s,
		`{"id":"a","n":9,"who":{"name":"ann"},"ok":true}`,
		`{"id":"b","n":10,"who":{"name":"bob"},"ok":false}`,
		`type=SYSCALL key="efs"`,
		`{"id":"c","n":-1,"gone":null}`,
	)
	for _, c := range []struct {
		query string
		want  []string
	}{
		{`fields id | filter n > 9`, []string{"id=b"}},
		{`fields id | filter n >= 9 and n <= 10 | sort @timestamp asc`, []string{"id=a", "id=b"}},
		{`fields id | filter n < 0`, []string{"id=c"}},
		{`fields id | filter ispresent(n) and not n = 9 | sort n desc`, []string{"id=b", "id=c"}},
		{`fields id | filter who.name like "an"`, []string{"id=a"}},
		{`fields id | filter who.name like /^B/ or who.name =~ /^b/`, []string{"id=b"}},
		{`fields id | filter who.name not like "an" and ispresent(who.name)`, []string{"id=b"}},
		{`fields id | filter id in ["a", 'c'] | sort id asc`, []string{"id=a", "id=c"}},
		{"fields id | filter `id` = \"a\"", []string{"id=a"}},
		{`fields id | filterIndex id = "a"`, []string{"id=a"}},
		{`fields id, ok | filter ok = 1`, []string{"id=a ok=1"}},
		{`fields id | filter ispresent(gone)`, nil},
		{`fields @message | filter @message like /^(type|node)=/`, []string{`@message=type=SYSCALL key="efs"`}},
		{`fields @logStream, @log | filter id = "a"`, []string{"@logStream=s @log=111122223333:/g"}},
		{fmt.Sprintf(`fields id | filter toMillis(@timestamp) >= %d and toMillis(@timestamp) < %d`, now.UnixMilli()+1, now.UnixMilli()+2), []string{"id=b"}},
		{`fields id | sort @timestamp asc | limit 1`, []string{"id=a"}},
		{`fields id | limit 1`, []string{"id=c"}}, // the newest
		{`stats count(*) as all, count(n) as numbers, min(n) as low, max(n) as high, sum(n) as total`, []string{"all=4 numbers=3 low=-1 high=10 total=18"}},
		{`stats count(*) as n by ok | sort n desc, ok asc`, []string{"n=2", "ok=0 n=1", "ok=1 n=1"}},
		{`stats count(*) as copies by id, ok | stats count(*) as n, sum(copies) as all by ok | sort ok asc`, []string{"n=2 all=2", "ok=0 n=1 all=1", "ok=1 n=1 all=1"}},
		{`filter id = "nobody" | stats count(*) as n`, []string{"n=0"}},
	} {
		if got := asked(t, s, c.query); !slices.Equal(got, c.want) {
			t.Errorf("%s\n got %q\nwant %q", c.query, got, c.want)
		}
	}
}

func TestQueryRefused(t *testing.T) {
	s := newServer(t, Options{})
	start := func(over map[string]any) error {
		in := map[string]any{"logGroupName": "/g", "startTime": 1, "endTime": 2, "queryString": "fields @message"}
		for k, v := range over {
			in[k] = v
		}
		_, err := try(t, s, "StartQuery", in)
		return err
	}
	if err := start(nil); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"", "fields", "fields a b", "filter", "filter a", "filter a >", "filter (a = 1", "filter a like b", "filter a in [b]", "filter strlen(a) > 1",
		"stats avg(a)", "stats count(*) as n by", "limit 0", "limit 100001", "sort", "explain a", "fields a ; fields b", "filterIndex a > 1", "filter a = \"x",
		"stats count(*) as n | stats count(*) as m | stats count(*) as k", "filter a like /(/", strings.Repeat(" ", maxStatement) + "fields a",
	} {
		if err := start(map[string]any{"queryString": text}); err == nil || !strings.Contains(err.Error(), "MalformedQueryException") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	for _, over := range []map[string]any{
		{"endTime": 0},
		{"startTime": nil},
		{"endTime": now.UnixMilli()},
		{"limit": maxRows + 1},
		{"logGroupName": ""},
		{"logGroupNames": []string{"/g"}},
		{"logGroupName": "", "logGroupIdentifiers": []string{arnPrefix + "/g:*"}},
		{"logGroupName": "/none"},
	} {
		if start(over) == nil {
			t.Errorf("%v: no error", over)
		}
	}
}

// TestQueryRuns takes the time that the bytes need, ends at the time-out, stops
// when told, and refuses what is too many.
func TestQueryRuns(t *testing.T) {
	clock := now
	s := newServer(t, Options{ScanRate: 10, QueryTimeout: 10 * time.Second, MaxQueries: 2})
	s.opt.Now = func() time.Time { return clock }
	putMessages(t, s, strings.Repeat("x", 50), strings.Repeat("y", 100))
	start := func(text string) (any, error) {
		out, err := try(t, s, "StartQuery", map[string]any{"logGroupName": "/g", "startTime": now.Unix(), "endTime": now.Unix() + 1, "queryString": text})
		return out["queryId"], err
	}
	status := func(id any) any { return do(t, s, "GetQueryResults", map[string]any{"queryId": id})["status"] }
	first, err := start("fields @message")
	if err != nil || status(first) != "Running" {
		t.Fatal(err, status(first))
	}
	second, err := start("fields @message")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start("fields @message"); err == nil || s.RunningQueries() != 2 {
		t.Errorf("a third: %v, %d running", err, s.RunningQueries())
	}
	do(t, s, "StopQuery", map[string]any{"queryId": second})
	if status(second) != "Cancelled" || s.RunningQueries() != 1 {
		t.Error(status(second))
	}
	clock = clock.Add(11 * time.Second)
	if status(first) != "Timeout" {
		t.Error(status(first))
	}
	if _, err := try(t, s, "StopQuery", map[string]any{"queryId": first}); err == nil {
		t.Error("stopped although it was over")
	}
}

// TestQueryPages returns 10,000 rows a page.
func TestQueryPages(t *testing.T) {
	s := newServer(t, Options{})
	for range 3 {
		messages := make([]string, 5000)
		for i := range messages {
			messages[i] = "m"
		}
		putMessages(t, s, messages...)
	}
	id := do(t, s, "StartQuery", map[string]any{"logGroupName": "/g", "startTime": now.Unix(), "endTime": now.Unix() + 60, "queryString": "fields @message", "limit": 12_000})["queryId"]
	first := do(t, s, "GetQueryResults", map[string]any{"queryId": id})
	second := do(t, s, "GetQueryResults", map[string]any{"queryId": id, "nextToken": first["nextToken"]})
	if n, m := len(first["results"].([]any)), len(second["results"].([]any)); n != 10_000 || m != 2_000 || second["nextToken"] != nil {
		t.Errorf("pages of %d and %d rows, token %v", n, m, second["nextToken"])
	}
	if stats, err := json.Marshal(second["statistics"]); err != nil || !strings.Contains(string(stats), `"recordsMatched":15000`) {
		t.Errorf("%s %v", stats, err)
	}
}

func TestInfrequentAccess(t *testing.T) {
	s := newServer(t, Options{})
	do(t, s, "CreateLogGroup", map[string]any{"logGroupName": "/ia", "logGroupClass": "INFREQUENT_ACCESS"})
	if _, err := try(t, s, "FilterLogEvents", map[string]any{"logGroupName": "/ia"}); err == nil {
		t.Error("FilterLogEvents answers")
	}
	do(t, s, "StartQuery", map[string]any{"logGroupName": "/ia", "startTime": 1, "endTime": 2, "queryString": "fields @message"})
}
