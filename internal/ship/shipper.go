package ship

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
)

// A Putter hands events to the service.
type Putter interface {
	// Put delivers the items of b from index i up to index j. A nil error means
	// that the service has taken them, except those it returns as rejected.
	// Errors that are not marked by this package count as passing.
	Put(ctx context.Context, b *Batch, i, j int) ([]Rejected, error)
}

// A Rejected is an item that the service refused inside a successful answer.
type Rejected struct {
	Index  int // in the batch
	Reason string
}

// ErrInvalid marks an error by which the service says that something in the
// batch itself is wrong: sending it again as it is cannot help.
var ErrInvalid = errors.New("the service calls the batch invalid")

// ErrThrottled marks an error by which the service asks for fewer calls.
var ErrThrottled = errors.New("throttled")

// ErrBlocked marks a refusal that only a person can end: access denied, a key
// disabled. It is tried again all the same.
var ErrBlocked = errors.New("blocked")

// Options of a Shipper. Put, Ack and Reject must be set.
type Options struct {
	Put         Putter
	Flush       time.Duration // how long a batch waits to be filled
	Concurrency int           // calls in flight
	Timeout     time.Duration // of one call; 0 is 30 s
	Log         *zap.Logger

	// Ack is called in order with the mark up to which all items are safe.
	Ack func(mark uint64)

	// Reject takes an item that can never be delivered. It must keep it.
	Reject func(it Item, reason string)
}

// Backoff between tries: full jitter up to a ceiling that doubles.
const (
	firstBackoff = 200 * time.Millisecond
	mostBackoff  = 30 * time.Second
)

// mostFlush bounds how far throttling slows the batches down.
const mostFlush = 30 * time.Second

// A Shipper sends batches until they are delivered. Add belongs to one
// goroutine; the other methods to any.
type Shipper struct {
	opt   Options
	queue chan *Batch
	free  chan *Batch
	ctx   context.Context // of all calls, ended by Close
	end   context.CancelFunc
	group sync.WaitGroup

	mu     sync.Mutex
	put    Putter
	cur    *Batch // being filled, nil if none
	timer  *time.Timer
	flush  time.Duration // as slowed down by throttling
	sealed uint64        // batches so far
	acked  uint64        // of them, in order
	done   map[uint64]uint64
	idle   *sync.Cond // acked changed
	state  State
}

// State is how delivery does.
type State struct {
	Events, Batches, Bytes uint64 // accepted
	Retries, Throttled     uint64
	Rejected               uint64

	LastSuccess  time.Time
	StalledSince time.Time // zero while delivery works
	LastError    string    // of the present stall
	Blocked      bool      // the present stall needs a person
	Oldest       int64     // time of the oldest item on its way, milliseconds; 0 if none
	Flush        time.Duration
}

// New starts a Shipper.
func New(o Options) *Shipper {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	batches := o.Concurrency + 1
	s := &Shipper{
		opt: o, put: o.Put, flush: o.Flush, done: map[uint64]uint64{},
		queue: make(chan *Batch, batches), free: make(chan *Batch, batches),
	}
	s.idle = sync.NewCond(&s.mu)
	s.ctx, s.end = context.WithCancel(context.Background())
	s.timer = time.AfterFunc(time.Hour, s.due)
	s.timer.Stop()
	for range batches {
		s.free <- new(Batch)
	}
	for range o.Concurrency {
		s.group.Go(s.work)
	}
	return s
}

// Reconfigure makes all further calls go through put, and batches wait flush.
func (s *Shipper) Reconfigure(put Putter, flush time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put, s.opt.Flush, s.flush = put, flush, flush
}

// Add takes an item into the present batch. It blocks while all batches are
// full and on their way, which bounds the memory. Its error is ctx's.
func (s *Shipper) Add(ctx context.Context, it Item) error {
	if len(it.Line) > MaxLineBytes || len(it.Line) == 0 {
		s.reject(it, "the service takes events of 1 to 1,048,550 bytes")
		it.Line = nil
	}
	for {
		s.mu.Lock()
		if s.cur != nil {
			if s.take(it) {
				s.mu.Unlock()
				return nil
			}
			s.seal()
		}
		s.mu.Unlock()
		select {
		case b := <-s.free:
			s.begin(b)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take adds it to the present batch. An item without a line only moves the mark.
func (s *Shipper) take(it Item) bool {
	if it.Line == nil {
		s.cur.mark = it.Mark
		return true
	}
	return s.cur.Add(it)
}

// begin makes b the present batch and sets its time.
func (s *Shipper) begin(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.reset()
	b.born = time.Now()
	s.cur = b
	s.timer.Reset(s.flush)
}

// seal sends the present batch on its way.
func (s *Shipper) seal() {
	b := s.cur
	s.cur = nil
	s.timer.Stop()
	s.sealed++
	b.order = s.sealed
	s.queue <- b // has room for all batches there are
}

// due sends a batch whose time is over.
func (s *Shipper) due() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur == nil {
		return
	}
	if left := s.flush - time.Since(s.cur.born); left > 0 { // of an earlier batch
		s.timer.Reset(left)
		return
	}
	s.seal()
}

// work delivers one batch after another.
func (s *Shipper) work() {
	for {
		select {
		case b := <-s.queue:
			b.sort()
			if s.deliver(b, 0, b.Len()) != nil {
				return // closed: it stays unacknowledged
			}
			s.finish(b)
		case <-s.ctx.Done():
			return
		}
	}
}

// deliver puts items i to j of b and does not return until they are safe or
// the shipper is closed.
func (s *Shipper) deliver(b *Batch, i, j int) error {
	if i == j {
		return nil
	}
	for tries := 1; ; tries++ {
		rejected, err := s.try(b, i, j)
		if err == nil {
			s.succeeded(b, i, j, rejected)
			return nil
		}
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if errors.Is(err, ErrInvalid) {
			return s.split(b, i, j, err)
		}
		s.failed(err)
		if err := s.sleep(backoff(tries)); err != nil {
			return err
		}
	}
}

func (s *Shipper) try(b *Batch, i, j int) ([]Rejected, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.opt.Timeout)
	defer cancel()
	s.mu.Lock()
	put := s.put
	s.mu.Unlock()
	return put.Put(ctx, b, i, j)
}

// split delivers both halves of what the service called invalid, until the one
// bad item is alone.
func (s *Shipper) split(b *Batch, i, j int, err error) error {
	if j-i == 1 {
		s.reject(b.Item(i), err.Error())
		return nil
	}
	mid := (i + j) / 2
	if err := s.deliver(b, i, mid); err != nil {
		return err
	}
	return s.deliver(b, mid, j)
}

func (s *Shipper) reject(it Item, reason string) {
	s.mu.Lock()
	s.state.Rejected++
	s.mu.Unlock()
	s.opt.Reject(it, reason)
}

// backoff is how long to wait before try tries+1.
func backoff(tries int) time.Duration {
	ceiling := mostBackoff
	if tries < 8 {
		ceiling = min(firstBackoff<<(tries-1), mostBackoff)
	}
	return time.Duration(rand.Int64N(int64(ceiling))) + time.Millisecond
}

func (s *Shipper) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// succeeded counts what was accepted and hands on what was not.
func (s *Shipper) succeeded(b *Batch, i, j int, rejected []Rejected) {
	for _, r := range rejected {
		s.reject(b.Item(r.Index), r.Reason)
	}
	bytes := 0
	for k := i; k < j; k++ {
		bytes += b.items[k].end - b.items[k].off
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	st.Events += uint64(j - i - len(rejected))
	st.Bytes += uint64(bytes)
	st.LastSuccess = time.Now()
	s.flush = max(s.opt.Flush, s.flush*7/8)
	if st.StalledSince.IsZero() {
		return
	}
	s.opt.Log.Info("delivery resumed", zap.Duration("after", time.Since(st.StalledSince)))
	st.StalledSince, st.LastError, st.Blocked = time.Time{}, "", false
}

// failed notes a try that did not work. The log hears of the first only.
func (s *Shipper) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.state
	st.Retries++
	if errors.Is(err, ErrThrottled) {
		st.Throttled++
		s.flush = min(2*s.flush, max(mostFlush, s.opt.Flush))
	}
	st.LastError, st.Blocked = err.Error(), errors.Is(err, ErrBlocked)
	if st.StalledSince.IsZero() {
		st.StalledSince = time.Now()
		s.opt.Log.Warn("delivery stalled", zap.Error(err))
	}
}

// finish acknowledges b once all batches before it are.
func (s *Shipper) finish(b *Batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Batches++
	s.done[b.order] = b.mark
	for {
		mark, ok := s.done[s.acked+1]
		if !ok {
			break
		}
		s.acked++
		delete(s.done, s.acked)
		s.opt.Ack(mark)
	}
	s.free <- b
	s.idle.Broadcast()
}

// State returns how delivery does now.
func (s *Shipper) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.state
	st.Flush = s.flush
	return st
}

// Drain sends what is there and waits until it is delivered or ctx is done,
// then stops. What is not delivered is not acknowledged.
func (s *Shipper) Drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.idle.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	if s.cur != nil {
		s.seal()
	}
	for s.acked < s.sealed && ctx.Err() == nil {
		s.idle.Wait()
	}
	left := s.sealed - s.acked
	s.mu.Unlock()
	s.end()
	s.group.Wait()
	if left > 0 {
		return ctx.Err()
	}
	return nil
}
