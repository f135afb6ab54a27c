package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/auditshipper/auditshipper/internal/ship"
)

// A figure is one metric in CloudWatch's embedded format: its name and unit
// there, and where to read it. docs/metrics.md lists the same.
type figure struct {
	name, unit string
	rise       bool // since the last document, so that sums over time and hosts are right
	read       func(s *Status) float64
}

var figureTable = []figure{
	{"delivered_events", "Count", true, func(s *Status) float64 { return float64(s.Delivery.Events) }},
	{"kernel_lost_records", "Count", true, func(s *Status) float64 { return float64(s.Source.Lost) }},
	{"gaps", "Count", true, func(s *Status) float64 { return float64(sum(s.Gaps)) }},
	{"delivery_lag_seconds", "Seconds", false, func(s *Status) float64 { return s.Delivery.LagSeconds }},
	{"kernel_backlog_records", "Count", false, func(s *Status) float64 { return float64(s.Source.Backlog) }},
	{"journal_bytes", "Bytes", false, func(s *Status) float64 { return float64(s.Journal.Bytes) }},
}

func sum(by map[string]uint64) (n uint64) {
	for _, v := range by {
		n += v
	}
	return n
}

const (
	figuresEvery     = time.Minute
	figuresNamespace = "auditshipper"
	figuresDimension = "host"
)

// figures put the daemon's own metrics into the log stream, from which
// CloudWatch Logs extracts them (embedded metric format).
type figures struct {
	host   string
	labels func() map[string]string // nil: none
	status func() Status
	ship   func(ship.Item)

	last []float64
}

// run ships a document every minute until ctx is done.
func (f *figures) run(ctx context.Context) error {
	tick := time.NewTicker(figuresEvery)
	defer tick.Stop()
	f.values() // what there was before is no rise
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			text, err := f.document(now)
			if err != nil {
				return fmt.Errorf("encode metrics: %w", err)
			}
			f.ship(ship.Item{Millis: now.UnixMilli(), Line: text})
		}
	}
}

// values reads the table. A counter that was reset has not risen.
func (f *figures) values() []float64 {
	s := f.status()
	now, values := make([]float64, len(figureTable)), make([]float64, len(figureTable))
	for i, fig := range figureTable {
		now[i] = fig.read(&s)
		values[i] = now[i]
		if fig.rise && f.last != nil {
			values[i] = max(0, now[i]-f.last[i])
		}
	}
	f.last = now
	return values
}

// document is one minute's figures.
func (f *figures) document(now time.Time) ([]byte, error) {
	type definition struct {
		Name string
		Unit string
	}
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	type metadata struct {
		Timestamp         int64 // milliseconds
		CloudWatchMetrics []directive
	}
	all := directive{Namespace: figuresNamespace, Dimensions: [][]string{{figuresDimension}}}
	root := map[string]any{figuresDimension: f.host} // encoded in order of the keys, _aws first
	var labels map[string]string
	if f.labels != nil {
		labels = f.labels()
	}
	if len(labels) > 0 { // the sum of the hosts that have the same ones
		all.Dimensions = append(all.Dimensions, slices.Sorted(maps.Keys(labels)))
		for name, value := range labels {
			root[name] = value
		}
	}
	for i, v := range f.values() {
		all.Metrics = append(all.Metrics, definition{figureTable[i].name, figureTable[i].unit})
		root[figureTable[i].name] = v
	}
	root["_aws"] = metadata{now.UnixMilli(), []directive{all}}
	return json.Marshal(root)
}
