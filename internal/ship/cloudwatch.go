package ship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/klauspost/compress/gzip"
	"go.uber.org/zap"
)

// CloudWatchOptions say where events go. Group and Stream are final names.
type CloudWatchOptions struct {
	Group, Stream string
	Region        string // empty: the environment's, the profile's or the instance's
	EndpointURL   string // empty: the service's own, or AWS_ENDPOINT_URL_CLOUDWATCH_LOGS
	RoleARN       string // to assume, empty for none
	CreateGroup   bool
	RetentionDays int
	LogClass      string
	KMSKeyID      string
	Tags          map[string]string
	UseFIPS       bool
	UseDualstack  bool
	UserAgent     string
	Log           *zap.Logger
}

// ErrNoRegion means that no region is known and no endpoint is given: there is
// no CloudWatch Logs to talk to.
var ErrNoRegion = errors.New("no region: none in the configuration, the environment, the profile or the instance's metadata")

// A CloudWatch is a Putter for one stream of CloudWatch Logs. It makes group
// and stream when they are missing, also later.
type CloudWatch struct {
	o      CloudWatchOptions
	client *cloudwatchlogs.Client
	plain  atomic.Bool // the endpoint cannot take gzip

	calls sync.Pool // of *call
}

// A call is the memory of one PutLogEvents.
type call struct {
	events []types.InputLogEvent
	texts  []string
	times  []int64
}

// NewCloudWatch finds credentials and region as the SDK does. It makes no call
// to the service yet.
func NewCloudWatch(ctx context.Context, o CloudWatchOptions) (*CloudWatch, error) {
	cfg, err := loadAWS(ctx, o)
	if err != nil {
		return nil, err
	}
	c := &CloudWatch{o: o, calls: sync.Pool{New: func() any { return new(call) }}}
	c.client = cloudwatchlogs.NewFromConfig(cfg, func(co *cloudwatchlogs.Options) {
		if o.EndpointURL != "" {
			co.BaseEndpoint = aws.String(o.EndpointURL)
		}
		if o.UserAgent != "" {
			co.APIOptions = append(co.APIOptions, awsmiddleware.AddUserAgentKey(o.UserAgent))
		}
		co.RetryMaxAttempts = 1 // the Shipper retries, for ever
	})
	return c, nil
}

// loadAWS loads the SDK's configuration.
func loadAWS(ctx context.Context, o CloudWatchOptions) (aws.Config, error) {
	opts := []func(*awsconfig.LoadOptions) error{}
	if o.UseFIPS {
		opts = append(opts, awsconfig.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if o.UseDualstack {
		opts = append(opts, awsconfig.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	if o.Region != "" {
		opts = append(opts, awsconfig.WithRegion(o.Region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = instanceRegion(ctx)
	}
	switch {
	case cfg.Region == "" && !customEndpoint(cfg, o):
		return aws.Config{}, ErrNoRegion
	case cfg.Region == "":
		cfg.Region = "us-east-1" // only signs; the endpoint is given
	}
	if o.RoleARN != "" {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), o.RoleARN))
	}
	return cfg, nil
}

// customEndpoint reports whether an endpoint is given, by us or by the SDK's
// environment.
func customEndpoint(cfg aws.Config, o CloudWatchOptions) bool {
	if o.EndpointURL != "" {
		return true
	}
	probe := cloudwatchlogs.NewFromConfig(cfg)
	return probe.Options().BaseEndpoint != nil
}

// Put implements Putter.
func (c *CloudWatch) Put(ctx context.Context, b *Batch, i, j int) ([]Rejected, error) {
	k := c.calls.Get().(*call)
	defer c.calls.Put(k)
	in := &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: &c.o.Group, LogStreamName: &c.o.Stream, LogEvents: k.fill(b, i, j),
	}
	out, err := c.client.PutLogEvents(ctx, in, c.compress)
	if isMissing(err) {
		if err := c.make(ctx); err != nil {
			return nil, classify(err)
		}
		out, err = c.client.PutLogEvents(ctx, in, c.compress)
	}
	if statusOf(err) == http.StatusUnsupportedMediaType && !c.plain.Swap(true) {
		c.o.Log.Info("endpoint takes no gzip, sending plain")
		out, err = c.client.PutLogEvents(ctx, in, c.compress)
	}
	if err != nil {
		return nil, classify(err)
	}
	return rejections(out.RejectedLogEventsInfo, i, j), nil
}

// fill makes the SDK's events of items i to j of b, which share b's memory.
func (k *call) fill(b *Batch, i, j int) []types.InputLogEvent {
	k.events, k.texts, k.times = k.events[:0], k.texts[:0], k.times[:0]
	for _, p := range b.items[i:j] {
		line := b.text[p.off:p.end]
		k.texts = append(k.texts, unsafe.String(unsafe.SliceData(line), len(line)))
		k.times = append(k.times, p.millis)
	}
	for n := range k.texts {
		k.events = append(k.events, types.InputLogEvent{Message: &k.texts[n], Timestamp: &k.times[n]})
	}
	return k.events
}

// rejections reads RejectedLogEventsInfo: the ends are exclusive, the start is
// inclusive.
func rejections(info *types.RejectedLogEventsInfo, i, j int) []Rejected {
	if info == nil {
		return nil
	}
	var out []Rejected
	reject := func(from, to int, reason string) {
		for n := max(from, 0); n < min(to, j-i); n++ {
			out = append(out, Rejected{i + n, reason})
		}
	}
	expired, old := 0, 0
	if info.ExpiredLogEventEndIndex != nil {
		expired = int(*info.ExpiredLogEventEndIndex)
		reject(0, expired, "older than the group's retention")
	}
	if info.TooOldLogEventEndIndex != nil {
		old = int(*info.TooOldLogEventEndIndex)
		reject(expired, old, "older than 14 days")
	}
	if info.TooNewLogEventStartIndex != nil {
		reject(max(int(*info.TooNewLogEventStartIndex), expired, old), j-i, "more than 2 hours in the future")
	}
	return out
}

// make makes what is missing of group and stream.
func (c *CloudWatch) make(ctx context.Context) error {
	err := c.makeStream(ctx)
	if isMissing(err) && c.o.CreateGroup {
		if err = c.makeGroup(ctx); err == nil {
			err = c.makeStream(ctx)
		}
	}
	return err
}

func (c *CloudWatch) makeStream(ctx context.Context) error {
	_, err := c.client.CreateLogStream(ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &c.o.Group, LogStreamName: &c.o.Stream})
	if exists(err) {
		return nil
	}
	return err
}

func (c *CloudWatch) makeGroup(ctx context.Context) error {
	in := &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &c.o.Group, Tags: c.o.Tags, LogGroupClass: types.LogGroupClass(c.o.LogClass)}
	if c.o.KMSKeyID != "" {
		in.KmsKeyId = &c.o.KMSKeyID
	}
	_, err := c.client.CreateLogGroup(ctx, in)
	if err != nil && !exists(err) {
		return err
	}
	if c.o.RetentionDays == 0 || exists(err) {
		return nil
	}
	days := int32(c.o.RetentionDays)
	_, err = c.client.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: &c.o.Group, RetentionInDays: &days})
	if err != nil { // events matter more
		c.o.Log.Warn("retention not set", zap.Int32("days", days), zap.Error(err))
	}
	return nil
}

func isMissing(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}

func exists(err error) bool {
	var there *types.ResourceAlreadyExistsException
	return errors.As(err, &there)
}

func statusOf(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

// classify marks an error with what can be done about it.
func classify(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	mark := error(nil)
	switch api.ErrorCode() {
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException", "OperationAbortedException":
		mark = ErrThrottled
	case "InvalidParameterException", "ValidationException", "SerializationException":
		mark = ErrInvalid
	case "AccessDeniedException", "AccessDenied", "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException",
		"InvalidSignatureException", "ResourceNotFoundException", "DataAlreadyAcceptedException":
		mark = ErrBlocked
	}
	if mark == nil {
		return err
	}
	return fmt.Errorf("%w: %w", mark, err)
}

// compress is an option of a call: its body goes out as gzip. The SDK does not
// do that by itself.
func (c *CloudWatch) compress(o *cloudwatchlogs.Options) {
	if c.plain.Load() {
		return
	}
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Build.Add(gzipBody, middleware.Before)
	})
}

var writers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a constant level has no error
	return w
}}

var gzipBody = middleware.BuildMiddlewareFunc("GzipBody", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
	req, ok := in.Request.(*smithyhttp.Request)
	if !ok || req.GetStream() == nil {
		return next.HandleBuild(ctx, in)
	}
	var packed bytes.Buffer
	w := writers.Get().(*gzip.Writer)
	defer writers.Put(w)
	w.Reset(&packed)
	if _, err := io.Copy(w, req.GetStream()); err != nil {
		return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("compress: %w", err)
	}
	req, err := req.SetStream(bytes.NewReader(packed.Bytes()))
	if err != nil {
		return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("compress: %w", err)
	}
	req.Header.Set("Content-Encoding", "gzip")
	in.Request = req
	return next.HandleBuild(ctx, in)
})

// imdsPatience is how long the instance's metadata may take to answer.
const imdsPatience = 2 * time.Second

// instanceRegion asks the instance's metadata, briefly: off EC2 nobody answers.
func instanceRegion(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, imdsPatience)
	defer cancel()
	out, err := imds.New(imds.Options{}).GetRegion(ctx, nil)
	if err != nil {
		return ""
	}
	return out.Region
}

// InstanceID asks the instance's metadata for its id; empty off EC2.
func InstanceID(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, imdsPatience)
	defer cancel()
	out, err := imds.New(imds.Options{}).GetMetadata(ctx, &imds.GetMetadataInput{Path: "instance-id"})
	if err != nil {
		return ""
	}
	defer out.Content.Close()
	id, err := io.ReadAll(io.LimitReader(out.Content, 64))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// StreamName fills in {hostname} and {instance_id}, and replaces what a
// stream's name may not hold (: and *). instance is asked only if it is wanted;
// where it has no answer, the host's name stands in.
func StreamName(template, host string, instance func() string) string {
	name := strings.ReplaceAll(template, "{hostname}", host)
	if strings.Contains(name, "{instance_id}") {
		id := instance()
		if id == "" {
			id = host
		}
		name = strings.ReplaceAll(name, "{instance_id}", id)
	}
	return strings.NewReplacer(":", "_", "*", "_").Replace(name)
}
