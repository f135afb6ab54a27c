package daemon

import (
	"context"
	"time"
)

// rounds returns when ctx is done, and calls look every so often until then.
//
// All rounds of the same interval are made in the same moment. To wake an idle
// process costs more than what there is to look at, so on a quiet host the
// processor wakes once a second for all of them, and not for each.
func rounds(ctx context.Context, every time.Duration, look func()) {
	roundsAsked(ctx, every, nil, look)
}

// roundsAsked is rounds that also look when they are asked to.
func roundsAsked(ctx context.Context, every time.Duration, asked <-chan struct{}, look func()) {
	next := time.NewTimer(untilRound(every))
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		case <-asked:
		}
		look()
		next.Reset(untilRound(every))
	}
}

// untilRound is the time until the next round: the next multiple of every.
func untilRound(every time.Duration) time.Duration {
	return every - time.Duration(time.Now().UnixNano())%every
}
