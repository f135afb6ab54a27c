package ship

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// passing are faults after which the same call may go well, by name.
var passing = logstest.Passing()

// uncertain are those after which events may have arrived without our knowing.
var uncertain = []string{"cut after", "truncated answer", "garbage answer", "hang", "slow"}

// TestEachFault delivers through each fault in turn, as often as it takes to
// meet it, and requires that nothing is missing.
func TestEachFault(t *testing.T) {
	awsEnvironment(t)
	for name, fault := range passing {
		t.Run(name, func(t *testing.T) {
			s, url := endpoint(t, logstest.Options{})
			k := newSink()
			o := k.options(cloudWatch(t, url, nil))
			o.Flush, o.Timeout = 20*time.Millisecond, 200*time.Millisecond
			sh := New(o)
			add(t, sh, 0, 100)
			k.wait(t, 100)
			s.Next(fault, fault)
			add(t, sh, 100, 200)
			k.wait(t, 200)
			finish(t, sh)
			k.ordered(t)
			complete(t, s, 200, slices.Contains(uncertain, name))
			if len(k.rejected) != 0 {
				t.Errorf("rejected %d, want none: %s", len(k.rejected), k.rejected[0])
			}
		})
	}
}

// TestAllFaults mixes all faults at random, while events keep coming, through
// the real client.
func TestAllFaults(t *testing.T) {
	awsEnvironment(t)
	for range 2 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, url := endpoint(t, logstest.Options{Seed: seed})
			k := newSink()
			o := k.options(cloudWatch(t, url, nil))
			o.Flush, o.Timeout = 5*time.Millisecond, 200*time.Millisecond
			sh := New(o)
			s.Chance(0.3, slices.Collect(mapValues(passing))...)
			const n, calls = 10_000, 100
			for i := 0; i < n; i += n / calls {
				add(t, sh, i, i+n/calls)
				sh.Flush()
				k.wait(t, uint64(i)) // else it all goes in two calls
			}
			k.wait(t, n)
			finish(t, sh)
			k.ordered(t)
			if got := s.Calls()["PutLogEvents"]; got < calls/2 {
				t.Errorf("%d calls, want at least %d", got, calls/2)
			}
			complete(t, s, n, true)
			if len(k.rejected) != 0 {
				t.Errorf("rejected %d, want none: %s", len(k.rejected), k.rejected[0])
			}
		})
	}
}

func mapValues(m map[string]logstest.Fault) func(yield func(logstest.Fault) bool) {
	return func(yield func(logstest.Fault) bool) {
		names := slices.Sorted(func(y func(string) bool) {
			for name := range m {
				if !y(name) {
					return
				}
			}
		})
		for _, name := range names {
			if !yield(m[name]) {
				return
			}
		}
	}
}

// TestMemory floods a dead service, and then one that takes things, and
// requires that memory stays what the batches take.
func TestMemory(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{Discard: true})
	s.Always(logstest.Unavailable)
	k := newSink()
	sh := New(k.options(cloudWatch(t, url, nil)))
	items := sample(10_000)
	before := heap()
	flood := func(n int, timeout time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		for i := range n {
			it := items[i%len(items)]
			it.Mark = uint64(i + 1)
			if sh.Add(ctx, it) != nil {
				return
			}
		}
	}
	flood(1<<30, 2*time.Second)
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d MiB more while the service is dead, want at most 16", grown>>20)
	}
	s.Mend()
	flood(50_000, time.Minute)
	finish(t, sh)
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d MiB more afterwards, want at most 16", grown>>20)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// add gives lines from to to-1 to sh, with marks that count them.
func add(t testing.TB, sh *Shipper, from, to int) {
	t.Helper()
	now := time.Now().UnixMilli()
	for i := from; i < to; i++ {
		if err := sh.Add(t.Context(), Item{Millis: now, Line: []byte(line(i)), Mark: uint64(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
}

func finish(t testing.TB, sh *Shipper) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := sh.Drain(ctx); err != nil {
		t.Error(err)
	}
}

// complete requires that lines 0 to n-1 arrived, once each unless more is
// allowed.
func complete(t testing.TB, s *logstest.Server, n int, more bool) {
	t.Helper()
	count := map[string]int{}
	for _, e := range s.Events("/auditshipper", "host") {
		count[e.Message]++
	}
	var missing, twice []string
	for i := range n {
		switch c := count[line(i)]; {
		case c == 0:
			missing = append(missing, line(i))
		case c > 1:
			twice = append(twice, line(i))
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d of %d missing, the first: %s", len(missing), n, missing[0])
	}
	if len(twice) > 0 && !more {
		t.Errorf("%d of %d arrived more than once, the first: %s", len(twice), n, strings.Join(twice[:1], ""))
	}
}
