package ship

import (
	"context"
	"errors"
	"time"
)

// A LiveUpdate is what a live tail brings, about once a second.
type LiveUpdate struct {
	Begun   bool // the first: what arrives from now on comes
	Events  []Stored
	Sampled bool // there were more events than a live tail gives
}

// ErrNoLive means that there is no live tail: the endpoint refuses or lacks it, or
// it did not begin in time.
var ErrNoLive = errors.New("no live tail")

// Pause waits for a time, or until ctx is done.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
