package ship

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A fake is a service without a network: it takes what answer lets through.
type fake struct {
	mu     sync.Mutex
	calls  int
	sizes  []int // events of each call that was accepted
	lines  []string
	times  []int64
	at     []time.Time
	answer func(call int, b *Batch, i, j int) (Result, error)
	delay  time.Duration
}

func (f *fake) Put(ctx context.Context, b *Batch, i, j int) (Result, error) {
	if f.delay > 0 {
		select {
		case <-time.After(f.delay):
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	var res Result
	if f.answer != nil {
		var err error
		if res, err = f.answer(f.calls, b, i, j); err != nil {
			return Result{}, err
		}
	}
	for n := i; n < j; n++ {
		if !slices.ContainsFunc(res.Rejected, func(r Rejected) bool { return r.From <= n && n < r.To }) {
			f.lines, f.times = append(f.lines, string(b.line(n))), append(f.times, b.items[n].millis)
		}
	}
	f.sizes, f.at = append(f.sizes, j-i), append(f.at, time.Now())
	return res, nil
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *fake) arrived() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lines)
}

// TestOutage runs an outage of hours, with errors of all kinds and two calls in
// flight, and requires a line of log for each cause and one for the end.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		errs := []error{ErrThrottled, errors.New("connection refused"), ErrBlocked, nil, context.DeadlineExceeded}
		f := &fake{}
		f.answer = func(call int, _ *Batch, _, _ int) (Result, error) {
			if since := time.Since(begin); since > time.Minute && since < 6*time.Hour {
				if err := errs[call%len(errs)]; err != nil {
					return Result{}, err
				}
				return Result{}, fmt.Errorf("read tcp 10.0.0.1:%d: reset", 40000+call)
			}
			return Result{}, nil
		}
		k := newSink()
		sh := New(k.options(f))
		stop := time.Now().Add(7 * time.Hour)
		n := 0
		for ; time.Now().Before(stop); n++ {
			add(t, sh, n, n+1)
			time.Sleep(10 * time.Second)
		}
		finish(t, sh)

		if got, want := len(k.logs.All()), len(errs)+1; got != want {
			t.Errorf("%d lines of log, want %d: %v", got, want, k.logs.All())
		}
		if got := k.logs.FilterMessage("delivery stalled").Len(); got != 1 {
			t.Errorf("stalled %d times", got)
		}
		if got := f.arrived(); len(got) != n {
			t.Errorf("%d events arrived, want %d", len(got), n)
		}
		k.ordered(t)
		if k.last() != uint64(n) {
			t.Errorf("acknowledged up to %d, want %d", k.last(), n)
		}
		if st := sh.State(); !st.StalledSince.IsZero() || st.LastError != "" || st.Retries == 0 || st.Events != uint64(n) {
			t.Errorf("state afterwards: %+v", st)
		}
	})
}

// TestOneFailureIsNoStall: a call that goes well the second time is not worth a
// line of log.
func TestOneFailureIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(call int, _ *Batch, _, _ int) (Result, error) {
			if call%3 == 1 {
				return Result{}, errors.New("reset by peer")
			}
			return Result{}, nil
		}}
		k := newSink()
		sh := New(k.options(f))
		for i := range 100 {
			add(t, sh, i, i+1)
			time.Sleep(2 * time.Second)
		}
		finish(t, sh)
		if k.logs.Len() != 0 {
			t.Errorf("logged %v, want nothing", k.logs.All())
		}
		if st := sh.State(); st.Retries == 0 {
			t.Error("no retry counted")
		}
	})
}

// TestStallIsVisible: the state says since when and why, and what kind it is.
func TestStallIsVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int, *Batch, int, int) (Result, error) {
			return Result{}, fmt.Errorf("%w: %w: key is gone", ErrBlocked, ErrBlocked)
		}}
		k := newSink()
		sh := New(k.options(f))
		begin := time.Now()
		add(t, sh, 0, 1)
		time.Sleep(10 * time.Minute)
		st := sh.State()
		if !st.Blocked || st.LastError != "key is gone" || st.StalledSince.Sub(begin) != time.Second || st.Oldest != begin.UnixMilli() {
			t.Errorf("state %+v", st)
		}
		f.mu.Lock()
		f.answer = nil
		f.mu.Unlock()
		finish(t, sh)
		if st := sh.State(); st.Blocked || st.Oldest != 0 {
			t.Errorf("state afterwards %+v", st)
		}
	})
}

// TestFlush: a batch goes when its time is over, or when it is full.
func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		k := newSink()
		sh := New(k.options(f))
		begin := time.Now()
		add(t, sh, 0, 1)
		time.Sleep(500 * time.Millisecond)
		add(t, sh, 1, 2)
		time.Sleep(time.Second)
		add(t, sh, 2, 2+MaxBatchEvents+5)
		synctest.Wait()
		if want := []int{2, MaxBatchEvents}; !slices.Equal(f.sizes, want) {
			t.Errorf("batches of %v, want %v", f.sizes, want)
		}
		if got := f.at[0].Sub(begin); got != time.Second {
			t.Errorf("first batch after %v, want 1s", got)
		}
		sh.Flush()
		synctest.Wait()
		if got := f.sizes[len(f.sizes)-1]; got != 5 {
			t.Errorf("flushed %d, want 5", got)
		}
		finish(t, sh)
	})
}

// TestAddBlocks: a dead service costs one batch more than calls in flight, and
// Add can be given up.
func TestAddBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int, *Batch, int, int) (Result, error) { return Result{}, errors.New("down") }}
		k := newSink()
		sh := New(k.options(f))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		n := 0
		var err error
		for ; err == nil; n++ {
			err = sh.Add(ctx, Item{Line: []byte("x"), Mark: uint64(n)})
		}
		if want := 3*MaxBatchEvents + 1; n != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stopped at item %d with %v, want %d", n, err, want)
		}
		f.mu.Lock()
		f.answer = nil
		f.mu.Unlock()
		finish(t, sh)
		if got := f.arrived(); len(got) != 3*MaxBatchEvents {
			t.Errorf("%d arrived, want %d", len(got), 3*MaxBatchEvents)
		}
	})
}

// TestWindow: while one batch does not get through, no more than the calls in
// flight are accepted after it, since all of them come again after a kill.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.answer = func(_ int, b *Batch, _, _ int) (Result, error) {
			if b.order == 3 {
				return Result{}, errors.New("unlucky")
			}
			return Result{}, nil
		}
		k := newSink()
		o := k.options(f)
		o.Concurrency = 4
		sh := New(o)
		for i := range 20 {
			add(t, sh, i, i+1)
			time.Sleep(2 * time.Second)
		}
		if got := len(f.arrived()); got != 2+3 {
			t.Errorf("%d arrived, want 5", got)
		}
		if k.last() != 2 {
			t.Errorf("acknowledged %d, want 2", k.last())
		}
		f.mu.Lock()
		f.answer = nil
		f.mu.Unlock()
		finish(t, sh)
		if k.last() != 20 {
			t.Errorf("acknowledged %d, want 20", k.last())
		}
	})
}

// TestSuccessEndsWaiting: when one call gets through after an outage, the
// others do not sleep on.
func TestSuccessEndsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		f := &fake{answer: func(int, *Batch, int, int) (Result, error) {
			if down {
				return Result{}, errors.New("down")
			}
			return Result{}, nil
		}}
		k := newSink()
		sh := New(k.options(f))
		add(t, sh, 0, 1)
		time.Sleep(2 * time.Second)
		add(t, sh, 1, 2)
		time.Sleep(10 * time.Minute)
		f.mu.Lock()
		down = false
		f.mu.Unlock()
		for k.last() < 1 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		if k.last() != 2 {
			t.Errorf("acknowledged %d, want 2", k.last())
		}
		finish(t, sh)
	})
}

// TestThrottling: batches become fewer while the service throttles, and are as
// frequent as configured some time after.
func TestThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		f := &fake{answer: func(call int, _ *Batch, _, _ int) (Result, error) {
			if time.Since(begin) < 10*time.Minute && call%2 == 0 {
				return Result{}, ErrThrottled
			}
			return Result{}, nil
		}}
		k := newSink()
		sh := New(k.options(f))
		n := 0
		run := func(d time.Duration) (calls int) {
			before := f.count()
			for stop := time.Now().Add(d); time.Now().Before(stop); n++ {
				add(t, sh, n, n+1)
				time.Sleep(100 * time.Millisecond)
			}
			return f.count() - before
		}
		run(2 * time.Minute)
		if calls := run(8 * time.Minute); calls > 8*60/4 {
			t.Errorf("%d calls in 8 minutes of throttling, want at most one in 4 s", calls)
		}
		run(10 * time.Minute)
		if calls := run(time.Minute); calls < 50 {
			t.Errorf("%d calls in the last minute, want about one a second", calls)
		}
		finish(t, sh)
		if st := sh.State(); st.Throttled == 0 || st.Flush != time.Second {
			t.Errorf("state %+v", st)
		}
		if len(f.arrived()) != n {
			t.Errorf("%d arrived, want %d", len(f.arrived()), n)
		}
	})
}

// TestDrain: what is there is delivered; what cannot be is not acknowledged.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		k := newSink()
		sh := New(k.options(f))
		add(t, sh, 0, 10)
		begin := time.Now()
		finish(t, sh)
		if k.last() != 10 || time.Since(begin) != 0 {
			t.Errorf("acknowledged %d after %v, want 10 at once", k.last(), time.Since(begin))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := &fake{delay: time.Hour}
		k := newSink()
		sh := New(k.options(f))
		add(t, sh, 0, 10)
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		begin := time.Now()
		if err := sh.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that of the deadline", err)
		}
		if len(k.marks) != 0 || time.Since(begin) != 8*time.Second {
			t.Errorf("acknowledged %v after %v, want nothing after 8s", k.marks, time.Since(begin))
		}
	})
}

// TestPoison: whatever items are bad, exactly those go to the sink.
func TestPoison(t *testing.T) {
	for range 50 {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		synctest.Test(t, func(t *testing.T) {
			n := 1 + r.IntN(500)
			bad := map[string]bool{}
			for range r.IntN(n + 1) {
				bad[line(r.IntN(n))] = true
			}
			f := &fake{answer: func(_ int, b *Batch, i, j int) (Result, error) {
				for ; i < j; i++ {
					if bad[string(b.line(i))] {
						return Result{}, ErrInvalid
					}
				}
				return Result{}, nil
			}}
			k := newSink()
			sh := New(k.options(f))
			add(t, sh, 0, n)
			finish(t, sh)
			if len(k.rejected) != len(bad) || len(f.lines) != n-len(bad) {
				t.Errorf("seed %d: %d rejected, %d arrived; want %d and %d", seed, len(k.rejected), len(f.lines), len(bad), n-len(bad))
			}
			for _, r := range k.rejected {
				if got := strings.TrimSuffix(r, ": "+ErrInvalid.Error()); !bad[got] {
					t.Errorf("seed %d: %s rejected", seed, got)
				}
			}
		})
	}
}

// A probed fake can be asked whether it takes anything.
type probed struct {
	fake
	probe func() error
}

func (p *probed) Probe(context.Context) error { return p.probe() }

// TestInvalidEverything: a service that calls everything invalid gets nothing
// condemned.
func TestInvalidEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		refuse := func() error {
			if time.Since(begin) < time.Hour {
				return fmt.Errorf("%w: what a name", ErrInvalid)
			}
			return nil
		}
		p := &probed{probe: refuse}
		p.answer = func(int, *Batch, int, int) (Result, error) { return Result{}, refuse() }
		k := newSink()
		sh := New(k.options(p))
		add(t, sh, 0, 100)
		time.Sleep(time.Minute)
		if st := sh.State(); !st.Blocked {
			t.Errorf("state %+v, want blocked", st)
		}
		time.Sleep(2 * time.Hour)
		finish(t, sh)
		if len(k.rejected) != 0 || len(p.lines) != 100 {
			t.Errorf("%d rejected, %d arrived; want 0 and 100", len(k.rejected), len(p.lines))
		}
	})
}

// TestSlowWay: events go in smaller parts where calls time out because of their
// size.
func TestSlowWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(_ int, b *Batch, i, j int) (Result, error) {
			if b.size(i, j) > 1000 {
				return Result{}, context.DeadlineExceeded
			}
			return Result{}, nil
		}}
		k := newSink()
		sh := New(k.options(f))
		add(t, sh, 0, 100)
		time.Sleep(time.Hour)
		if k.last() != 100 {
			t.Errorf("acknowledged %d, want 100", k.last())
		}
		finish(t, sh)
	})
}

// TestRejectedParts: what is too old goes to the sink, what is too new is
// delivered with the service's time.
func TestRejectedParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := time.Now()
		f := &fake{answer: func(call int, b *Batch, i, j int) (Result, error) {
			res := Result{Now: service}
			for n := i; n < j; n++ {
				switch ms := b.items[n].millis; {
				case ms < service.Add(-14*24*time.Hour).UnixMilli():
					res.Rejected = append(res.Rejected, Rejected{n, n + 1, TooOld})
				case ms > service.Add(2*time.Hour).UnixMilli():
					res.Rejected = append(res.Rejected, Rejected{n, j, TooNew})
					n = j
				}
			}
			return res, nil
		}}
		k := newSink()
		sh := New(k.options(f))
		for i, d := range []time.Duration{-15 * 24 * time.Hour, 0, 3 * time.Hour, 5 * time.Hour} {
			if err := sh.Add(t.Context(), Item{Millis: service.Add(d).UnixMilli(), Line: []byte(line(i)), Mark: uint64(i + 1)}); err != nil {
				t.Fatal(err)
			}
		}
		finish(t, sh)
		if want := []string{line(0) + ": " + string(TooOld)}; !slices.Equal(k.rejected, want) {
			t.Errorf("rejected %v, want %v", k.rejected, want)
		}
		if want := []string{line(1), line(2), line(3)}; !slices.Equal(f.lines, want) {
			t.Errorf("arrived %v, want %v", f.lines, want)
		}
		if now := service.UnixMilli(); f.times[1] != now || f.times[2] != now {
			t.Errorf("arrived with times %v, want %d for the last two", f.times, now)
		}
		if st := sh.State(); st.Events != 3 || st.Rejected != 1 || st.Restamped != 2 {
			t.Errorf("state %+v", st)
		}
	})
}

// TestTooNewAgain: a service that calls its own time too new is not asked for
// ever.
func TestTooNewAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(_ int, b *Batch, i, j int) (Result, error) {
			return Result{Now: time.Now().Add(-time.Hour), Rejected: []Rejected{{i, j, TooNew}}}, nil
		}}
		k := newSink()
		sh := New(k.options(f))
		add(t, sh, 0, 3)
		finish(t, sh)
		if len(k.rejected) != 3 || k.last() != 3 {
			t.Errorf("%d rejected, %d acknowledged, want 3 and 3", len(k.rejected), k.last())
		}
	})
}

// TestUnfit: what the service can never take goes to the sink at once, and does
// not hold up the others.
func TestUnfit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		k := newSink()
		sh := New(k.options(f))
		items := []Item{
			{Line: nil},
			{Line: []byte("bad \xff\xfe bytes")},
			{Line: []byte("before"), Millis: -1},
			{Line: slices.Repeat([]byte("x"), MaxLineBytes)},
			{Line: slices.Repeat([]byte("x"), MaxLineBytes+1)},
			{Line: slices.Repeat([]byte("\xff "), MaxLineBytes/2-100)},
		}
		for i, it := range items {
			it.Mark = uint64(i + 1)
			if err := sh.Add(t.Context(), it); err != nil {
				t.Fatal(err)
			}
		}
		finish(t, sh)
		if len(k.rejected) != 4 || k.last() != 6 {
			t.Errorf("%d rejected, %d acknowledged, want 4 and 6", len(k.rejected), k.last())
		}
		if len(f.lines) != 2 || f.lines[0] != "bad \uFFFD bytes" || len(f.lines[1]) != MaxLineBytes {
			t.Errorf("%d arrived, the first %.20q", len(f.lines), f.lines[0])
		}
	})
}

// TestReconfigure: a new way is taken at once, also by what failed on the old.
func TestReconfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newSink()
		sh := New(k.options(&fake{answer: func(int, *Batch, int, int) (Result, error) { return Result{}, ErrBlocked }}))
		add(t, sh, 0, 10)
		time.Sleep(time.Hour)
		f := &fake{}
		sh.Reconfigure(f, 100*time.Millisecond)
		synctest.Wait()
		if k.last() != 10 {
			t.Errorf("acknowledged %d, want 10", k.last())
		}
		begin := time.Now()
		add(t, sh, 10, 11)
		for k.last() < 11 {
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		if d := time.Since(begin); d != 100*time.Millisecond {
			t.Errorf("flushed after %v, want 100ms", d)
		}
		finish(t, sh)
	})
}
