package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// errStop ends a selection whose reader wants no more.
var errStop = errors.New("no more is wanted")

// openGroup reads log groups: all their streams, by time. The service narrows
// the question, and the client looks again at whatever comes.
func (s *sourceWords) openGroup(cmd *cobra.Command, o query.Options, want *query.Search, counts bool) (query.Source, bool, error) {
	ctx := cmd.Context()
	q, err := s.ask(cmd, want.Narrow(!o.Facts))
	if err != nil {
		return nil, false, err
	}
	insights := q.takesInsights(counts)
	if insights || s.dryRun {
		if err := q.measure(ctx); err != nil {
			return nil, false, err
		}
		if err := q.afford(cmd.OutOrStdout(), insights, query.EventRows); err != nil {
			return nil, false, err
		}
	}
	events, err := q.events(ctx, insights, want.Key)
	if err != nil {
		return nil, false, err
	}
	return query.OpenMessages(s.messages(ordered(events)), o, want.MatchFact)
}

// events are what the chosen engine finds, or if the choice is ours and the
// endpoint refuses that one, the other.
func (q *groupQuestion) events(ctx context.Context, insights bool, key string) (iter.Seq2[ship.Stored, error], error) {
	filtered := func(yield func(ship.Stored, error) bool) {
		pattern, _, err := keyPattern(ctx, q.cw, q.logGroups, q.selection(), key)
		if err != nil {
			yield(ship.Stored{}, q.classHint(ctx, err))
			return
		}
		for e, err := range q.filtered(ctx, pattern) {
			if !yield(e, q.classHint(ctx, err)) {
				return
			}
		}
	}
	switch {
	case q.engine != "auto" && insights:
		return q.rows(ctx), nil
	case q.engine != "auto":
		return filtered, nil
	case insights:
		return orElse(q.rows(ctx), filtered, func(err error) bool {
			if !errors.Is(err, ship.ErrNoInsights) {
				return false
			}
			fmt.Fprintf(q.err, "auditshipper: warning: %v; reading with FilterLogEvents\n", err)
			return true
		}), nil
	}
	late := func(yield func(ship.Stored, error) bool) {
		if err := q.measure(ctx); err != nil {
			yield(ship.Stored{}, err)
			return
		}
		if err := q.afford(nil, true, ""); err != nil {
			yield(ship.Stored{}, err)
			return
		}
		q.rows(ctx)(yield)
	}
	return orElse(filtered, late, func(err error) bool { return errors.Is(err, errInfrequent) }), nil
}

// errInfrequent means that a group is of a class that FilterLogEvents refuses.
var errInfrequent = errors.New("the log group is of the Infrequent Access class, which FilterLogEvents refuses")

// classHint explains a refusal by the class of a group, if that is why.
func (q *groupQuestion) classHint(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	for _, name := range q.logGroups {
		if g, asked := q.cw.DescribeGroup(ctx, name); asked == nil && g.Class == "INFREQUENT_ACCESS" {
			return hinted{fmt.Errorf("%w: %w", errInfrequent, err), "--engine insights reads it"}
		}
	}
	return err
}

// connect makes the connection that the flags, the configuration and the
// environment say. A reader never assumes the writer's role.
func (s *sourceWords) connect(ctx context.Context) (*ship.CloudWatch, error) {
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	w := c.CloudWatch
	if s.region != "" {
		w.Region = s.region
	}
	host, err := os.Hostname()
	if err != nil {
		host = "auditshipper"
	}
	cw, err := ship.NewCloudWatch(ctx, ship.CloudWatchOptions{
		Group: s.group, Stream: "-", Region: w.Region, EndpointURL: w.EndpointURL, Profile: s.profile,
		RoleARN: s.roleARN, ExternalID: s.externalID, RoleSession: host,
		UseFIPS: w.UseFIPS, UseDualstack: w.UseDualstack, Log: zap.NewNop(), UserAgent: "auditshipper",
	})
	if errors.Is(err, ship.ErrNoRegion) {
		err = withStatus(exitUsage, hinted{err, "set AWS_REGION, or cloudwatch.region in the configuration"})
	}
	return cw, err
}

// addGroup takes one more group, or several between commas, by name or ARN.
func (s *sourceWords) addGroup(v, _ string) (int, error) {
	for name := range strings.SplitSeq(v, ",") {
		if name != "" && !slices.Contains(s.logGroups, name) {
			s.logGroups = append(s.logGroups, name)
		}
	}
	if len(s.logGroups) == 0 || len(s.logGroups) > 50 {
		return 1, query.Say("--log-group takes 1 to 50 groups, was %s", v)
	}
	s.group = s.logGroups[0]
	return 1, nil
}

// selected are the events of one group by FilterLogEvents.
func selected(ctx context.Context, cw *ship.CloudWatch, sel ship.Selection) iter.Seq2[ship.Stored, error] {
	return func(yield func(ship.Stored, error) bool) {
		err := cw.Select(ctx, sel, func(e ship.Stored) error {
			if !yield(e, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(ship.Stored{}, err)
		}
	}
}

// messages are events for the reader. Of several groups a stream's name says
// which one it is of.
func (s *sourceWords) messages(events iter.Seq2[ship.Stored, error]) iter.Seq2[query.Message, error] {
	return func(yield func(query.Message, error) bool) {
		for e, err := range events {
			if err == nil && len(s.streams) > 0 && !slices.Contains(s.streams, e.Stream) {
				continue
			}
			stream := e.Stream
			if len(s.logGroups) > 1 {
				stream = e.Group + ":" + e.Stream
			}
			if !yield(query.Message{Stream: stream, Text: e.Message}, err) {
				return
			}
		}
	}
}

// keyPattern asks the service for events in JSON with a key. A group that begins
// with lines of audit.log knows no such fields, and a key that the syntax of
// patterns could misunderstand is left to the client. known says that no event can
// change the answer.
func keyPattern(ctx context.Context, cw *ship.CloudWatch, groups []string, sel ship.Selection, key string) (pattern string, known bool, err error) {
	if key == "" || strings.ContainsAny(key, "\"\\*{},") {
		return "", true, nil
	}
	had := 0
	for _, group := range groups {
		sel.Group = group
		for e, err := range selected(ctx, cw, sel) {
			if err != nil {
				return "", false, err
			}
			if !strings.HasPrefix(e.Message, "{") {
				return "", true, nil
			}
			had++
			break
		}
	}
	return fmt.Sprintf(`{ ($.key = "*%[1]s*") || ($.unmapped.key = "*%[1]s*") }`, key), had == len(groups), nil
}
