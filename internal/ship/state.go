package ship

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"go.uber.org/zap"
)

// State is how delivery does.
type State struct {
	Events, Batches, Bytes uint64 // accepted; bytes of the lines
	Retries, Throttled     uint64 // calls that failed, and those of them by throttling
	Rejected               uint64 // handed to the sink
	Restamped              uint64 // delivered with the service's time, as their own was too far ahead

	LastSuccess  time.Time
	StalledSince time.Time // zero while delivery works
	LastError    string    // of the calls since the last success, without the mark of Blocked; empty if none failed
	Blocked      bool      // the present stall most likely needs a person
	Oldest       int64     // time of the earliest item that is not accepted yet, milliseconds; 0 if none
	Flush        time.Duration
}

// stallAfter is how long nothing must have been accepted to call it a stall. A
// call that fails and goes well the next time is none.
const stallAfter = time.Second

// A delivery keeps the State and says when it changes: one line at the start
// of a stall, one for each further cause, one at its end. The Shipper's lock
// guards it.
type delivery struct {
	log     *zap.Logger
	state   State
	failing time.Time // start of the first failed try since the last success
	ahead   bool      // said that the clock is
	flush   time.Duration
	least   time.Duration // of flush, as configured

	said map[string]bool // causes of the present stall that were logged
}

// mostCauses bounds how many causes of one stall are logged.
const mostCauses = 16

// cause is what an error of a call says, without the numbers that differ from
// one call to the next: ports, times, counts.
func cause(err error) string {
	digit := func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}
	return strings.Map(digit, err.Error())
}

// isNews reports whether an error has a cause that was not logged in this stall.
func (d *delivery) isNews(err error) bool {
	key := cause(err)
	if d.said[key] || len(d.said) == mostCauses {
		return false
	}
	if d.said == nil {
		d.said = map[string]bool{}
	}
	d.said[key] = true
	return true
}

// wait is how long the batch that begins now waits. Hosts that were throttled
// together spread out.
func (d *delivery) wait() time.Duration {
	if d.flush <= d.least {
		return d.least
	}
	return d.flush*3/4 + rand.N(d.flush/2+1)
}

// failed notes a failed try.
func (d *delivery) failed(err error, began time.Time) {
	st := &d.state
	st.Retries++
	if errors.Is(err, ErrThrottled) {
		st.Throttled++
		d.flush = max(min(2*d.flush, mostFlush), d.least)
	}
	st.LastError = err.Error()
	for marked := true; marked; { // Blocked says it already
		st.LastError, marked = strings.CutPrefix(st.LastError, ErrBlocked.Error()+": ")
	}
	if d.failing.IsZero() {
		d.failing = began
	}
	if time.Since(d.failing) < stallAfter {
		return
	}
	st.Blocked = errors.Is(err, ErrBlocked)
	first := st.StalledSince.IsZero()
	if first {
		st.StalledSince = d.failing
	}
	switch {
	case !d.isNews(err):
	case first:
		d.log.Warn("delivery stalled", zap.Bool("blocked", st.Blocked), zap.Error(err))
	default:
		d.log.Warn("delivery still stalled, for another reason", zap.Bool("blocked", st.Blocked), zap.Error(err))
	}
}

// succeeded notes an accepted call, and reports whether calls had failed since
// the one before.
func (d *delivery) succeeded(events, bytes int) (recovered bool) {
	st := &d.state
	st.Events += uint64(events)
	st.Bytes += uint64(bytes)
	st.LastSuccess = time.Now()
	d.flush = max(d.least, d.flush*7/8)
	if d.failing.IsZero() {
		return false
	}
	d.failing, st.LastError, st.Blocked, d.said = time.Time{}, "", false, nil
	if !st.StalledSince.IsZero() {
		d.log.Info("delivery resumed", zap.Duration("after", time.Since(st.StalledSince)))
		st.StalledSince = time.Time{}
	}
	return true
}

// restamped notes items that are sent with the service's time.
func (d *delivery) restamped(items int, ahead time.Duration) {
	d.state.Restamped += uint64(items)
	if !d.ahead {
		d.ahead = true
		d.log.Warn("clock is ahead of the service's, which takes events with its own time only", zap.Duration("ahead", ahead))
	}
}

// now returns the state, as far as it is known here.
func (d *delivery) now() State {
	st := d.state
	st.Flush = d.flush
	return st
}
