package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// errStop ends a selection whose reader wants no more.
var errStop = errors.New("no more is wanted")

// openGroup reads a log group: all its streams, by time. The service finds what
// has the key, and the client looks again, since not every endpoint knows
// patterns.
func (s *sourceWords) openGroup(cmd *cobra.Command, o query.Options, key string, match func(*query.Event) bool) (query.Source, bool, error) {
	cw, err := s.connect(cmd.Context())
	if err != nil {
		return nil, false, err
	}
	sel := ship.Selection{Streams: s.streams}
	if !s.from.IsZero() {
		sel.From = s.from.Unix() * 1000
	}
	if !s.to.IsZero() {
		sel.To = s.to.Unix()*1000 + 999
	}
	if sel.Pattern, err = keyPattern(cmd.Context(), cw, sel, key); err != nil {
		return nil, false, err
	}
	return query.OpenMessages(messages(cmd.Context(), cw, sel), o, match)
}

// connect makes the connection that the configuration and the environment say.
func (s *sourceWords) connect(ctx context.Context) (*ship.CloudWatch, error) {
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	w := c.CloudWatch
	cw, err := ship.NewCloudWatch(ctx, ship.CloudWatchOptions{
		Group: s.group, Stream: "-", Region: w.Region, EndpointURL: w.EndpointURL, RoleARN: w.RoleARN,
		UseFIPS: w.UseFIPS, UseDualstack: w.UseDualstack, Log: zap.NewNop(), UserAgent: "auditshipper",
	})
	if errors.Is(err, ship.ErrNoRegion) {
		err = withStatus(exitUsage, hinted{err, "set AWS_REGION, or cloudwatch.region in the configuration"})
	}
	return cw, err
}

// messages are the selected events of a group.
func messages(ctx context.Context, cw *ship.CloudWatch, sel ship.Selection) iter.Seq2[query.Message, error] {
	return func(yield func(query.Message, error) bool) {
		err := cw.Select(ctx, sel, func(e ship.Stored) error {
			if !yield(query.Message{Stream: e.Stream, Text: e.Message}, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(query.Message{}, err)
		}
	}
}

// keyPattern asks the service for events in JSON with a key. A group that begins
// with lines of audit.log knows no such fields, and a key that the syntax of
// patterns could misunderstand is left to the client.
func keyPattern(ctx context.Context, cw *ship.CloudWatch, sel ship.Selection, key string) (string, error) {
	if key == "" || strings.ContainsAny(key, "\"\\*{}") {
		return "", nil
	}
	first := query.Message{}
	for msg, err := range messages(ctx, cw, sel) {
		if err != nil {
			return "", err
		}
		first = msg
		break
	}
	if !strings.HasPrefix(first.Text, "{") {
		return "", nil
	}
	return fmt.Sprintf(`{ ($.key = "*%[1]s*") || ($.unmapped.key = "*%[1]s*") }`, key), nil
}
