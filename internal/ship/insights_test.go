package ship

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// insightsStart is the time of the first event in these tests.
const insightsStart = 1_785_139_200_000

// asksInsights makes a group of n events, each per milliseconds after the one
// before, and returns a question for all of them.
func asksInsights(t *testing.T, o logstest.Options, n int, each time.Duration) (*logstest.Server, *CloudWatch, *Query) {
	t.Helper()
	began := time.Now()
	o.Now = func() time.Time { return time.UnixMilli(insightsStart + 24*3600*1000).Add(time.Since(began)) }
	s := logstest.New(o)
	must := func(op string, in any) {
		text, err := json.Marshal(in)
		if err == nil {
			err = s.Do(op, string(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	must("CreateLogGroup", map[string]any{"logGroupName": "/g"})
	must("CreateLogStream", map[string]any{"logGroupName": "/g", "logStreamName": "s"})
	var events []map[string]any
	for i := range n {
		events = append(events, map[string]any{"timestamp": insightsStart + int64(i)*each.Milliseconds(), "message": fmt.Sprintf(`{"n":%d}`, i)})
	}
	for part := range slices.Chunk(events, 5000) {
		must("PutLogEvents", map[string]any{"logGroupName": "/g", "logStreamName": "s", "logEvents": part})
	}
	url, err := s.Start("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	c, err := NewCloudWatch(t.Context(), CloudWatchOptions{Group: "/g", Stream: "-", Region: "us-east-1", EndpointURL: url, Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return s, c, &Query{
		Groups: []string{"/g"}, Parallel: 3, Window: Window{insightsStart, insightsStart + 24*3600*1000},
		Text: func(w Window) string {
			return fmt.Sprintf("fields @timestamp, n | filter toMillis(@timestamp) >= %d and toMillis(@timestamp) < %d | sort @timestamp asc", w.From, w.To)
		},
	}
}

// numbers returns the n of all rows, in the order in which they came.
func numbers(ctx context.Context, c *CloudWatch, q *Query) (got []string, p QueryProgress, err error) {
	p, err = c.Ask(ctx, q, func(_ Window, rows []QueryRow) error {
		for _, r := range rows {
			got = append(got, r["n"])
		}
		return nil
	})
	return got, p, err
}

func checkNumbers(t *testing.T, got []string, n int) {
	t.Helper()
	if len(got) != n {
		t.Fatalf("%d rows, want %d", len(got), n)
	}
	for i, text := range got {
		if text != fmt.Sprint(i) {
			t.Fatalf("row %d is %s", i, text)
		}
	}
}

// TestAskBeyondTheLimit wants 9,000 rows of queries that return 2,000: each row
// comes once and in order, with no more calls than slices and pages.
func TestAskBeyondTheLimit(t *testing.T) {
	s, c, q := asksInsights(t, logstest.Options{}, 9000, 9*time.Second)
	q.Limit = 2000
	got, p, err := numbers(t.Context(), c, q)
	if err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, got, 9000)
	if started := s.Calls()["StartQuery"]; started != p.Slices || started > 3+9000/2000*2 {
		t.Errorf("%d queries of %d slices", started, p.Slices)
	}
	if v := s.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

// TestAskTies has several events in each millisecond, across the queries' limits.
func TestAskTies(t *testing.T) {
	_, c, q := asksInsights(t, logstest.Options{}, 1000, 0)
	if _, _, err := numbers(t.Context(), c, q); err != nil {
		t.Fatal(err)
	}
	q.Limit = 500
	if _, _, err := numbers(t.Context(), c, q); !errors.Is(err, errTooDense) {
		t.Errorf("more rows in a millisecond than a query returns: %v", err)
	}
}

// TestAskTimeouts halves a window until the service has the time for it.
func TestAskTimeouts(t *testing.T) {
	_, c, q := asksInsights(t, logstest.Options{ScanRate: 1 << 20, QueryTimeout: 25 * time.Millisecond}, 4000, time.Second)
	got, p, err := numbers(t.Context(), c, q)
	if err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, got, 4000)
	if p.Slices <= 3 {
		t.Errorf("%d slices: no query took too long", p.Slices)
	}
	q.Whole = true
	if rows, _, err := numbers(t.Context(), c, q); err != nil || len(rows) != 4000 {
		t.Errorf("whole: %d rows, %v", len(rows), err)
	}
}

// TestAskThrottled gets through where 60 % of calls are refused.
func TestAskThrottled(t *testing.T) {
	s, c, q := asksInsights(t, logstest.Options{Seed: 3}, 100, time.Second)
	s.Chance(0.6, logstest.Throttle, logstest.Fault{Op: "StartQuery", Code: "LimitExceededException"})
	got, _, err := numbers(t.Context(), c, q)
	if err != nil {
		t.Fatal(err)
	}
	checkNumbers(t, got, 100)
}

func TestAskRefused(t *testing.T) {
	s, c, q := asksInsights(t, logstest.Options{}, 10, time.Second)
	for _, f := range []logstest.Fault{
		logstest.Denied("StartQuery", "no identity-based policy allows"),
		{Op: "StartQuery", Code: "UnknownOperationException"},
		logstest.Denied("GetQueryResults", "no identity-based policy allows"),
	} {
		s.Always(f)
		if got, _, err := numbers(t.Context(), c, q); !errors.Is(err, ErrNoInsights) || len(got) > 0 {
			t.Errorf("%s %s: %d rows, %v", f.Op, f.Code, len(got), err)
		}
		s.Mend()
	}
	q.Text = func(Window) string { return "fields" }
	if _, _, err := numbers(t.Context(), c, q); !errors.Is(err, ErrInvalid) {
		t.Errorf("a wrong statement: %v", err)
	}
}

// TestAskStops leaves no query running when the user gives up, and none after
// more than is allowed was scanned.
func TestAskStops(t *testing.T) {
	s, c, q := asksInsights(t, logstest.Options{ScanRate: 1}, 100, time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	q.Progress = func(QueryProgress) {
		if s.Calls()["GetQueryResults"] > 3 {
			cancel()
		}
	}
	if _, _, err := numbers(ctx, c, q); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := s.RunningQueries(); n != 0 || s.Calls()["StartQuery"] == 0 {
		t.Errorf("%d of %d queries still run", n, s.Calls()["StartQuery"])
	}
	s, c, q = asksInsights(t, logstest.Options{}, 1000, time.Second)
	q.MaxBytes, q.Parallel = 100, 1
	if _, _, err := numbers(t.Context(), c, q); !errors.Is(err, ErrMaxBytes) {
		t.Error(err)
	}
}
