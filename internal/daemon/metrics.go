package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/auditshipper/auditshipper/internal/event"
)

// eventCounts are what the deliver loop counts of events.
type eventCounts struct {
	events  atomic.Uint64
	partial atomic.Uint64
	paths   [event.FromUnresolved + 1]atomic.Uint64
}

func (c *eventCounts) count(e *event.Event) {
	c.events.Add(1)
	if e.Partial {
		c.partial.Add(1)
	}
	if e.Path.From != event.FromNone {
		c.paths[e.Path.From].Add(1)
	}
}

// A metric is one figure for Prometheus: its name without the prefix, its help,
// and where to read it. docs/metrics.md lists the same.
type metric struct {
	name, help string
	counter    bool
	read       func(s *Status) float64
}

var metricTable = []metric{
	{"records_received_total", "Audit records received from the kernel or the followed file.", true, func(s *Status) float64 { return float64(s.Source.Records) }},
	{"delivered_events_total", "Events that the output has accepted.", true, func(s *Status) float64 { return float64(s.Delivery.Events) }},
	{"delivered_bytes_total", "Bytes of events accepted, as CloudWatch Logs bills them: the message and 26 bytes.", true, func(s *Status) float64 { return float64(s.Delivery.Bytes + 26*s.Delivery.Events) }},
	{"delivered_batches_total", "Batches accepted.", true, func(s *Status) float64 { return float64(s.Delivery.Batches) }},
	{"others_events_total", "Events that none of our rules asked for, which are not delivered (events: ours).", true, func(s *Status) float64 { return float64(s.Delivery.Others) }},
	{"retries_total", "Calls repeated.", true, func(s *Status) float64 { return float64(s.Delivery.Retries) }},
	{"throttled_total", "Calls that the service refused because there were too many.", true, func(s *Status) float64 { return float64(s.Delivery.Throttled) }},
	{"rejected_events_total", "Events the service refused for good; they are in rejected.jsonl.", true, func(s *Status) float64 { return float64(s.Delivery.Rejected) }},
	{"delivery_stalled_seconds", "Seconds since delivery last made progress while something was waiting, 0 while it works.", false, func(s *Status) float64 { return since(s.Delivery.StalledSince) }},
	{"delivery_blocked", "1 while delivery waits for something that must be found or mended first: a region, an instance id, credentials, a right.", false, func(s *Status) float64 { return truth(s.Delivery.Blocked != nil) }},
	{"delivery_lag_seconds", "Age of the oldest event that is not delivered yet, 0 for none.", false, func(s *Status) float64 { return s.Delivery.LagSeconds }},
	{"flush_interval_seconds", "Longest time a batch is held open, as adapted to throttling.", false, func(s *Status) float64 { return s.Delivery.FlushSeconds }},
	{"backfilled_events_total", "Events that were missing and came from auditd's log.", true, func(s *Status) float64 { return float64(s.Source.Backfilled) }},
	{"overruns_total", "Times the socket's receive buffer was full.", true, func(s *Status) float64 { return float64(s.Source.Overruns) }},
	{"forged_records_total", "Datagrams that processes sent to the audit socket in the kernel's place; they are dropped.", true, func(s *Status) float64 { return float64(s.Source.Forged) }},
	{"receive_buffer_bytes", "Receive buffer that the kernel granted.", false, func(s *Status) float64 { return float64(s.Source.ReceiveBuffer) }},
	{"kernel_enabled", "Auditing in the kernel: 0 off, 1 on, 2 on and immutable.", false, func(s *Status) float64 { return float64(s.Source.Enabled) }},
	{"kernel_lost_records", "Records the kernel dropped since boot or reset, its own count.", false, func(s *Status) float64 { return float64(s.Source.Lost) }},
	{"kernel_backlog_records", "Records waiting in the kernel for the audit daemon.", false, func(s *Status) float64 { return float64(s.Source.Backlog) }},
	{"kernel_backlog_limit_records", "Records the kernel queues before it drops.", false, func(s *Status) float64 { return float64(s.Source.BacklogLimit) }},
	{"registered", "1 while this daemon's socket is the registered one, 0 beside another audit daemon.", false, func(s *Status) float64 { return truth(s.Source.Mode == modeUnicast) }},
	{"journal_bytes", "Bytes of the journal on disk.", false, func(s *Status) float64 { return float64(s.Journal.Bytes) }},
	{"journal_max_bytes", "Bytes at which the journal refuses the newest records.", false, func(s *Status) float64 { return float64(s.Journal.MaxBytes) }},
	{"journal_undelivered_bytes", "Bytes of the journal that are not delivered yet.", false, func(s *Status) float64 { return float64(s.Journal.Undelivered) }},
	{"flooded_events_total", "Events that were counted instead of kept, since their users filled the journal.", true, func(s *Status) float64 { return float64(s.Journal.Flooded) }},
	{"never_task", "1 while a never,task rule keeps new processes from being audited.", false, func(s *Status) float64 { return truth(s.Rules.NeverTask) }},
	{"rules_repaired_total", "Times rules were put back after something took them away.", true, func(s *Status) float64 { return float64(s.Rules.Repairs) }},
	{"start_time_seconds", "Unix time at which the daemon started.", false, func(s *Status) float64 { return float64(s.Started.Unix()) }},
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// since is how long ago t was, 0 if it never was.
func since(t *time.Time) float64 {
	if t == nil {
		return 0
	}
	return time.Since(*t).Seconds()
}

// A collector reads the daemon's status when Prometheus asks, so that nothing
// is counted twice.
type collector struct{ d *Daemon }

const metricPrefix = "auditshipper_"

// Metrics with labels, beside the table.
var (
	eventsDesc  = desc("events_total", "Events assembled from records, before filters.")
	partialDesc = desc("events_partial_total", "Events that lacked records and were delivered marked partial.")
	pathsDesc   = desc("paths_total", "Paths of events by how they were found: absolute, cwd, trail, proc, claimed or unresolved.", "path_from")
	droppedDesc = desc("events_dropped_total", "Events not delivered because a drop filter of the configuration, by its index, says so.", "filter")
	gapsDesc    = desc("gaps_total", "Gap events by cause, without planned ones: kernel_lost, overrun, downtime, journal_full, journal_damaged, rejected or flood.", "cause")
	rulesDesc   = desc("rules", "Our rules by state: in_effect, waiting for their mount (counted in watches), hidden by a foreign rule, or missing.", "state")
	buildDesc   = desc("build_info", "Always 1; the labels say what runs.", "version", "goversion")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(metricPrefix+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	s := c.d.status()
	send := func(d *prometheus.Desc, counter bool, v float64, labels ...string) {
		kind := prometheus.GaugeValue
		if counter {
			kind = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	for _, m := range metricTable {
		send(desc(m.name, m.help), m.counter, m.read(&s))
	}
	counts := &c.d.deliver.counts
	send(eventsDesc, true, float64(counts.events.Load()))
	send(partialDesc, true, float64(counts.partial.Load()))
	for from := event.FromAbsolute; from <= event.FromUnresolved; from++ {
		send(pathsDesc, true, float64(counts.paths[from].Load()), from.String())
	}
	for i, f := range s.Dropped {
		send(droppedDesc, true, float64(f.Events), fmt.Sprint(i))
	}
	for _, cause := range causes {
		send(gapsDesc, true, float64(s.Gaps[cause]), cause)
	}
	send(rulesDesc, false, float64(s.Rules.InEffect), "in_effect")
	send(rulesDesc, false, float64(len(s.Rules.Waiting)), "waiting")
	send(rulesDesc, false, float64(len(s.Rules.Hidden)), "hidden")
	send(rulesDesc, false, float64(s.Rules.Wanted-s.Rules.InEffect), "missing")
	send(buildDesc, false, 1, s.Version, runtime.Version())
}

// mostScrapers is how many connections to the metrics there are at a time.
const mostScrapers = 16

// serveMetrics answers Prometheus at addr until ctx is done.
func (d *Daemon) serveMetrics(ctx context.Context, addr string) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector{d}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("serve metrics: %w", err)
	}
	server := &http.Server{
		Handler: mux, MaxHeaderBytes: 16 << 10,
		ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, // Prometheus asks once a minute
	}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(&boundedListener{Listener: l, most: mostScrapers}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}
