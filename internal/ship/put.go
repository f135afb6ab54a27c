package ship

import (
	"context"
	"errors"
	"time"
)

// A Putter hands events to the service. It is called by several goroutines.
type Putter interface {
	// Put delivers the items of b from index i up to index j. A nil error means
	// that the service has taken them, except those it returns as rejected. It
	// keeps nothing of b. Errors that are not marked with one of this package's
	// count as passing.
	Put(ctx context.Context, b *Batch, i, j int) (Result, error)
}

// A prober is a Putter that can find out whether the service would take
// anything at all, without leaving anything there.
type prober interface {
	Probe(ctx context.Context) error
}

// A Result is what came with a successful answer.
type Result struct {
	Rejected []Rejected
	Now      time.Time // by the service's clock; zero if it did not say
}

// Rejected are items, from one index of the batch up to another, which the
// service refused inside a successful answer.
type Rejected struct {
	From, To int
	Reason   Reason
}

// A Reason is why the service rejects an event.
type Reason string

// Reasons for rejecting.
const (
	TooOld  Reason = "older than 14 days"
	Expired Reason = "older than the log group's retention"
	TooNew  Reason = "more than 2 hours in the future"
)

// Marks of errors: what can be done about them.
var (
	// ErrInvalid: something in the batch itself is wrong; sending it again as it
	// is cannot help.
	ErrInvalid = errors.New("the service calls the batch invalid")

	// ErrTooLarge: something on the way does not take so much at once.
	ErrTooLarge = errors.New("too large")

	// ErrThrottled: the service asks for fewer calls.
	ErrThrottled = errors.New("throttled")

	// ErrBlocked: a refusal that mostly a person must end: access denied, a key
	// disabled. It is tried again all the same.
	ErrBlocked = errors.New("blocked")
)
