package ship

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// slowTries is how often a call may time out before its events are sent in
// smaller parts: the way may be too slow for them.
const slowTries = 3

// deliver puts items i to j of b and does not return until they are safe, or
// the shipper is ended. It never gives up: the error is the ending.
func (s *Shipper) deliver(b *Batch, i, j int) error {
	slow := 0
	for tries := 1; i < j; tries++ {
		began := time.Now()
		res, err := s.try(b, i, j)
		if err == nil {
			return s.accepted(b, i, j, res)
		}
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			slow++
		}
		if refused := errors.Is(err, ErrInvalid) || errors.Is(err, ErrTooLarge); refused || slow >= slowTries {
			if j-i > 1 {
				return s.halves(b, i, j)
			}
			if refused {
				if err = s.condemn(b.Item(i), err); err == nil {
					return nil
				}
			}
		}
		if err := s.failed(err, began, tries); err != nil {
			return err
		}
	}
	return nil
}

func (s *Shipper) try(b *Batch, i, j int) (Result, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.opt.Timeout)
	defer cancel()
	return s.putter().Put(ctx, b, i, j)
}

func (s *Shipper) putter() Putter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put
}

// halves delivers both halves of items that did not go as a whole, until the
// one bad item is alone.
func (s *Shipper) halves(b *Batch, i, j int) error {
	mid := (i + j) / 2
	if err := s.deliver(b, i, mid); err != nil {
		return err
	}
	return s.deliver(b, mid, j)
}

// condemn hands an item that the service calls invalid to the sink, if the
// service takes others. If it does not, the item is not to blame, and the error
// says what is.
func (s *Shipper) condemn(it Item, err error) error {
	if p, ok := s.putter().(prober); ok {
		ctx, cancel := context.WithTimeout(s.ctx, s.opt.Timeout)
		defer cancel()
		switch probe := p.Probe(ctx); {
		case errors.Is(probe, ErrInvalid):
			return fmt.Errorf("%w: %w", ErrBlocked, err)
		case probe != nil:
			return probe
		}
	}
	s.reject(it, err.Error())
	return nil
}

func (s *Shipper) reject(it Item, reason string) {
	s.mu.Lock()
	s.delivery.state.Rejected++
	s.mu.Unlock()
	s.opt.Reject(it, reason)
}

// accepted counts what was accepted and sees to what was not.
func (s *Shipper) accepted(b *Batch, i, j int, res Result) error {
	events, bytes := j-i, b.size(i, j)
	for _, r := range res.Rejected {
		events, bytes = events-(r.To-r.From), bytes-b.size(r.From, r.To)
	}
	s.mu.Lock()
	if s.delivery.succeeded(events, bytes) {
		s.retryNow()
	}
	s.mu.Unlock()
	for _, r := range res.Rejected {
		if err := s.rejected(b, r, res.Now); err != nil {
			return err
		}
	}
	return nil
}

// rejected hands rejected items to the sink. Those that are too new are sent
// with the service's own time, unless that was tried already.
func (s *Shipper) rejected(b *Batch, r Rejected, now time.Time) error {
	if r.Reason == TooNew && !now.IsZero() && b.items[r.From].millis > now.UnixMilli() {
		s.mu.Lock()
		s.delivery.restamped(r.To-r.From, time.UnixMilli(b.items[r.From].millis).Sub(now))
		s.mu.Unlock()
		for n := r.From; n < r.To; n++ {
			b.items[n].millis = now.UnixMilli()
		}
		return s.deliver(b, r.From, r.To)
	}
	for n := r.From; n < r.To; n++ {
		s.reject(b.Item(n), string(r.Reason))
	}
	return nil
}

// failed notes a try that did not work and waits until it is time for another.
func (s *Shipper) failed(err error, began time.Time, tries int) error {
	s.mu.Lock()
	s.delivery.failed(err, began)
	again := s.again
	s.mu.Unlock()
	if errors.Is(err, ErrThrottled) {
		again = nil // the service asks for patience, also after a success
	}
	wait := time.NewTimer(backoff(tries))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-again:
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	return nil
}
