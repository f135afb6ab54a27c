package ship

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// readTries is how often a call that reads is made; a person waits for it.
const readTries = 8

func persistent(o *cloudwatchlogs.Options) { o.RetryMaxAttempts = readTries }

// Read calls each for every event of the stream, in order of time, until each
// returns an error.
func (c *CloudWatch) Read(ctx context.Context, each func(Stored) error) error {
	stream, err := c.streamOf(ctx, Identity{})
	if err != nil {
		return err
	}
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: &c.o.Group, LogStreamName: &stream, StartFromHead: aws.Bool(true)}
	for {
		out, err := c.client.Load().GetLogEvents(ctx, in, persistent)
		if err != nil {
			return fmt.Errorf("read %s %s: %w", c.o.Group, stream, c.explain(err))
		}
		for _, e := range out.Events {
			s := Stored{Millis: aws.ToInt64(e.Timestamp), Ingestion: aws.ToInt64(e.IngestionTime), Stream: stream, Message: aws.ToString(e.Message)}
			if err := each(s); err != nil {
				return err
			}
		}
		if aws.ToString(out.NextForwardToken) == aws.ToString(in.NextToken) {
			return nil // the token of the end
		}
		in.NextToken = out.NextForwardToken
	}
}

// Select calls each for every selected event of the group, in order of time,
// until each returns an error.
func (c *CloudWatch) Select(ctx context.Context, sel Selection, each func(Stored) error) error {
	in := &cloudwatchlogs.FilterLogEventsInput{LogStreamNames: sel.Streams}
	group := cmp.Or(sel.Group, c.o.Group)
	name := GroupName(group)
	if group != name {
		group = strings.TrimSuffix(group, ":*")
		in.LogGroupIdentifier = &group
	} else {
		in.LogGroupName = &group
	}
	if sel.From != 0 {
		in.StartTime = &sel.From
	}
	if sel.To != 0 {
		in.EndTime = &sel.To
	}
	if sel.Prefix != "" {
		in.LogStreamNamePrefix = &sel.Prefix
	}
	if sel.Pattern != "" {
		in.FilterPattern = &sel.Pattern
	}
	for {
		out, err := c.client.Load().FilterLogEvents(ctx, in, persistent)
		if err != nil {
			return fmt.Errorf("search %s: %w", group, c.explain(err))
		}
		for _, e := range out.Events {
			s := Stored{aws.ToInt64(e.Timestamp), aws.ToInt64(e.IngestionTime), name, aws.ToString(e.LogStreamName), aws.ToString(e.Message)}
			if err := each(s); err != nil {
				return err
			}
		}
		if out.NextToken == nil { // a page may be empty and not the last
			return nil
		}
		in.NextToken = out.NextToken
		if err := Pause(ctx, sel.Pace); err != nil {
			return err
		}
	}
}

// A GroupFacts are what a log group is.
type GroupFacts struct {
	ARN     string // without :* at its end
	Class   string // STANDARD or INFREQUENT_ACCESS
	Bytes   int64  // stored, by the service's count, which is hours late
	Created int64  // milliseconds since 1970
	Keeps   int    // days, 0 for ever
}

// DescribeGroup asks what a group is, by its name or ARN.
func (c *CloudWatch) DescribeGroup(ctx context.Context, group string) (GroupFacts, error) {
	name := GroupName(group)
	in := &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name}
	if strings.HasPrefix(group, "arn:") {
		in.IncludeLinkedAccounts = aws.Bool(true)
	}
	for {
		out, err := c.client.Load().DescribeLogGroups(ctx, in, persistent)
		if err != nil {
			return GroupFacts{}, fmt.Errorf("describe %s: %w", group, c.explain(err))
		}
		for _, g := range out.LogGroups {
			if aws.ToString(g.LogGroupName) == name {
				return GroupFacts{
					ARN:   strings.TrimSuffix(aws.ToString(g.Arn), ":*"),
					Class: string(g.LogGroupClass), Bytes: aws.ToInt64(g.StoredBytes), Created: aws.ToInt64(g.CreationTime), Keeps: int(aws.ToInt32(g.RetentionInDays)),
				}, nil
			}
		}
		if out.NextToken == nil {
			return GroupFacts{}, fmt.Errorf("%w: log group %s: there is none", ErrBlocked, group)
		}
		in.NextToken = out.NextToken
	}
}
