package ship

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A setUp is a call that ought to be made once, beside the delivery and without
// holding it up. Its quota is small and a fleet starts at one time, so it is
// tried again between deliveries, for a while.
type setUp struct {
	mu    sync.Mutex
	tries int
	next  time.Time // zero: nothing to do
}

// Tries of a setUp: the last is about an hour after the first.
const (
	setUpTries   = 10
	setUpBackoff = 4 * time.Second
	setUpTimeout = 5 * time.Second
)

// first makes the first try.
func (s *setUp) first(ctx context.Context, do func(ctx context.Context, last bool) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries = 0
	s.try(ctx, do)
}

// again makes another try if one is due.
func (s *setUp) again(ctx context.Context, do func(ctx context.Context, last bool) bool) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if !s.next.IsZero() && !time.Now().Before(s.next) {
		s.try(ctx, do)
	}
}

func (s *setUp) try(ctx context.Context, do func(ctx context.Context, last bool) bool) {
	ctx, cancel := context.WithTimeout(ctx, setUpTimeout)
	defer cancel()
	s.tries++
	s.next = time.Time{}
	if !do(ctx, s.tries == setUpTries) {
		wait := setUpBackoff << (s.tries - 1)
		s.next = time.Now().Add(wait/2 + rand.N(wait))
	}
}
