package logstest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// now is the time of all tests here.
var now = time.Date(2026, 7, 27, 8, 0, 0, 0, time.UTC)

func newServer(t *testing.T, o Options) *Server {
	t.Helper()
	o.Now = func() time.Time { return now }
	s := New(o)
	do(t, s, "CreateLogGroup", map[string]any{"logGroupName": "/g"})
	do(t, s, "CreateLogStream", map[string]any{"logGroupName": "/g", "logStreamName": "s"})
	return s
}

// do carries out an operation that must go well and returns its answer.
func do(t *testing.T, s *Server, op string, in any) map[string]any {
	t.Helper()
	out, err := try(t, s, op, in)
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	return out
}

func try(t *testing.T, s *Server, op string, in any) (map[string]any, error) {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := operations[op](s, body)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out, nil
}

// code is the service's word for an error.
func code(err error) string {
	var api *apiError
	if errors.As(err, &api) {
		return api.code
	}
	return ""
}

type event = map[string]any

func at(d time.Duration, message string) event {
	return event{"timestamp": now.Add(d).UnixMilli(), "message": message}
}

func TestBatchLimits(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	const invalid = "InvalidParameterException"
	tests := []struct {
		name   string
		events []event
		code   string
	}{
		{"no events", nil, invalid},
		{"one event", []event{at(0, "x")}, ""},
		{"empty message", []event{at(0, "")}, invalid},
		{"no message", []event{{"timestamp": 1}}, invalid},
		{"no time", []event{{"message": "x"}}, invalid},
		{"time before 1970", []event{{"message": "x", "timestamp": -1}}, invalid},
		{"almost the largest event", []event{at(0, text(1_048_549))}, ""},
		{"the largest event", []event{at(0, text(1_048_550))}, ""},
		{"a larger event", []event{at(0, text(1_048_551))}, invalid},
		{"bytes, not characters", []event{at(0, strings.Repeat("é", 524_275))}, ""},
		{"bytes, not characters, one more", []event{at(0, strings.Repeat("é", 524_276))}, invalid},
		{"the largest batch", []event{at(0, text(524_288)), at(0, text(524_236))}, ""},
		{"a larger batch", []event{at(0, text(524_288)), at(0, text(524_237))}, invalid},
		{"one below as many as go", slices.Repeat([]event{at(0, "x")}, 9_999), ""},
		{"as many as go", slices.Repeat([]event{at(0, "x")}, 10_000), ""},
		{"one more than go", slices.Repeat([]event{at(0, "x")}, 10_001), invalid},
		{"in order", []event{at(-1, "x"), at(0, "x"), at(0, "x")}, ""},
		{"out of order", []event{at(0, "x"), at(-time.Millisecond, "x")}, invalid},
		{"a day", []event{at(-24*time.Hour, "x"), at(0, "x")}, ""},
		{"more than a day", []event{at(-24*time.Hour-time.Millisecond, "x"), at(0, "x")}, invalid},
		{"a day of valid ones", []event{at(-15*day, "x"), at(-24*time.Hour, "x"), at(0, "x"), at(3*time.Hour, "x")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, Options{})
			_, err := try(t, s, "PutLogEvents", event{"logGroupName": "/g", "logStreamName": "s", "logEvents": tt.events})
			if got := code(err); got != tt.code {
				t.Errorf("answer %q (%v), want %q", got, err, tt.code)
			}
			if kept := len(s.Events("/g", "s")); tt.code != "" && kept != 0 {
				t.Errorf("kept %d of a refused batch", kept)
			}
		})
	}
}

func TestRejectedInfo(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name      string
		retention int
		at        []time.Duration
		info      string
		kept      int
	}{
		{"all valid", 0, []time.Duration{-MaxAge, MaxAhead}[:1], "null", 1},
		{"the newest valid", 0, []time.Duration{MaxAhead}, "null", 1},
		{"too old", 0, []time.Duration{-MaxAge - ms, -MaxAge}, `{"tooOldLogEventEndIndex":1}`, 1},
		{"too new", 0, []time.Duration{0, MaxAhead, MaxAhead + ms}, `{"tooNewLogEventStartIndex":2}`, 2},
		{"expired", 3, []time.Duration{-3*day - ms, -3 * day, -3*day + ms}, `{"expiredLogEventEndIndex":1}`, 2},
		{"expired and old", 3, []time.Duration{-20 * day, -15 * day, -4 * day, 0}, `{"expiredLogEventEndIndex":3,"tooOldLogEventEndIndex":2}`, 1},
		{"long retention does not help", 365, []time.Duration{-20 * day, 0}, `{"tooOldLogEventEndIndex":1}`, 1},
		{"everything", 0, []time.Duration{-15 * day, 3 * time.Hour}, `{"tooNewLogEventStartIndex":1,"tooOldLogEventEndIndex":1}`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, Options{})
			if tt.retention > 0 {
				do(t, s, "PutRetentionPolicy", event{"logGroupName": "/g", "retentionInDays": tt.retention})
			}
			var events []event
			for _, d := range tt.at {
				events = append(events, at(d, "x"))
			}
			out := do(t, s, "PutLogEvents", event{"logGroupName": "/g", "logStreamName": "s", "logEvents": events})
			info, err := json.Marshal(out["rejectedLogEventsInfo"])
			if err != nil {
				t.Fatal(err)
			}
			if string(info) != tt.info || len(s.Events("/g", "s")) != tt.kept {
				t.Errorf("info %s, kept %d; want %s and %d", info, len(s.Events("/g", "s")), tt.info, tt.kept)
			}
		})
	}
}

func TestNames(t *testing.T) {
	group := func(name string) event { return event{"logGroupName": name} }
	stream := func(name string) event { return event{"logGroupName": "/g", "logStreamName": name} }
	put := func(g, st string) event {
		return event{"logGroupName": g, "logStreamName": st, "logEvents": []event{at(0, "x")}}
	}
	long := strings.Repeat("a", 512)
	tests := []struct {
		op   string
		in   event
		code string
	}{
		{"CreateLogGroup", group("/aws_-.#9"), ""},
		{"CreateLogGroup", group(long), ""},
		{"CreateLogGroup", group(long + "a"), "InvalidParameterException"},
		{"CreateLogGroup", group(""), "InvalidParameterException"},
		{"CreateLogGroup", group("a b"), "InvalidParameterException"},
		{"CreateLogGroup", group("aws/x"), "InvalidParameterException"},
		{"CreateLogGroup", group("/g"), "ResourceAlreadyExistsException"},
		{"CreateLogGroup", event{"logGroupName": "/h", "logGroupClass": "CHEAP"}, "InvalidParameterException"},
		{"CreateLogGroup", event{"logGroupName": "/h", "tags": event{"aws:x": "y"}}, "InvalidParameterException"},
		{"CreateLogStream", stream("[i-0abc] {é}"), ""},
		{"CreateLogStream", stream(long + "a"), "InvalidParameterException"},
		{"CreateLogStream", stream("a:b"), "InvalidParameterException"},
		{"CreateLogStream", stream("a*b"), "InvalidParameterException"},
		{"CreateLogStream", stream("s"), "ResourceAlreadyExistsException"},
		{"CreateLogStream", event{"logGroupName": "/none", "logStreamName": "s"}, "ResourceNotFoundException"},
		{"DeleteLogStream", stream("none"), "ResourceNotFoundException"},
		{"DeleteLogGroup", group("/none"), "ResourceNotFoundException"},
		{"PutLogEvents", put("/none", "s"), "ResourceNotFoundException"},
		{"PutLogEvents", put("/g", "none"), "ResourceNotFoundException"},
		{"PutRetentionPolicy", event{"logGroupName": "/g", "retentionInDays": 14}, ""},
		{"PutRetentionPolicy", event{"logGroupName": "/g", "retentionInDays": 15}, "InvalidParameterException"},
		{"GetLogEvents", event{"logGroupName": "/g", "logStreamName": "s", "limit": 10_000}, ""},
		{"GetLogEvents", event{"logGroupName": "/g", "logStreamName": "s", "limit": 10_001}, "InvalidParameterException"},
		{"FilterLogEvents", event{"logGroupName": "/g", "filterPattern": "{ $.x ="}, "InvalidParameterException"},
		{"FilterLogEvents", event{"logGroupName": "/g", "logStreamNames": []string{"none"}}, "ResourceNotFoundException"},
	}
	for _, tt := range tests {
		s := newServer(t, Options{})
		if _, err := try(t, s, tt.op, tt.in); code(err) != tt.code {
			t.Errorf("%s %.80v: %v, want %q", tt.op, tt.in, err, tt.code)
		}
	}
}

func TestPatterns(t *testing.T) {
	const doc = `{"action":"delete","path":"/mnt/efs/a b.csv","pid":42,"success":true,"user":{"name":"ann"}}`
	tests := []struct {
		pattern string
		want    bool
	}{
		{"", true},
		{`" "`, true},
		{"delete", true},
		{"delete rename", false},
		{"?delete ?rename", true},
		{"delete -rename", true},
		{"delete -ann", false},
		{`"/mnt/efs/a b"`, true},
		{`{ $.action = "delete" }`, true},
		{`{ $.action = delete }`, true},
		{`{$.action="rename"}`, false},
		{`{ $.action != "rename" }`, true},
		{`{ $.none != "rename" }`, false},
		{`{ $.path = "/mnt/efs/*" }`, true},
		{`{ $.path = "*.csv" }`, true},
		{`{ $.path = "/mnt/*/a*.csv" }`, true},
		{`{ $.path = "/mnt/*.txt" }`, false},
		{`{ $.pid = 42 }`, true},
		{`{ $.pid > 42 }`, false},
		{`{ $.pid >= 42 && $.pid < 43 }`, true},
		{`{ $.success IS TRUE }`, true},
		{`{ $.none NOT EXISTS }`, true},
		{`{ $.user.name = "ann" }`, true},
		{`{ ($.action = "rename") || ($.action = "delete" && $.pid <= 42) }`, true},
		{`{ ($.action = "rename" || $.action = "delete") && $.pid = 1 }`, false},
	}
	for _, tt := range tests {
		match, err := parsePattern(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if got := match(doc); got != tt.want {
			t.Errorf("%s matches: %v, want %v", tt.pattern, got, tt.want)
		}
	}
	for _, bad := range []string{"a/b", `"open`, "{ $.x }", "{ x = 1 }", "{ $.x = 1", "{ $.x = 1 } y", "{ ($.x = 1 }", "{ $.x > y }", "[a, b]", "%re%", strings.Repeat("x", 1025)} {
		if _, err := parsePattern(bad); code(err) != "InvalidParameterException" {
			t.Errorf("%.30s: %v, want an error", bad, err)
		}
	}
}

// TestPages reads forward, backward and by filter, in pages of random sizes,
// and requires each event exactly once and in order.
func TestPages(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	s := newServer(t, Options{ScanPerPage: 7})
	var want []string
	for i := range 100 {
		d := time.Duration(i/3) * time.Millisecond // some at one moment
		want = append(want, fmt.Sprint("event ", i))
		do(t, s, "PutLogEvents", event{"logGroupName": "/g", "logStreamName": "s", "logEvents": []event{at(d, want[i])}})
	}
	read := func(op string, token string, in event) []string {
		var got []string
		for {
			in["limit"] = 1 + r.IntN(20)
			out := do(t, s, op, in)
			var page []string
			for _, e := range out["events"].([]any) {
				page = append(page, e.(event)["message"].(string))
			}
			if token == "nextBackwardToken" {
				got = append(page, got...)
			} else {
				got = append(got, page...)
			}
			if out[token] == nil || out[token] == in["nextToken"] {
				return got
			}
			in["nextToken"] = out[token]
		}
	}
	stream := func(more ...any) event {
		in := event{"logGroupName": "/g", "logStreamName": "s"}
		for i := 0; i < len(more); i += 2 {
			in[more[i].(string)] = more[i+1]
		}
		return in
	}
	start, end := now.Add(10*time.Millisecond).UnixMilli(), now.Add(20*time.Millisecond).UnixMilli()
	tests := []struct {
		name string
		got  []string
		want []string
	}{
		{"forward", read("GetLogEvents", "nextForwardToken", stream("startFromHead", true)), want},
		{"backward", read("GetLogEvents", "nextBackwardToken", stream()), want},
		{"from a time to before another", read("GetLogEvents", "nextForwardToken", stream("startFromHead", true, "startTime", start, "endTime", end)), want[30:60]},
		{"filtered from a time to another", read("FilterLogEvents", "nextToken", event{"logGroupName": "/g", "startTime": start, "endTime": end}), want[30:63]},
		{"filtered by pattern", read("FilterLogEvents", "nextToken", event{"logGroupName": "/g", "filterPattern": `"event 99"`}), want[99:]},
		{"filtered by prefix", read("FilterLogEvents", "nextToken", event{"logGroupName": "/g", "logStreamNamePrefix": "t"}), nil},
		{"filtered by stream and ARN", read("FilterLogEvents", "nextToken", event{"logGroupIdentifier": arnPrefix + "/g:*", "logStreamNames": []string{"s"}}), want},
	}
	for _, tt := range tests {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("seed %d: %s: %d events, want %d", seed, tt.name, len(tt.got), len(tt.want))
		}
	}
}

// TestEmptyPage: a page without a match has a token if there is more to see.
func TestEmptyPage(t *testing.T) {
	s := newServer(t, Options{ScanPerPage: 2})
	do(t, s, "PutLogEvents", event{"logGroupName": "/g", "logStreamName": "s", "logEvents": []event{at(0, "a"), at(0, "b"), at(0, "c")}})
	out := do(t, s, "FilterLogEvents", event{"logGroupName": "/g", "filterPattern": "c"})
	if len(out["events"].([]any)) != 0 || out["nextToken"] == nil {
		t.Errorf("first page %v, want an empty one with a token", out)
	}
	out = do(t, s, "FilterLogEvents", event{"logGroupName": "/g", "filterPattern": "c", "nextToken": out["nextToken"]})
	if len(out["events"].([]any)) != 1 || out["nextToken"] != nil {
		t.Errorf("second page %v, want one event and no token", out)
	}
}

// TestSettings: what is put can be read again, and twice is once.
func TestSettings(t *testing.T) {
	s := newServer(t, Options{})
	for range 2 {
		do(t, s, "PutRetentionPolicy", event{"logGroupName": "/g", "retentionInDays": 30})
		do(t, s, "AssociateKmsKey", event{"logGroupName": "/g", "kmsKeyId": "arn:aws:kms:x"})
		do(t, s, "TagResource", event{"resourceArn": arnPrefix + "/g", "tags": event{"team": "sec"}})
		do(t, s, "PutIndexPolicy", event{"logGroupIdentifier": "/g", "policyDocument": `{"Fields":["path"]}`})
		do(t, s, "PutMetricFilter", event{"logGroupName": "/g", "filterName": "f", "filterPattern": `{ $.action = "gap" }`, "metricTransformations": []event{{"metricName": "m"}}})
	}
	id := do(t, s, "PutQueryDefinition", event{"name": "who", "queryString": "fields @message"})["queryDefinitionId"]
	do(t, s, "PutQueryDefinition", event{"name": "who", "queryString": "fields path", "queryDefinitionId": id})

	g := do(t, s, "DescribeLogGroups", event{"logGroupNamePrefix": "/"})["logGroups"].([]any)[0].(event)
	if g["retentionInDays"] != 30.0 || g["kmsKeyId"] != "arn:aws:kms:x" || g["metricFilterCount"] != 1.0 {
		t.Errorf("group %v", g)
	}
	if tags := do(t, s, "ListTagsForResource", event{"resourceArn": arnPrefix + "/g"})["tags"]; fmt.Sprint(tags) != "map[team:sec]" {
		t.Errorf("tags %v", tags)
	}
	if p := do(t, s, "DescribeIndexPolicies", event{"logGroupIdentifiers": []string{"/g"}})["indexPolicies"].([]any); len(p) != 1 || p[0].(event)["policyDocument"] != `{"Fields":["path"]}` {
		t.Errorf("index policies %v", p)
	}
	if f := do(t, s, "DescribeMetricFilters", event{"logGroupName": "/g"})["metricFilters"].([]any); len(f) != 1 {
		t.Errorf("filters %v", f)
	}
	if q := do(t, s, "DescribeQueryDefinitions", event{})["queryDefinitions"].([]any); len(q) != 1 || q[0].(event)["queryString"] != "fields path" {
		t.Errorf("queries %v", q)
	}
}

// TestDescribeStreams pages, by name and by time.
func TestDescribeStreams(t *testing.T) {
	s := newServer(t, Options{})
	for i := range 60 {
		name := fmt.Sprintf("s%02d", i)
		do(t, s, "CreateLogStream", event{"logGroupName": "/g", "logStreamName": name})
		do(t, s, "PutLogEvents", event{"logGroupName": "/g", "logStreamName": name, "logEvents": []event{at(-time.Duration(i)*time.Second, "x")}})
	}
	page := do(t, s, "DescribeLogStreams", event{"logGroupName": "/g"})
	if n := len(page["logStreams"].([]any)); n != 50 {
		t.Errorf("first page of %d, want 50", n)
	}
	page = do(t, s, "DescribeLogStreams", event{"logGroupName": "/g", "nextToken": page["nextToken"]})
	if n := len(page["logStreams"].([]any)); n != 11 || page["nextToken"] != nil {
		t.Errorf("second page of %d, token %v; want 11 and none", n, page["nextToken"])
	}
	page = do(t, s, "DescribeLogStreams", event{"logGroupName": "/g", "orderBy": "LastEventTime", "descending": true, "limit": 1})
	if got := page["logStreams"].([]any)[0].(event); got["logStreamName"] != "s00" || got["lastEventTimestamp"] != float64(now.UnixMilli()) {
		t.Errorf("last used %v, want s00", got)
	}
}

// request makes a signed call of DescribeLogGroups.
func request(t *testing.T, url string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Amz-Target", targetPrefix+"DescribeLogGroups")
	sum := hash(body)
	creds := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "token"}
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, sum, "logs", "us-east-1", now); err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	s := newServer(t, o)
	url, err := s.Start("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, url
}

// TestRequests: whatever is wrong with a request is noticed.
func TestRequests(t *testing.T) {
	s, url := start(t, Options{Keys: map[string]string{"AKID": "secret"}})
	tests := []struct {
		name   string
		change func(r *http.Request)
		status int
		code   string
	}{
		{"right", func(*http.Request) {}, 200, ""},
		{"no signature", func(r *http.Request) { r.Header.Del("Authorization") }, 400, "MissingAuthenticationTokenException"},
		{"another body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("[]")) }, 400, "InvalidSignatureException"},
		{"another date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260727T080001Z") }, 400, "InvalidSignatureException"},
		{"an old date", func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260727T070000Z") }, 400, "InvalidSignatureException"},
		{"another token", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "other") }, 400, "InvalidSignatureException"},
		{"another key", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "AKID", "AKIX", 1))
		}, 400, "UnrecognizedClientException"},
		{"not JSON", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400, "InvalidParameterException"},
		{"unknown operation", func(r *http.Request) { r.Header.Set("X-Amz-Target", targetPrefix+"Fly") }, 400, "UnknownOperationException"},
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, 400, "InvalidParameterException"},
		{"unknown encoding", func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }, 415, "UnsupportedMediaType"},
		{"gzip that is none", func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 400, "SerializationException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(s.Violations())
			r := request(t, url, []byte("{}"))
			tt.change(r)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var out struct {
				Type string `json:"__type"`
			}
			if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || out.Type != tt.code {
				t.Errorf("answer %d %q, want %d %q", resp.StatusCode, out.Type, tt.status, tt.code)
			}
			excused := tt.code == "" || tt.name == "another key" || tt.name == "an old date" // a client cannot know
			if noted := len(s.Violations()) > before; noted == excused {
				t.Errorf("noted as violation: %v", noted)
			}
		})
	}
}

// TestFaultsOverHTTP: what each fault looks like from outside.
func TestFaultsOverHTTP(t *testing.T) {
	tests := []struct {
		name  string
		fault Fault
		want  string
	}{
		{"throttle", Throttle, "400 ThrottlingException"},
		{"internal", Internal, "500 InternalFailure"},
		{"bad gateway", BadGateway, "502 <html>"},
		{"cut before", CutBefore, "EOF"},
		{"cut after", CutAfter, "EOF"},
		{"truncated", Truncated, "unexpected EOF"},
		{"garbage", Garbage, "200 {\"next"},
		{"of another operation", Fault{Op: "PutLogEvents", Code: "X"}, "200 {\"logGroups"},
		{"of other bodies", Fault{Contains: "poison", Code: "X"}, "200 {\"logGroups"},
		{"of compressed bodies", NoGzip, "200 {\"logGroups"},
		{"slow", Fault{Delay: time.Millisecond}, "200 {\"logGroups"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, url := start(t, Options{})
			s.Next(tt.fault)
			got := fetch(t, url)
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			s.Mend()
			if got := fetch(t, url); !strings.HasPrefix(got, "200") {
				t.Errorf("got %q after it", got)
			}
			if v := s.Violations(); len(v) > 0 {
				t.Errorf("violations %v, want none", v)
			}
		})
	}
}

// fetch makes a call and tells how it went.
func fetch(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no second try
	resp, err := client.Do(request(t, url, []byte("{}")))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	var out struct {
		Type string `json:"__type"`
	}
	if json.Unmarshal(body, &out) == nil && out.Type != "" {
		body = []byte(out.Type)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(body))
}

// TestHang: a hanging call ends with the client's patience, or with the server.
func TestHang(t *testing.T) {
	s, url := start(t, Options{})
	s.Always(Hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := http.DefaultClient.Do(request(t, url, nil).WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the deadline", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(request(t, url, nil))
		done <- err
	}()
	deadline, look := time.After(10*time.Second), time.NewTicker(time.Millisecond)
	defer look.Stop()
	for s.Calls()["DescribeLogGroups"] < 2 {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatal("the call did not arrive")
		}
	}
	s.Close()
	if err := <-done; err == nil {
		t.Error("an answer from a closed server")
	}
}

// TestGzip: a compressed body is read, and a bomb is not.
func TestGzip(t *testing.T) {
	s, url := start(t, Options{})
	for size, want := range map[int]int{10: 200, maxRequest + 1: 400} {
		var body bytes.Buffer
		z := gzip.NewWriter(&body)
		fmt.Fprintf(z, "{%*s}", size, "")
		z.Close()
		r := request(t, url, body.Bytes())
		r.Header.Set("Content-Encoding", "gzip")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: status %d, want %d", size, resp.StatusCode, want)
		}
	}
	if n := len(s.Violations()); n != 1 {
		t.Errorf("%d violations, want 1", n)
	}
}

// TestControl steers and asks from another process.
func TestControl(t *testing.T) {
	s, url := start(t, Options{})
	do(t, s, "PutLogEvents", event{"logGroupName": "/g", "logStreamName": "s", "logEvents": []event{at(0, "a"), at(0, "b")}})
	post := func(path, body string) {
		t.Helper()
		resp, err := http.Post(url+controlPath+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
	get := func(path string) string {
		t.Helper()
		resp, err := http.Get(url + controlPath + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	post("next", `[{"code":"ThrottlingException"}]`)
	if got := fetch(t, url); got != "400 ThrottlingException" {
		t.Errorf("got %s", got)
	}
	post("chance?p=1", `[{"code":"Bad"}]`)
	if got := fetch(t, url); got != "400 Bad" {
		t.Errorf("got %s", got)
	}
	post("always", `[{"code":"Worse"}]`)
	if got := fetch(t, url); got != "400 Worse" {
		t.Errorf("got %s", got)
	}
	post("mend", "")
	if got := fetch(t, url); !strings.HasPrefix(got, "200") {
		t.Errorf("got %s", got)
	}
	if got := get("state"); !strings.Contains(got, `"accepted":2`) || !strings.Contains(got, `"DescribeLogGroups":4`) {
		t.Errorf("state %s", got)
	}
	if got := get("events?group=/g&stream=s&from=2"); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"message":"b"`) {
		t.Errorf("events %s", got)
	}
}
