package ship

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"go.uber.org/zap"
)

// make makes what is missing of group and stream.
func (c *CloudWatch) make(ctx context.Context, stream string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.makeStream(ctx, stream)
	if isMissing(err) && c.o.CreateGroup {
		if err = c.makeGroup(ctx); err == nil {
			err = c.makeStream(ctx, stream)
		}
	}
	return err
}

func (c *CloudWatch) makeStream(ctx context.Context, stream string) error {
	_, err := c.client.Load().CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &c.o.Group, LogStreamName: &stream})
	if exists(err) {
		return nil
	}
	return err
}

// makeGroup makes the group as configured. A group without tags is better than
// none; a group without the key would be readable to the wrong people.
func (c *CloudWatch) makeGroup(ctx context.Context) error {
	in := &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &c.o.Group, Tags: c.o.Tags, LogGroupClass: types.LogGroupClass(c.o.LogClass)}
	if c.o.KMSKeyID != "" {
		in.KmsKeyId = &c.o.KMSKeyID
	}
	client := c.client.Load()
	_, err := client.CreateLogGroup(ctx, in)
	if len(in.Tags) > 0 && errors.Is(c.explain(err), ErrBlocked) {
		in.Tags = nil
		if _, untagged := client.CreateLogGroup(ctx, in); untagged == nil {
			c.o.Log.Warn("log group made without tags", zap.Error(c.explain(err)))
			err = nil
		}
	}
	switch {
	case exists(err):
		return nil
	case err != nil:
		return err
	}
	c.o.Log.Info("log group made", zap.String("group", c.o.Group))
	if c.o.RetentionDays != 0 {
		c.retention.first(ctx, c.retain)
	}
	return nil
}

// retain sets the retention of a group that we made. It returns true when it
// need not be tried again.
func (c *CloudWatch) retain(ctx context.Context, last bool) (done bool) {
	days := int32(c.o.RetentionDays)
	_, err := c.client.Load().PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &c.o.Group, RetentionInDays: &days})
	if err == nil {
		return true
	}
	err = c.explain(err)
	final := last || errors.Is(err, ErrBlocked) || errors.Is(err, ErrInvalid)
	if final {
		c.o.Log.Warn("retention not set: events are kept for ever", zap.Int32("days", days), zap.Error(err))
	}
	return final
}

// renew makes a client if there is none, and anew if the service did not take
// the credentials of this one: the file they are from may have others now.
func (c *CloudWatch) renew(ctx context.Context) error {
	if c.client.Load() != nil && !c.unknown.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client.Load() != nil && (!c.unknown.Load() || time.Since(c.loaded) < renewAfter) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, imdsPatience)
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrBlocked, err)
	}
	c.unknown.Store(false)
	return nil
}

// renewAfter is how long credentials that are refused are kept.
const renewAfter = 2 * time.Second
