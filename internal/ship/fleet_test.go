package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

// Quotas of an account in a region, calls a second.
const (
	putQuota    = 5000
	createQuota = 50
)

// A bucket lets rate calls a second through, and a second's worth at once.
type bucket struct {
	rate, tokens float64
	at           time.Time
}

func (b *bucket) take(now time.Time) bool {
	b.tokens = min(b.rate, b.tokens+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// An account is what all hosts of a fleet share.
type account struct {
	mu      sync.Mutex
	puts    bucket
	creates bucket
	down    bool

	streams             int
	arrived             int
	accepted, throttled int             // calls
	delays              []time.Duration // of events since it was last taken
}

var errDown = errors.New("the region is down")

// A host is a Putter: its way to the account.
type host struct {
	*account
	stream bool
}

func (h *host) Put(ctx context.Context, b *Batch, i, j int) (Result, error) {
	if err := latency(ctx); err != nil {
		return Result{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	switch {
	case h.down:
		return Result{}, errDown
	case !h.puts.take(now), !h.stream && !h.creates.take(now):
		h.throttled++
		return Result{}, ErrThrottled
	}
	if !h.stream {
		h.stream = true
		h.streams++
	}
	h.accepted++
	h.arrived += j - i
	for ; i < j; i++ {
		h.delays = append(h.delays, time.Duration(now.UnixMilli()-b.items[i].millis)*time.Millisecond)
	}
	return Result{}, nil
}

// latency is that of a call within a region.
func latency(ctx context.Context) error {
	select {
	case <-time.After(30*time.Millisecond + rand.N(40*time.Millisecond)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A fleet is a run of the simulation.
type fleet struct {
	hosts int
	every time.Duration // between events of a host

	acc      *account
	shippers []*Shipper
	added    []int // by host
	stop     chan struct{}
	group    sync.WaitGroup

	seconds []second
	results map[string]result
}

// A second of the run, for the plot.
type second struct{ accepted, throttled int }

// A result is what a phase showed.
type result struct {
	took        time.Duration
	peak        int     // accepted calls in its busiest second
	throttled   float64 // share of calls
	median, p99 time.Duration
	flush       time.Duration // median of the hosts' intervals at the end
}

// start boots all hosts in one moment, which is the worst there is.
func (f *fleet) start(t *testing.T) {
	f.acc = &account{puts: bucket{rate: putQuota}, creates: bucket{rate: createQuota}}
	f.stop, f.added, f.results = make(chan struct{}), make([]int, f.hosts), map[string]result{}
	for n := range f.hosts {
		sh := New(Options{
			Put: &host{account: f.acc}, Flush: time.Second, Concurrency: 2, Log: zap.NewNop(),
			Ack: func(uint64) {}, Reject: func(Item, string) { t.Error("rejected") },
		})
		f.shippers = append(f.shippers, sh)
		f.group.Go(func() { f.feed(n, sh) })
	}
}

// feed makes a host's events.
func (f *fleet) feed(n int, sh *Shipper) {
	wait := time.NewTimer(rand.N(f.every))
	for {
		select {
		case <-wait.C:
		case <-f.stop:
			return
		}
		f.added[n]++
		if sh.Add(context.Background(), Item{Millis: time.Now().UnixMilli(), Line: []byte("x"), Mark: uint64(f.added[n])}) != nil {
			return
		}
		wait.Reset(f.every)
	}
}

// phase runs until done says so, or for limit, and keeps what it showed.
func (f *fleet) phase(name string, limit time.Duration, done func() bool) {
	begin, first := time.Now(), len(f.seconds)
	for time.Since(begin) < limit && !done() {
		time.Sleep(time.Second)
		f.acc.mu.Lock()
		f.seconds = append(f.seconds, second{f.acc.accepted, f.acc.throttled})
		f.acc.accepted, f.acc.throttled = 0, 0
		f.acc.mu.Unlock()
	}
	r := result{took: time.Since(begin)}
	accepted, throttled := 0, 0
	for _, s := range f.seconds[first:] {
		accepted, throttled, r.peak = accepted+s.accepted, throttled+s.throttled, max(r.peak, s.accepted)
	}
	r.throttled = float64(throttled) / float64(max(accepted+throttled, 1))
	f.acc.mu.Lock()
	delays := f.acc.delays
	f.acc.delays = nil
	f.acc.mu.Unlock()
	slices.Sort(delays)
	if n := len(delays); n > 0 {
		r.median, r.p99 = delays[n/2], delays[n*99/100]
	}
	var flush []time.Duration
	for _, sh := range f.shippers {
		flush = append(flush, sh.State().Flush)
	}
	slices.Sort(flush)
	r.flush = flush[len(flush)/2]
	f.results[name] = r
}

// caughtUp reports whether no host has an event older than d.
func (f *fleet) caughtUp(d time.Duration) bool {
	old := time.Now().Add(-d).UnixMilli()
	for _, sh := range f.shippers {
		if st := sh.State(); st.Oldest != 0 && st.Oldest < old {
			return false
		}
	}
	return true
}

// end stops the fleet and requires that every event arrived.
func (f *fleet) end(t *testing.T) {
	close(f.stop)
	f.group.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var drains sync.WaitGroup
	for _, sh := range f.shippers {
		drains.Go(func() {
			if err := sh.Drain(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	drains.Wait()
	added := 0
	for _, n := range f.added {
		added += n
	}
	if f.acc.arrived != added {
		t.Errorf("%d of %d events arrived", f.acc.arrived, added)
	}
}

// run goes through a start-up storm, steady load, an outage of the region and
// the recovery from it.
func (f *fleet) run(t *testing.T) {
	f.start(t)
	never := func() bool { return false }
	f.phase("storm", 3*time.Hour, f.allThere)
	f.phase("settling", 5*time.Minute, never)
	f.phase("steady", 5*time.Minute, never)
	f.down(true)
	f.phase("outage", 30*time.Minute, never)
	f.down(false)
	f.phase("recovery", time.Hour, func() bool { return f.caughtUp(time.Minute) })
	f.phase("after", 5*time.Minute, never)
	f.end(t)
}

// allThere reports whether every host has its stream.
func (f *fleet) allThere() bool {
	f.acc.mu.Lock()
	defer f.acc.mu.Unlock()
	return f.acc.streams == f.hosts
}

func (f *fleet) down(down bool) {
	f.acc.mu.Lock()
	defer f.acc.mu.Unlock()
	f.acc.down = down
}

// TestFleet simulates fleets against the quotas of an account. It runs a small
// one; AUDITSHIPPER_FLEET=DIR runs the large ones too, which takes some GiB and
// half an hour, and writes the table and the plot of docs/fleet.md to DIR.
func TestFleet(t *testing.T) {
	fleets := []*fleet{{hosts: 1000, every: 10 * time.Second}}
	dir := os.Getenv("AUDITSHIPPER_FLEET")
	if dir != "" {
		fleets = []*fleet{{hosts: 1000, every: time.Second}, {hosts: 10_000, every: time.Second}, {hosts: 100_000, every: 10 * time.Second}}
	}
	for _, f := range fleets {
		synctest.Test(t, f.run)
		t.Log("\n" + f.table())
		storm, steady, recovery := f.results["storm"], f.results["steady"], f.results["recovery"]
		if ideal := time.Duration(f.hosts/createQuota) * time.Second; storm.took > ideal*3/2+30*time.Second {
			t.Errorf("%d hosts: the storm took %v, the quota allows %v", f.hosts, storm.took, ideal)
		}
		if recovery.took > 2*time.Minute {
			t.Errorf("%d hosts: recovery took %v", f.hosts, recovery.took)
		}
		if f.hosts == 1000 && (steady.throttled > 0 || steady.p99 > 2*time.Second || steady.flush != time.Second) {
			t.Errorf("steady: %+v", steady)
		}
	}
	if dir != "" {
		write(t, dir, fleets)
	}
}

// table returns a row for each phase.
func (f *fleet) table() string {
	var b strings.Builder
	for _, name := range []string{"storm", "settling", "steady", "recovery", "after"} {
		r := f.results[name]
		fmt.Fprintf(&b, "| %d, each %v | %s | %v | %d | %.0f %% | %.1f s | %.1f s | %.1f s |\n",
			f.hosts, f.every, name, r.took.Round(time.Second), r.peak, 100*r.throttled, r.median.Seconds(), r.p99.Seconds(), r.flush.Seconds())
	}
	return b.String()
}

func write(t *testing.T, dir string, fleets []*fleet) {
	table := "| hosts, an event | phase | took | peak calls/s accepted | throttled | median delay | p99 delay | flush interval |\n|---|---|---|---|---|---|---|---|\n"
	for _, f := range fleets {
		table += f.table()
	}
	for name, text := range map[string]string{"fleet-table.md": table, "fleet.svg": plot(fleets)} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// plot draws the calls of each fleet over time: accepted and throttled.
func plot(fleets []*fleet) string {
	const width, height, left = 860, 200, 60
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width+2*left, len(fleets)*(height+60))
	fmt.Fprintln(&b, `<rect width="100%" height="100%" fill="white"/>`)
	for n, f := range fleets {
		top, most := 30+n*(height+60), putQuota*6/5
		for _, s := range f.seconds {
			most = max(most, s.accepted, s.throttled)
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d">%d hosts, an event each %v: calls a second, accepted (blue) and throttled (orange); dashed: the quota</text>`+"\n", left, top-8, f.hosts, f.every)
		line := func(colour string, value func(second) int) {
			var points strings.Builder
			step := max(len(f.seconds)/width, 1)
			for i := 0; i+step <= len(f.seconds); i += step {
				sum := 0
				for _, s := range f.seconds[i : i+step] {
					sum += value(s)
				}
				fmt.Fprintf(&points, "%d,%d ", left+i*width/len(f.seconds), top+height-sum/step*height/most)
			}
			fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" points="%s"/>`+"\n", colour, points.String())
		}
		line("#e08020", func(s second) int { return s.throttled })
		line("#2060c0", func(s second) int { return s.accepted })
		quota := top + height - putQuota*height/most
		fmt.Fprintf(&b, `<path d="M%d %dH%d" stroke="gray" stroke-dasharray="4"/><text x="4" y="%d">%d</text>`+"\n", left, quota, left+width, quota+4, putQuota)
		fmt.Fprintf(&b, `<path d="M%d %dV%dH%d" stroke="black" fill="none"/>`+"\n", left, top, top+height, left+width)
		fmt.Fprintf(&b, `<text x="%d" y="%d">0</text><text x="%d" y="%d" text-anchor="end">%d min</text>`+"\n", left, top+height+16, left+width, top+height+16, len(f.seconds)/60)
	}
	fmt.Fprintln(&b, "</svg>")
	return b.String()
}
