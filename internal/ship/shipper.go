package ship

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
)

// Options of a Shipper. Put, Flush, Concurrency, Log, Ack and Reject must be set.
type Options struct {
	Put         Putter
	Flush       time.Duration // how long a batch waits to be filled
	Concurrency int           // calls in flight
	Timeout     time.Duration // of one call; 0 is 30 s
	Log         *zap.Logger

	// Ack is called with the mark up to which all items are safe: in order, one
	// call at a time.
	Ack func(mark uint64)

	// Reject takes an item that can never be delivered, and must keep it. It is
	// called before the item is acknowledged, by several goroutines. The item's
	// Line is borrowed.
	Reject func(it Item, reason string)
}

// mostFlush bounds how far throttling slows the batches down.
const mostFlush = 30 * time.Second

// A Shipper sends batches until they are delivered. Add belongs to one
// goroutine; the other methods to any.
type Shipper struct {
	opt   Options
	ctx   context.Context // of all calls, ended by Drain
	end   context.CancelFunc
	group sync.WaitGroup
	room  chan struct{} // a full batch was taken away

	mu    sync.Mutex
	work  *sync.Cond // there may be something to do for a worker, or for Drain
	put   Putter
	cur   *Batch   // being filled, nil if none
	ripe  bool     // cur is to be sent
	spare []*Batch // one for each call in flight, besides cur
	sent  []*Batch // those of the calls in flight
	timer *time.Timer

	taken uint64            // batches that workers took
	acked uint64            // of them, in order
	done  map[uint64]uint64 // marks of batches finished before one that was taken earlier
	mark  uint64            // of the last batch in order
	again chan struct{}     // closed to end all waiting for another try

	delivery delivery

	ackMu sync.Mutex // held while Ack is called
	told  uint64     // batches that Ack was told of
}

// New starts a Shipper.
func New(o Options) *Shipper {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	s := &Shipper{
		opt: o, put: o.Put, done: map[uint64]uint64{},
		room: make(chan struct{}, 1), again: make(chan struct{}),
		delivery: delivery{log: o.Log, flush: o.Flush, least: o.Flush},
	}
	s.work = sync.NewCond(&s.mu)
	s.ctx, s.end = context.WithCancel(context.Background())
	s.timer = time.AfterFunc(time.Hour, s.Flush)
	s.timer.Stop()
	for range o.Concurrency {
		s.spare = append(s.spare, new(Batch))
		s.group.Go(s.run)
	}
	s.spare = append(s.spare, new(Batch))
	return s
}

// Reconfigure makes all further calls go through put, and batches wait flush.
func (s *Shipper) Reconfigure(put Putter, flush time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put = put
	s.delivery.flush, s.delivery.least = flush, flush
	s.retryNow()
}

// Add takes an item into the present batch. It blocks while that is full and
// the service is busy with those before it, which bounds the memory. Its error
// is ctx's; the item is then not taken.
func (s *Shipper) Add(ctx context.Context, it Item) error {
	if reason := unfit(&it); reason != "" {
		s.reject(it, reason)
		it.Line = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.take(it) {
		s.ripen()
		if err := s.waitForRoom(ctx); err != nil {
			return err
		}
	}
	return nil
}

// unfit says why the service would never take it. A line that is not UTF-8 is
// made so.
func unfit(it *Item) string {
	if !utf8.Valid(it.Line) {
		it.Line = bytes.ToValidUTF8(it.Line, []byte("\uFFFD"))
	}
	switch {
	case len(it.Line) == 0:
		return "empty"
	case len(it.Line) > MaxLineBytes:
		return fmt.Sprintf("larger than the service takes: %d bytes, at most %d", len(it.Line), MaxLineBytes)
	case it.Millis < 0:
		return "before 1970"
	}
	return ""
}

// take adds it to the present batch, and begins one if there is none. An item
// without a line only moves the mark.
func (s *Shipper) take(it Item) bool {
	if s.cur == nil {
		s.begin()
	}
	if it.Line == nil {
		s.cur.mark = it.Mark
		return true
	}
	return s.cur.Add(it)
}

// begin makes a spare batch the present one. There is one, since workers hold
// at most as many as there are workers.
func (s *Shipper) begin() {
	last := len(s.spare) - 1
	s.cur, s.spare = s.spare[last], s.spare[:last]
	s.cur.reset()
	s.timer.Reset(s.delivery.wait())
}

// waitForRoom returns when a worker took the present batch. It lets go of s.mu
// meanwhile.
func (s *Shipper) waitForRoom(ctx context.Context) error {
	s.mu.Unlock()
	defer s.mu.Lock()
	select {
	case <-s.room:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Flush sends what is there without waiting for more.
func (s *Shipper) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ripen()
}

// ripen makes the present batch go as soon as a worker is free. Until then it
// takes more items: while the service is slow, batches grow.
func (s *Shipper) ripen() {
	if s.cur != nil {
		s.ripe = true
		s.work.Broadcast()
	}
}

// run delivers one batch after another.
func (s *Shipper) run() {
	for b := s.next(); b != nil; b = s.next() {
		b.sort()
		if s.deliver(b, 0, b.Len()) != nil {
			return // ended: it stays unacknowledged
		}
		s.finish(b)
	}
}

// next returns the batch to be sent, nil at the end. No worker runs ahead of an
// unfinished batch by more than there are workers: all that is not acknowledged
// comes again after a restart.
func (s *Shipper) next() *Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ripe || s.taken-s.acked == uint64(s.opt.Concurrency) {
		if s.ctx.Err() != nil {
			return nil
		}
		s.work.Wait()
	}
	b := s.cur
	s.cur, s.ripe = nil, false
	s.timer.Stop()
	s.taken++
	b.order = s.taken
	s.sent = append(s.sent, b)
	select {
	case s.room <- struct{}{}:
	default: // Add has not looked since the last one
	}
	return b
}

// finish acknowledges b once all batches before it are finished.
func (s *Shipper) finish(b *Batch) {
	s.mu.Lock()
	s.delivery.state.Batches++
	s.done[b.order] = b.mark
	for mark, ok := s.done[s.acked+1]; ok; mark, ok = s.done[s.acked+1] {
		s.acked++
		s.mark = mark
		delete(s.done, s.acked)
	}
	s.sent = slices.DeleteFunc(s.sent, func(o *Batch) bool { return o == b })
	s.spare = append(s.spare, b)
	s.mu.Unlock()
	s.tell()

	s.mu.Lock()
	defer s.mu.Unlock()
	s.work.Broadcast()
}

// tell calls Ack if there is news. It does not hold s.mu: Ack may be slow.
func (s *Shipper) tell() {
	s.ackMu.Lock()
	defer s.ackMu.Unlock()
	s.mu.Lock()
	acked, mark := s.acked, s.mark
	s.mu.Unlock()
	if acked > s.told {
		s.told = acked
		s.opt.Ack(mark)
	}
}

// retryNow ends all waiting for another try. s.mu must be held.
func (s *Shipper) retryNow() {
	close(s.again)
	s.again = make(chan struct{})
}

// State returns how delivery does now.
func (s *Shipper) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.delivery.now()
	for _, b := range append(s.sent, s.cur) {
		if b != nil && b.Len() > 0 && (st.Oldest == 0 || b.low < st.Oldest) {
			st.Oldest = b.low
		}
	}
	return st
}

// Drain sends what is there and waits until it is delivered or ctx is done,
// then stops. What is not delivered is not acknowledged. Nothing must be added
// any more.
func (s *Shipper) Drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.work.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	s.ripen()
	s.retryNow()
	for (s.cur != nil || s.acked < s.taken) && ctx.Err() == nil {
		s.work.Wait()
	}
	left := s.taken - s.acked
	if s.cur != nil {
		left++
	}
	s.end()
	s.work.Broadcast()
	s.timer.Stop()
	s.mu.Unlock()
	s.group.Wait()
	if left > 0 {
		return fmt.Errorf("drain: %d batches left: %w", left, ctx.Err())
	}
	return nil
}

// Backoff between tries: full jitter up to a ceiling that doubles.
const (
	firstBackoff = 200 * time.Millisecond
	mostBackoff  = 10 * time.Second
)

// backoff is how long to wait before try tries+1.
func backoff(tries int) time.Duration {
	ceiling := mostBackoff
	if tries < 10 {
		ceiling = min(firstBackoff<<(tries-1), mostBackoff)
	}
	return time.Millisecond + rand.N(ceiling)
}
