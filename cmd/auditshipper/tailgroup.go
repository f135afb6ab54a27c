package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/ship"
)

const (
	// tailPace is the time between two calls of FilterLogEvents at least. The smallest
	// quota of an account is 5 calls a second, so a tail takes a fifth of it at most.
	tailPace = time.Second

	// visible is how late an event may become visible to FilterLogEvents, also
	// after later ones: so much is asked for again, and each event printed once.
	visible = time.Minute
)

// backs are how far back the first lines are looked for, one after the other.
var backs = []time.Duration{time.Minute, 10 * time.Minute}

// A groupTail follows log groups: through a live tail where there may be one, else by
// asking for what is new.
type groupTail struct {
	*tail
	q      *groupQuestion
	out    io.Writer
	seen   map[string]time.Time
	pruned time.Time
	from   time.Time // what is not read yet
	read   time.Time // when FilterLogEvents was asked last
	owed   bool      // a live tail left events out since
	raw    bool      // the events are lines of audit.log, which need those before them

	sampledPace time.Duration // between two readings of what a live tail left out
	pattern     *string       // for the service; nil: not known until there is an event
}

func (t *tail) followGroup(cmd *cobra.Command) error {
	q, err := t.ask(cmd, nil)
	if err != nil {
		return err
	}
	g := &groupTail{tail: t, q: q, out: cmd.OutOrStdout(), seen: map[string]time.Time{}, sampledPace: 10 * time.Second}
	return q.classHint(cmd.Context(), g.follow(cmd.Context()))
}

func (g *groupTail) follow(ctx context.Context) error {
	if err := g.begin(ctx); err != nil {
		return err
	}
	live := !g.poll && len(g.logGroups) <= 10
	for {
		if live {
			err := g.live(ctx)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, ship.ErrNoLive):
				live = false
				fmt.Fprintf(g.q.err, "auditshipper: warning: %s; asking every few seconds\n", query.Safe(err.Error()))
			case err != nil && !errors.Is(err, errLiveLost):
				return err
			}
		}
		if err := ship.Pause(ctx, max(2*tailPace, time.Duration(len(g.logGroups))*tailPace)); err != nil {
			return err
		}
		if err := g.catchUp(ctx); err != nil {
			return err
		}
	}
}

// begin prints the last events.
func (g *groupTail) begin(ctx context.Context) error {
	g.from = time.Now().Add(-visible)
	if g.lines == 0 {
		return nil
	}
	var lines []string
	for _, back := range backs {
		clear(g.seen)
		g.from = time.Now().Add(-back)
		var err error
		if lines, err = g.news(ctx); err != nil {
			return err
		}
		if len(lines) >= g.lines {
			break
		}
	}
	return g.write(lines[max(0, len(lines)-g.lines):])
}

// catchUp prints what FilterLogEvents has that is new.
func (g *groupTail) catchUp(ctx context.Context) error {
	lines, err := g.news(ctx)
	if err != nil {
		return err
	}
	return g.write(lines)
}

// news are the lines of what FilterLogEvents has since from that was not printed.
func (g *groupTail) news(ctx context.Context) ([]string, error) {
	began := time.Now()
	sel := ship.Selection{Streams: g.streams, From: g.from.UnixMilli(), Pace: tailPace}
	if g.pattern == nil {
		pattern, known, err := keyPattern(ctx, g.q.cw, g.logGroups, sel, g.want.Key)
		if err != nil {
			return nil, err
		}
		if sel.Pattern = pattern; known {
			g.pattern = &pattern
		}
	} else {
		sel.Pattern = *g.pattern
	}
	var all []iter.Seq2[ship.Stored, error]
	for _, group := range g.logGroups {
		sel.Group = group
		all = append(all, selected(ctx, g.q.cw, sel))
	}
	lines, err := g.linesOf(merged(all))
	if err == nil {
		g.from, g.read, g.owed = began.Add(-visible), began, false
	}
	return lines, err
}

// linesOf are the lines of events that are wanted and were not printed.
func (g *groupTail) linesOf(events iter.Seq2[ship.Stored, error]) ([]string, error) {
	src, raw, err := query.OpenMessages(g.messages(ordered(events)), query.Options{Facts: true, JSON: g.json, Names: g.users}, nil)
	if err != nil {
		return nil, err
	}
	g.raw = g.raw || raw
	lines, err := g.tail.collect(src, g.isNew)
	return lines, errors.Join(err, src.Close())
}

// isNew remembers an event.
func (g *groupTail) isNew(e *query.Event) bool {
	now := time.Now()
	if now.Sub(g.pruned) > visible {
		g.pruned = now
		for id, at := range g.seen {
			if now.Sub(at) > 2*backs[len(backs)-1] {
				delete(g.seen, id)
			}
		}
	}
	id := e.Identity()
	old := !g.seen[id].IsZero()
	g.seen[id] = now
	return !old
}

func (g *groupTail) write(lines []string) error {
	for _, line := range lines {
		if _, err := io.WriteString(g.out, line); err != nil {
			return err
		}
	}
	return nil
}

// errLiveLost means that a live tail ended that had begun; another may begin.
var errLiveLost = errors.New("the live tail ended")

// errRaw means that events come as lines of audit.log, which a live tail brings alone.
var errRaw = fmt.Errorf("%w: lines of audit.log have their paths from the lines before them", ship.ErrNoLive)

// live prints what a live tail brings until it ends. What came before it began, and
// what it leaves out, is read with FilterLogEvents.
func (g *groupTail) live(ctx context.Context) error {
	if g.raw {
		return errRaw
	}
	var arns []string
	for _, group := range g.logGroups {
		facts, err := g.q.cw.DescribeGroup(ctx, group)
		if err != nil {
			return fmt.Errorf("%w: %w", ship.ErrNoLive, err)
		}
		arns = append(arns, facts.ARN)
	}
	streams := g.streams
	if len(arns) > 1 { // then the client alone chooses
		streams = nil
	}
	pattern := ""
	if g.pattern != nil {
		pattern = *g.pattern
	}
	var failed error
	err := g.q.cw.Live(ctx, arns, streams, pattern, func(u ship.LiveUpdate) error {
		failed = g.update(ctx, u)
		return failed
	})
	switch {
	case failed != nil || errors.Is(err, ship.ErrNoLive):
		return err
	case err != nil:
		fmt.Fprintf(g.q.err, "auditshipper: warning: %s; beginning anew\n", query.Safe(err.Error()))
	}
	return errLiveLost
}

// update prints what one update of a live tail has.
func (g *groupTail) update(ctx context.Context, u ship.LiveUpdate) error {
	if u.Sampled && !g.owed {
		g.owed = true
		fmt.Fprintln(g.q.err, "auditshipper: a live tail gives at most 500 events a second; FilterLogEvents reads the others")
	}
	if g.raw = g.raw || len(u.Events) > 0 && !strings.HasPrefix(u.Events[0].Message, "{"); g.raw {
		return errRaw
	}
	slices.SortStableFunc(u.Events, func(a, b ship.Stored) int { return cmp.Compare(a.Millis, b.Millis) })
	lines, err := g.linesOf(func(yield func(ship.Stored, error) bool) {
		for _, e := range u.Events {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err == nil {
		err = g.write(lines)
	}
	switch {
	case err != nil:
		return err
	case u.Begun, g.owed && time.Since(g.read) > g.sampledPace:
		return g.catchUp(ctx)
	case !g.owed && time.Since(g.read) > visible:
		g.from = time.Now().Add(-visible)
	}
	return nil
}
