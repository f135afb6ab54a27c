package ship

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// eventStream is the content type of an answer that does not end.
const eventStream = "application/vnd.amazon.eventstream"

// liveBegin bounds how long a live tail may take to begin: its endpoint is one of
// its own, which VPC endpoints do not have.
const liveBegin = 10 * time.Second

// Live calls each with what arrives in groups, given by ARNs, until the service ends
// the session, after three hours, or each returns an error.
func (c *CloudWatch) Live(ctx context.Context, groups, streams []string, pattern string, each func(LiveUpdate) error) error {
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	late := time.AfterFunc(liveBegin, cancel)
	defer late.Stop()
	in := &cloudwatchlogs.StartLiveTailInput{LogGroupIdentifiers: groups, LogStreamNames: streams}
	if pattern != "" {
		in.LogEventFilterPattern = &pattern
	}
	out, err := c.client.Load().StartLiveTail(asking, in, c.ownHost)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoLive, c.explain(err))
	}
	stream := out.GetStream()
	defer stream.Close() // it was read only
	begun := false
	for update := range stream.Events() {
		u := liveUpdate(update)
		if !late.Stop() && !begun {
			break
		}
		begun = begun || u.Begun
		if err := each(u); err != nil {
			return err
		}
	}
	switch err := stream.Err(); {
	case ctx.Err() != nil:
		return ctx.Err()
	case !begun:
		return fmt.Errorf("%w: it did not begin within %v: %w", ErrNoLive, liveBegin, errors.Join(err, asking.Err()))
	case err != nil:
		return fmt.Errorf("live tail: %w", c.explain(err))
	}
	return nil
}

func liveUpdate(update types.StartLiveTailResponseStream) (u LiveUpdate) {
	switch v := update.(type) {
	case *types.StartLiveTailResponseStreamMemberSessionStart:
		u.Begun = true
	case *types.StartLiveTailResponseStreamMemberSessionUpdate:
		u.Sampled = v.Value.SessionMetadata != nil && v.Value.SessionMetadata.Sampled
		for _, e := range v.Value.SessionResults {
			u.Events = append(u.Events, Stored{
				Millis: aws.ToInt64(e.Timestamp), Ingestion: aws.ToInt64(e.IngestionTime), Group: liveGroup(aws.ToString(e.LogGroupIdentifier)),
				Stream: aws.ToString(e.LogStreamName), Message: aws.ToString(e.Message),
			})
		}
	}
	return u
}

// liveGroup is the name of a group, which the service gives as ACCOUNT:NAME or as an ARN.
func liveGroup(identifier string) string {
	if name := GroupName(identifier); name != identifier {
		return name
	}
	if _, name, ok := strings.Cut(identifier, ":"); ok {
		return name
	}
	return identifier
}

// ownHost sends a live tail to an endpoint of the user's as it is: only the service's
// own has another host for them.
func (c *CloudWatch) ownHost(o *cloudwatchlogs.Options) {
	if o.BaseEndpoint == nil {
		return
	}
	plain := middleware.InitializeMiddlewareFunc("PlainHost", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
	})
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error { return s.Initialize.Add(plain, middleware.Before) })
}
