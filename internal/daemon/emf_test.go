package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/auditshipper/auditshipper/internal/ship"
)

// emfDocument is the embedded metric format as AWS specifies it ("Specification:
// Embedded metric format" in the CloudWatch user guide): directives with no
// other members than these.
type emfDocument struct {
	AWS struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	} `json:"_aws"`
}

// checkEMF holds a log event to the specification.
func checkEMF(t *testing.T, text []byte) map[string]float64 {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var doc emfDocument
	strict := json.NewDecoder(bytes.NewReader(members["_aws"]))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&doc.AWS); err != nil {
		t.Fatalf("%v: %s", err, members["_aws"])
	}
	if !bytes.HasPrefix(text, []byte(`{"_aws":`)) {
		t.Errorf("%s does not begin with what readers skip", text)
	}
	units := regexp.MustCompile(`^(Seconds|Microseconds|Milliseconds|(Kilo|Mega|Giga|Tera)?(Bytes|Bits)(/Second)?|Percent|Count(/Second)?|None)$`)
	names := regexp.MustCompile(`^[0-9A-Za-z._/#:-]+$`)
	values := map[string]float64{}
	for _, d := range doc.AWS.CloudWatchMetrics {
		if !names.MatchString(d.Namespace) || strings.HasPrefix(d.Namespace, "AWS/") || len(d.Namespace) > 255 {
			t.Errorf("namespace %q", d.Namespace)
		}
		if len(d.Metrics) == 0 || len(d.Metrics) > 100 || len(d.Dimensions) != 1 || len(d.Dimensions[0]) > 30 {
			t.Errorf("%d metrics over %v", len(d.Metrics), d.Dimensions)
		}
		for _, name := range slices.Concat(d.Dimensions...) {
			var value string
			if err := json.Unmarshal(members[name], &value); err != nil || value == "" || len(value) > 1024 {
				t.Errorf("dimension %s: %v: %q", name, err, members[name])
			}
		}
		for _, m := range d.Metrics {
			var value float64
			if err := json.Unmarshal(members[m.Name], &value); err != nil || !units.MatchString(m.Unit) || !names.MatchString(m.Name) {
				t.Errorf("metric %+v: %v: %q", m, err, members[m.Name])
			}
			values[m.Name] = value
		}
	}
	return values
}

// TestFigures runs three minutes of them.
func TestFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		st := Status{}
		st.Source.Lost, st.Delivery.Events, st.Journal.Bytes = 7, 100, 4096
		st.Gaps = map[string]uint64{causeOverrun: 1}
		var mu sync.Mutex // of st
		status := func() Status {
			mu.Lock()
			defer mu.Unlock()
			return st
		}
		var shipped []ship.Item
		f := &figures{host: "h", status: status, ship: func(it ship.Item) { shipped = append(shipped, it) }}
		done := make(chan error)
		begin := time.Now()
		go func() { done <- f.run(ctx) }()
		synctest.Wait()

		mu.Lock()
		st.Source.Lost, st.Source.Backlog, st.Delivery.Events, st.Delivery.LagSeconds = 9, 3, 160, 1.5
		st.Gaps = map[string]uint64{causeOverrun: 2, causeDowntime: 3}
		mu.Unlock()
		<-time.After(90 * time.Second)
		mu.Lock()
		st.Source.Lost, st.Journal.Bytes = 0, 8192 // somebody reset it
		mu.Unlock()
		<-time.After(time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		want := []map[string]float64{
			{"delivered_events": 60, "kernel_lost_records": 2, "gaps": 4, "delivery_lag_seconds": 1.5, "kernel_backlog_records": 3, "journal_bytes": 4096},
			{"delivered_events": 0, "kernel_lost_records": 0, "gaps": 0, "delivery_lag_seconds": 1.5, "kernel_backlog_records": 3, "journal_bytes": 8192},
		}
		if len(shipped) != len(want) {
			t.Fatalf("%d documents, want %d", len(shipped), len(want))
		}
		for i, it := range shipped {
			if got := checkEMF(t, it.Line); !maps.Equal(got, want[i]) {
				t.Errorf("minute %d: got %v, want %v", i+1, got, want[i])
			}
			if at := begin.Add(time.Duration(i+1) * time.Minute).UnixMilli(); it.Millis != at || !strings.Contains(string(it.Line), "\"Timestamp\":"+itoa(at)) {
				t.Errorf("minute %d: at %d, want %d: %s", i+1, it.Millis, at, it.Line)
			}
		}
	})
}

// TestFigureLabels has the sums over the hosts that have the same labels.
func TestFigureLabels(t *testing.T) {
	labels := func() map[string]string { return map[string]string{"env": "prod", "account": "1"} }
	f := &figures{host: "h", labels: labels, status: func() Status { return Status{} }}
	text, err := f.document(time.UnixMilli(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Dimensions":[["host"],["account","env"]]`, `"env":"prod"`, `"account":"1"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func itoa(n int64) string {
	text, _ := json.Marshal(n) // of a number: cannot fail
	return string(text)
}

// TestFiguresDocument holds docs/metrics.md to the figures there are.
func TestFiguresDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([A-Z]\\w+) \\|").FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1]+" "+m[2])
	}
	for _, f := range figureTable {
		want = append(want, f.name+" "+f.unit)
	}
	if !slices.Equal(got, want) {
		t.Errorf("documented are %q, want %q", got, want)
	}
}
