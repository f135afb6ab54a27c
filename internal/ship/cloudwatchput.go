package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"
)

// Put implements Putter.
func (c *CloudWatch) Put(ctx context.Context, b *Batch, i, j int) (Result, error) {
	if err := c.renew(ctx); err != nil {
		return Result{}, err
	}
	stream, err := c.streamOf(ctx, b.from)
	if err != nil {
		return Result{}, err
	}
	out, err := c.send(ctx, stream, b, i, j)
	if isMissing(err) {
		if err := c.make(ctx, stream); err != nil {
			return Result{}, c.explain(err)
		}
		out, err = c.send(ctx, stream, b, i, j)
	}
	if isAccepted(err) {
		return Result{}, nil
	}
	if err != nil {
		return Result{}, c.explain(err)
	}
	c.retention.again(ctx, c.retain)
	var res Result
	if now, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		res.Now = now
	}
	if r := out.RejectedLogEventsInfo; r != nil {
		info := rejectedInfo{r.ExpiredLogEventEndIndex, r.TooOldLogEventEndIndex, r.TooNewLogEventStartIndex}
		res.Rejected = info.ranges(b, i, j, res.Now)
	}
	return res, nil
}

// Endpoint returns the URL that events go to.
func (c *CloudWatch) Endpoint(ctx context.Context) (string, error) {
	client := c.client.Load()
	if client == nil {
		return "", ErrNoRegion
	}
	o := client.Options()
	e, err := o.EndpointResolverV2.ResolveEndpoint(ctx, cloudwatchlogs.EndpointParameters{
		Region: aws.String(o.Region), Endpoint: o.BaseEndpoint,
		UseFIPS: aws.Bool(c.o.UseFIPS), UseDualStack: aws.Bool(c.o.UseDualstack),
	})
	return e.URI.String(), err
}

// IsMissing reports whether an error of Probe means that the group or the stream
// does not exist.
func IsMissing(err error) bool {
	return err != nil && strings.Contains(err.Error(), "ResourceNotFoundException") // explain made a text of it
}

// Probe returns nil if the service takes events of the stream. What it sends is
// too old to be kept.
func (c *CloudWatch) Probe(ctx context.Context) error {
	stream, err := c.streamOf(ctx, Identity{})
	if err != nil {
		return err
	}
	old := time.Now().Add(-30 * 24 * time.Hour).UnixMilli()
	_, err = c.client.Load().PutLogEvents(ctx, &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: &c.o.Group, LogStreamName: &stream,
		LogEvents: []types.InputLogEvent{{Message: aws.String("auditshipper: is anything accepted?"), Timestamp: &old}},
	})
	return c.explain(err)
}

// send makes the call, compressed unless the endpoint cannot take that. An
// endpoint that never took gzip and refuses in a way which could be because of
// it gets the same events plain.
func (c *CloudWatch) send(ctx context.Context, stream string, b *Batch, i, j int) (*cloudwatchlogs.PutLogEventsOutput, error) {
	if c.plain.Load() {
		return c.call(ctx, stream, b, i, j, false)
	}
	out, err := c.call(ctx, stream, b, i, j, true)
	if err == nil {
		c.gzipped.Store(true)
		return out, nil
	}
	if !dislikesGzip(err, c.gzipped.Load()) {
		return nil, err
	}
	out, plainErr := c.call(ctx, stream, b, i, j, false)
	if plainErr != nil && !isMissing(plainErr) {
		return nil, err
	}
	if !c.plain.Swap(true) { // it was understood
		c.o.Log.Info("endpoint takes no gzip: sending plain", zap.Error(c.explain(err)))
	}
	return out, plainErr
}

// dislikesGzip reports whether a refusal may mean that the body could not be read.
func dislikesGzip(err error, proven bool) bool {
	var api smithy.APIError
	code := ""
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	switch status := statusOf(err); {
	case status == http.StatusUnsupportedMediaType, code == "SerializationException":
		return true
	case proven || status == 0 || isMissing(err):
		return false
	default: // a server that takes gzip for JSON says anything
		mark := refusalMark(code, "")
		return status == http.StatusInternalServerError || mark == nil && status < 500 || mark == ErrInvalid
	}
}

// call makes one PutLogEvents with a body of our own making.
func (c *CloudWatch) call(ctx context.Context, stream string, b *Batch, i, j int, compress bool) (*cloudwatchlogs.PutLogEventsOutput, error) {
	k := c.bodies.Get().(*body)
	if err := k.make(c.o.Group, stream, b, i, j, compress); err != nil {
		return nil, err
	}
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &c.o.Group, LogStreamName: &stream, LogEvents: []types.InputLogEvent{}}
	out, err := c.client.Load().PutLogEvents(ctx, in, replaceBody(k.packed.Bytes(), compress))
	if err != nil {
		k.packed = bytes.Buffer{} // the transport may still be reading it
	}
	c.bodies.Put(k)
	return out, err
}

// replaceBody is an option of a call: the body is this instead of what the SDK
// made of an empty list of events. It is signed afterwards.
func replaceBody(data []byte, compressed bool) func(*cloudwatchlogs.Options) {
	replace := func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
		req, ok := in.Request.(*smithyhttp.Request)
		if !ok {
			return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("make request: unexpected transport %T", in.Request)
		}
		req, err := req.SetStream(bytes.NewReader(data))
		if err != nil {
			return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("make request: %w", err)
		}
		if compressed {
			req.Header.Set("Content-Encoding", "gzip")
		}
		in.Request = req
		return next.HandleBuild(ctx, in)
	}
	return func(o *cloudwatchlogs.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(middleware.BuildMiddlewareFunc("ReplaceBody", replace), middleware.Before)
		})
	}
}
