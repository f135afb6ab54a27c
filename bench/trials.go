package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"time"
)

// figures are what a trial measured, by the names of metrics.
type figures map[string]float64

// A trial is one measurement of one contestant.
type trial struct {
	name  string
	suits func(contestant) bool
	run   func(ctx context.Context, e *entry) (figures, error)
}

func everybody(c contestant) bool { return !c.full }
func readers(c contestant) bool   { return c.start != nil && !c.full }
func steadily(c contestant) bool  { return c.start != nil }
func daemons(c contestant) bool   { return c.start != nil && !c.null && !c.full }
func thrifty(c contestant) bool   { return (c.null || c.ours) && !c.full }
func onlyOurs(c contestant) bool  { return c.ours && !c.full }

var trials = []trial{
	{"burst", everybody, burst},
	{"steady", steadily, steady},
	{"bunches", thrifty, bunches},
	{"ceiling", readers, ceiling},
	{"kill", daemons, kill},
	{"delay", onlyOurs, delay},
	{"idle", daemons, idle},
}

// A load is a run of loadgen.
type load struct {
	Events  int
	Seconds float64

	cmd *exec.Cmd
	out bytes.Buffer
}

// A pace is how many events a second there are to be, 0 for flat out, and for how
// long at a time they are made in one go, 0 for each at its own moment.
type pace struct {
	rate  float64
	slice time.Duration
}

// begin starts n events.
func (e *entry) begin(ctx context.Context, n int, p pace) (*load, error) {
	l := &load{cmd: exec.CommandContext(ctx, e.bin("loadgen"), "-dir", e.watched,
		"-n", fmt.Sprint(n), "-rate", fmt.Sprint(p.rate), "-slice", p.slice.String())}
	l.cmd.Stdout, l.cmd.Stderr = &l.out, os.Stderr
	return l, l.cmd.Start()
}

func (l *load) wait() error {
	if err := l.cmd.Wait(); err != nil {
		return err
	}
	return json.Unmarshal(l.out.Bytes(), l)
}

func (e *entry) load(ctx context.Context, n int, p pace) (*load, error) {
	l, err := e.begin(ctx, n, p)
	if err != nil {
		return nil, err
	}
	return l, l.wait()
}

// burst is the load flat out: what arrives, and how much slower the writer is
// than without audit.
func burst(ctx context.Context, e *entry) (figures, error) {
	l, err := e.load(ctx, e.bench.burst, pace{})
	if err != nil {
		return nil, err
	}
	f := figures{"loop": l.Seconds / float64(l.Events) * 1e6}
	if e.contestant.start == nil {
		return f, nil
	}
	t, err := e.settle(l.Events)
	if err != nil {
		return nil, err
	}
	f["burst"] = float64(t.Complete) / float64(l.Events)
	s, err := e.kernel.Status()
	f["lost"] = float64(s.Lost)
	return f, err
}

// steadyRate is what a reader must bear for its cost to be measured, in events
// a second.
const steadyRate = 10_000

// steady is a load that readers can bear: what an event costs, until it is
// delivered.
func steady(ctx context.Context, e *entry) (figures, error) { return paced(ctx, e, e.bench.steady, 0) }

// bunches is the same load in bunches of 20 events, as a program makes them that
// does something else in between: who reads is woken less often.
func bunches(ctx context.Context, e *entry) (figures, error) {
	f, err := paced(ctx, e, e.bench.steady/2, 2*time.Millisecond)
	return figures{"bunched": f["cpu"]}, err
}

func paced(ctx context.Context, e *entry, long, slice time.Duration) (figures, error) {
	pids, err := e.pids()
	if err != nil {
		return nil, err
	}
	kernel, err := kauditd()
	if err != nil {
		return nil, err
	}
	if err := resetPeaks(pids); err != nil {
		return nil, err
	}
	before, errBefore := cpu(pids)
	kernelBefore, errKernel := cpu([]int{kernel})
	n := int(steadyRate * long.Seconds())
	l, errLoad := e.load(ctx, n, pace{steadyRate, slice})
	if err := errors.Join(errBefore, errKernel, errLoad); err != nil {
		return nil, err
	}
	t, errSettle := e.settle(n)
	after, errAfter := cpu(pids)
	kernelAfter, errKernel := cpu([]int{kernel})
	peak, errPeak := memory(pids, "VmHWM")
	f := figures{
		"share":   float64(t.Complete) / float64(n),
		"rate":    float64(l.Events) / l.Seconds,
		"cpu":     (after - before).Seconds() * 1e6 / float64(n),
		"kauditd": (kernelAfter - kernelBefore).Seconds() * 1e6 / float64(n),
		"rss":     peak,
	}
	f["both"] = f["cpu"] + f["kauditd"]
	if e.ours {
		f["growth"] = f["cpu"]
	}
	if !e.null && t.Complete > 0 {
		f["bytes"] = float64(t.Bytes) / float64(t.Complete)
	}
	return f, errors.Join(errSettle, errAfter, errKernel, errPeak)
}

// Bounds of the search for the highest rate without loss.
const (
	lowestRate  = 500
	highestRate = 60_000
	probeTime   = 2 // seconds
	probes      = 6 // after the first, each halves the interval's logarithm
)

// ceiling searches the highest rate at which nothing is lost. Where the writer
// is the limit it is what the writer reached.
func ceiling(ctx context.Context, e *entry) (figures, error) {
	low, high := float64(lowestRate), float64(highestRate)
	reached, lossless, err := e.probe(ctx, high)
	if err != nil || lossless {
		return figures{"ceiling": reached}, err
	}
	for range probes {
		high = min(high, reached)
		middle := math.Sqrt(low * high)
		r, lossless, err := e.probe(ctx, middle)
		switch {
		case err != nil:
			return nil, err
		case lossless:
			low = r
		default:
			high = middle
		}
	}
	return figures{"ceiling": low}, nil
}

// probe makes a load at rate and tells which rate was reached and whether every
// event of it came.
func (e *entry) probe(ctx context.Context, rate float64) (reached float64, lossless bool, err error) {
	if err := e.rest(); err != nil {
		return 0, false, err
	}
	n := int(min(rate, 30_000) * probeTime)
	l, err := e.load(ctx, n, pace{rate: rate})
	if err != nil {
		return 0, false, err
	}
	t, err := e.settle(n)
	return float64(l.Events) / l.Seconds, t.Complete >= n, err
}

// Of the trial that kills: the load, and for how long nobody lives.
const (
	killRate = 5_000
	killAt   = 2 * time.Second
	killGap  = 2 * time.Second
	killTime = 6 * time.Second
)

// kill kills the contestant in the midst of a load and starts it again: what is
// missing in the end.
func kill(ctx context.Context, e *entry) (figures, error) {
	n := int(killRate * killTime.Seconds())
	l, err := e.begin(ctx, n, pace{rate: killRate})
	if err != nil {
		return nil, err
	}
	time.Sleep(killAt)
	if err := e.cmd.Process.Kill(); err != nil {
		return nil, err
	}
	_ = e.cmd.Wait() // it was killed
	time.Sleep(killGap)
	if err := errors.Join(e.contestant.start(e), l.wait()); err != nil {
		return nil, err
	}
	t, err := e.settle(n)
	return figures{"missing": float64(n - t.Complete)}, err
}

// delay is a light load: how long events take until the service has them.
func delay(ctx context.Context, e *entry) (figures, error) {
	const n, rate = 5_000, 1_000
	if _, err := e.load(ctx, n, pace{rate: rate}); err != nil {
		return nil, err
	}
	if _, err := e.settle(n); err != nil {
		return nil, err
	}
	s, err := e.endpoint.stats()
	return figures{"p50": s.P50, "p99": s.P99}, err
}

// idleTime is how long a contestant is watched that has nothing to do.
const (
	idleTime  = 10 * time.Second
	idleAfter = 3 * time.Second // of its start, and of the delivery that it started
)

func idle(_ context.Context, e *entry) (figures, error) {
	pids, err := e.pids()
	if err != nil {
		return nil, err
	}
	time.Sleep(idleAfter)
	before, errBefore := cpu(pids)
	time.Sleep(idleTime)
	after, errAfter := cpu(pids)
	rss, errMemory := memory(pids, "VmRSS")
	return figures{"idle": 100 * (after - before).Seconds() / idleTime.Seconds(), "idle rss": rss}, errors.Join(errBefore, errAfter, errMemory)
}
