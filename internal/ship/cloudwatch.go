package ship

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"
)

// CloudWatchOptions say where events go. The stream's name may hold {hostname}
// and {instance_id}.
type CloudWatchOptions struct {
	Group, Stream string
	Host          string // fills in the stream's name where an item does not say whose it is
	Region        string // empty: the environment's, the profile's or the instance's
	EndpointURL   string // empty: the service's own, or AWS_ENDPOINT_URL_CLOUDWATCH_LOGS
	Profile       string // of the shared configuration; empty: the environment's
	RoleARN       string // to assume, empty for none
	ExternalID    string // for the role, if it asks for one
	RoleSession   string // the session's name, by which CloudTrail tells hosts apart
	CreateGroup   bool
	RetentionDays int // of a group that we make, as what follows; 0 keeps for ever
	LogClass      string
	KMSKeyID      string
	Tags          map[string]string
	UseFIPS       bool
	UseDualstack  bool
	UserAgent     string
	Log           *zap.Logger

	// Learn, if not nil, is called with this instance's id when it is first known.
	Learn func(instance string)
}

// ErrNoRegion means that no region is known and no endpoint is given: there is
// no CloudWatch Logs to talk to.
var ErrNoRegion = errors.New("no region: none in the configuration, the environment, the profile or the instance's metadata")

// ErrEndpointVariant means that a FIPS or dual-stack endpoint is wanted beside
// an endpoint of one's own, which the SDK refuses at every call.
var ErrEndpointVariant = errors.New("FIPS and dual-stack are for AWS's own endpoints: leave out either them or the endpoint's URL")

// A CloudWatch is a Putter for one stream of CloudWatch Logs. It makes group
// and stream when they are missing, also later.
type CloudWatch struct {
	o CloudWatchOptions

	mu     sync.Mutex                            // of what makes things: clients, groups, streams
	client atomic.Pointer[cloudwatchlogs.Client] // nil until region and credentials' sources are known
	loaded time.Time
	onEC2  bool                   // the instance's metadata told the region
	self   atomic.Pointer[string] // this instance's id, empty off EC2; nil until it is known

	unknown atomic.Bool // the service did not take our credentials
	gzipped atomic.Bool // the endpoint took gzip once
	plain   atomic.Bool // the endpoint cannot take gzip

	retention setUp
	bodies    sync.Pool // of *body
}

// NewCloudWatch finds credentials, region and the stream's name. It makes no call
// to the service yet.
func NewCloudWatch(ctx context.Context, o CloudWatchOptions) (*CloudWatch, error) {
	c := NewLazyCloudWatch(o)
	ctx, cancel := context.WithTimeout(ctx, imdsBrief)
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	if _, err := c.streamOf(ctx, Identity{}); err != nil {
		return nil, err
	}
	return c, nil
}

// NewLazyCloudWatch looks for nothing yet. Each Put looks for what is missing
// until it is found, and fails until then.
func NewLazyCloudWatch(o CloudWatchOptions) *CloudWatch {
	return &CloudWatch{o: o, bodies: sync.Pool{New: newBody}}
}

// CheckCloudWatch reports what can never work with these options. That something
// is not known yet is no fault.
func CheckCloudWatch(ctx context.Context, o CloudWatchOptions) error {
	cfg, err := loadConfig(ctx, o)
	if err != nil {
		return err
	}
	_, err = newClient(cfg, o)
	return err
}

// HasRegion reports whether a region or an endpoint is known without a call:
// from o, the environment or the profile. An error of the profile is not its
// matter: somebody wants AWS.
func HasRegion(ctx context.Context, o CloudWatchOptions) bool {
	cfg, err := loadConfig(ctx, o)
	return err != nil || cfg.Region != "" || hasEndpoint(cfg, o)
}

// OnEC2 reports whether this host is known to be an EC2 instance, or its
// metadata answers within a short time.
func OnEC2(ctx context.Context) bool {
	if readMachine("/sys").ec2 == ec2Yes {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, imdsBrief)
	defer cancel()
	cfg, err := loadConfig(ctx, CloudWatchOptions{})
	return err == nil && instanceRegion(ctx, cfg) != ""
}

// connect makes a client of what configuration and credentials are now.
func (c *CloudWatch) connect(ctx context.Context) error {
	cfg, err := c.load(ctx)
	if err != nil {
		return err
	}
	client, err := newClient(cfg, c.o)
	if err != nil {
		return err
	}
	c.o.Region = cfg.Region // the instance's metadata need not be asked twice
	c.loaded = time.Now()
	c.client.Store(client)
	return nil
}

// Group returns the group's name.
func (c *CloudWatch) Group() string { return c.o.Group }

// Stream returns the name of this host's stream, empty until it is known.
func (c *CloudWatch) Stream() string {
	id := c.self.Load()
	if id == nil {
		if strings.Contains(c.o.Stream, instanceWord) {
			return ""
		}
		id = new(string)
	}
	return StreamName(c.o.Stream, Identity{c.o.Host, *id})
}

// Lacks names what is not known yet and delivery waits for, empty for nothing.
func (c *CloudWatch) Lacks() string {
	switch {
	case c.client.Load() == nil:
		return "the region or the credentials' sources"
	case c.Stream() == "":
		return "the instance id"
	}
	return ""
}

// streamOf returns the name of the stream for items of a host. It looks for this
// instance's id if the name needs one and the items have none.
func (c *CloudWatch) streamOf(ctx context.Context, from Identity) (string, error) {
	if from.Host == "" {
		from.Host = c.o.Host
	}
	if from.Instance == "" && strings.Contains(c.o.Stream, instanceWord) {
		id, err := c.instance(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrBlocked, err)
		}
		from.Instance = id
	}
	return StreamName(c.o.Stream, from), nil
}

// instance returns this instance's id, empty off EC2.
func (c *CloudWatch) instance(ctx context.Context) (string, error) {
	if id := c.self.Load(); id != nil {
		return *id, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id := c.self.Load(); id != nil {
		return *id, nil
	}
	id, err := findInstance(ctx, readMachine("/sys"), c.onEC2)
	if err != nil {
		return "", err
	}
	c.self.Store(&id)
	if id != "" && c.o.Learn != nil {
		c.o.Learn(id)
	}
	return id, nil
}

// loadConfig loads the SDK's configuration. The SDK keeps silent: the Shipper
// says what there is to say, once.
func loadConfig(ctx context.Context, o CloudWatchOptions) (cfg aws.Config, err error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = proxyFor }, dialing)
	opts := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithLogger(logging.Nop{}), awsconfig.WithHTTPClient(client),
		awsconfig.WithEC2RoleCredentialOptions(func(ro *ec2rolecreds.Options) { ro.Client = metadata{&cfg} }),
	}
	if o.UseFIPS {
		opts = append(opts, awsconfig.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	if o.UseDualstack {
		opts = append(opts, awsconfig.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	if o.Profile != "" {
		opts = append(opts, awsconfig.WithSharedConfigProfile(o.Profile))
	}
	if o.Region != "" {
		opts = append(opts, awsconfig.WithRegion(o.Region))
	}
	if cfg, err = awsconfig.LoadDefaultConfig(ctx, opts...); err != nil {
		return aws.Config{}, fmt.Errorf("load AWS configuration: %w", err)
	}
	return cfg, nil
}

// dialContext is set by tests: the network is in memory there.
var dialContext func(ctx context.Context, network, addr string) (net.Conn, error)

func dialing(t *http.Transport) {
	if dialContext != nil {
		t.DialContext = dialContext
	}
}

// hasEndpoint reports whether an endpoint is given that is not a region's.
func hasEndpoint(cfg aws.Config, o CloudWatchOptions) bool {
	return o.EndpointURL != "" || cloudwatchlogs.NewFromConfig(cfg).Options().BaseEndpoint != nil
}

// load finds the region, at last by the instance's metadata, and the credentials.
func (c *CloudWatch) load(ctx context.Context) (aws.Config, error) {
	cfg, err := loadConfig(ctx, c.o)
	if err != nil {
		return aws.Config{}, err
	}
	own := hasEndpoint(cfg, c.o)
	if cfg.Region == "" && !own {
		cfg.Region = instanceRegion(ctx, cfg)
		c.onEC2 = cfg.Region != ""
	}
	switch {
	case cfg.Region == "" && !own:
		return aws.Config{}, ErrNoRegion
	case cfg.Region == "":
		cfg.Region = "us-east-1" // only signs; the endpoint is given
	}
	if c.o.RoleARN != "" {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), c.o.RoleARN, c.assumes))
	}
	return cfg, nil
}

// assumes names the role's session after the instance, or after who asks.
func (c *CloudWatch) assumes(o *stscreds.AssumeRoleOptions) {
	o.RoleSessionName = sessionName(cmp.Or(c.o.RoleSession, readMachine("/sys").instance, c.o.Host))
	if c.o.ExternalID != "" {
		o.ExternalID = &c.o.ExternalID
	}
}

// newClient makes a client that tries once, since the Shipper tries for ever.
func newClient(cfg aws.Config, o CloudWatchOptions) (*cloudwatchlogs.Client, error) {
	var variant bool
	client := cloudwatchlogs.NewFromConfig(cfg, func(co *cloudwatchlogs.Options) {
		if o.EndpointURL != "" {
			co.BaseEndpoint = aws.String(o.EndpointURL)
		}
		if o.UserAgent != "" {
			co.APIOptions = append(co.APIOptions, awsmiddleware.AddUserAgentKey(o.UserAgent))
		}
		co.RetryMaxAttempts = 1
		co.HTTPClient = bounded{co.HTTPClient}
		e := co.EndpointOptions
		variant = co.BaseEndpoint != nil &&
			(e.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled || e.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled)
	})
	if variant {
		return nil, ErrEndpointVariant
	}
	return client, nil
}

// maxAnswer is more than the service ever answers, a page of events included.
const maxAnswer = 16 << 20

// A bounded client reads no answer beyond maxAnswer.
type bounded struct{ cloudwatchlogs.HTTPClient }

func (b bounded) Do(r *http.Request) (*http.Response, error) {
	resp, err := b.HTTPClient.Do(r)
	if err != nil {
		return nil, err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

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

func isMissing(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}

func exists(err error) bool {
	var there *types.ResourceAlreadyExistsException
	return errors.As(err, &there)
}

// isAccepted reports whether a refusal says that the events were accepted
// before. AWS does not say so any more, its imitations may.
func isAccepted(err error) bool {
	var accepted *types.DataAlreadyAcceptedException
	return errors.As(err, &accepted)
}

func statusOf(err error) int {
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		return re.HTTPStatusCode()
	}
	return 0
}

// explain says what the service refused, in its own words, and marks it with
// what can be done.
func (c *CloudWatch) explain(err error) error {
	if err == nil {
		return nil
	}
	op := operation(err)
	var api smithy.APIError
	if errors.As(err, &api) {
		return c.refused(op, api.ErrorCode(), api.ErrorMessage(), statusOf(err))
	}
	if code := statusOf(err); code >= 400 { // a proxy's answer
		return c.refused(op, http.StatusText(code), "", code)
	}
	var sent *url.Error // hides passwords in URLs
	if errors.As(err, &sent) {
		return fmt.Errorf("%s: %w", op, sent)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", op, err)
	}
	if isCredentials(err) {
		c.unknown.Store(true)
		return fmt.Errorf("%w: %s: %s", ErrBlocked, noCredentials, words(err.Error()))
	}
	return fmt.Errorf("%s: %s", op, words(err.Error()))
}

// refused makes an error of an answer.
func (c *CloudWatch) refused(op, code, message string, status int) error {
	if slices.Contains(credentialCodes, code) {
		c.unknown.Store(true)
	}
	mark := refusalMark(code, message)
	if mark == nil {
		mark = statusMark(status)
	}
	text := op + ": " + code
	if said := words(message); said != "" {
		text += ": " + said
	}
	if aboutKey(code, message) && c.o.KMSKeyID != "" && !strings.Contains(message, c.o.KMSKeyID) {
		text += " (KMS key " + c.o.KMSKeyID + ")"
	}
	if mark == nil {
		return errors.New(text)
	}
	return fmt.Errorf("%w: %s", mark, text)
}

// operation names the innermost call that failed: AssumeRole may have, on the
// way to PutLogEvents.
func operation(err error) string {
	name := "call"
	var op *smithy.OperationError
	for ; errors.As(err, &op); err = op.Err {
		name = op.OperationName
	}
	return name
}

// isCredentials reports whether there was nothing to sign a call with.
func isCredentials(err error) bool {
	text := err.Error()
	return strings.Contains(text, "get identity:") || strings.Contains(text, "retrieve credentials") || strings.Contains(text, "refresh cached credentials")
}

// How long the instance's metadata may take to answer: the daemon, and a person
// who waits.
const (
	imdsPatience = 10 * time.Second
	imdsBrief    = 2 * time.Second
)

// newIMDS makes a client of the instance's metadata. The SDK's own gives each
// answer half a second, which a busy instance's may never meet.
func newIMDS(cfg aws.Config) *imds.Client {
	plain := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = time.Second }).
		WithTransportOptions(func(t *http.Transport) { t.Proxy, t.ResponseHeaderTimeout = nil, imdsPatience*2/5 }, dialing)
	cfg.HTTPClient = bounded{plain}
	return imds.NewFromConfig(cfg)
}

// metadata has the SDK's credentials come from a client of our making.
type metadata struct{ cfg *aws.Config }

// GetMetadata implements ec2rolecreds.GetMetadataAPIClient.
func (m metadata) GetMetadata(ctx context.Context, in *imds.GetMetadataInput, o ...func(*imds.Options)) (*imds.GetMetadataOutput, error) {
	return newIMDS(*m.cfg).GetMetadata(ctx, in, o...)
}

// instanceRegion asks the instance's metadata; empty if nobody answers.
func instanceRegion(ctx context.Context, cfg aws.Config) string {
	out, err := newIMDS(cfg).GetRegion(ctx, nil)
	if err != nil {
		return ""
	}
	return out.Region
}

// findInstance returns this instance's id, empty off EC2. told says that the
// instance's metadata have answered before. The id of a host that is or may be
// an instance is never made up: the error says that it is not known yet.
func findInstance(ctx context.Context, m machine, told bool) (string, error) {
	if m.instance != "" {
		return m.instance, nil
	}
	must := m.ec2 == ec2Yes || told
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		if must {
			return "", fmt.Errorf("%w: AWS_EC2_METADATA_DISABLED is set", ErrNoInstance)
		}
		return "", nil
	}
	must = must || m.ec2 == ec2Unknown || os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT") != ""
	if m.ec2 == ec2No && !must {
		return "", nil
	}
	patience := imdsPatience
	if !must {
		patience = imdsBrief
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	id, err := askInstance(asking)
	switch {
	case err == nil:
		return id, nil
	case must:
		return "", fmt.Errorf("%w: %s", ErrNoInstance, words(err.Error()))
	}
	return "", ctx.Err()
}

func askInstance(ctx context.Context) (string, error) {
	cfg, err := loadConfig(ctx, CloudWatchOptions{})
	if err != nil {
		return "", err
	}
	out, err := newIMDS(cfg).GetMetadata(ctx, &imds.GetMetadataInput{Path: "instance-id"})
	if err != nil {
		return "", err
	}
	defer out.Content.Close()
	text, err := io.ReadAll(io.LimitReader(out.Content, 64))
	id := string(bytes.TrimSpace(text))
	if err == nil && !isInstanceID(id) { // a portal's page, or nothing
		err = fmt.Errorf("the instance's metadata answer %q for the instance id", id)
	}
	return id, err
}

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
	}
}

// A queryPage is an answer of GetQueryResults.
type queryPage struct {
	status                  string
	rows                    []QueryRow
	matched, bytes, skipped float64
	next                    string
}

// startQuery starts a query over whole seconds that hold a window.
func (c *CloudWatch) startQuery(ctx context.Context, groups []string, text string, w Window, limit int) (id string, err error) {
	in := &cloudwatchlogs.StartQueryInput{
		QueryString: &text, StartTime: aws.Int64(w.From / 1000), EndTime: aws.Int64((w.To + 999) / 1000), Limit: aws.Int32(int32(limit)),
	}
	if len(groups) == 1 && !strings.HasPrefix(groups[0], "arn:") {
		in.LogGroupName = &groups[0]
	} else {
		in.LogGroupIdentifiers = groups
	}
	out, err := c.client.Load().StartQuery(ctx, in)
	if err != nil {
		return "", c.insightsError(err)
	}
	return aws.ToString(out.QueryId), nil
}

func (c *CloudWatch) queryResults(ctx context.Context, id, token string) (page queryPage, err error) {
	in := &cloudwatchlogs.GetQueryResultsInput{QueryId: &id}
	if token != "" {
		in.NextToken = &token
	}
	out, err := c.client.Load().GetQueryResults(ctx, in)
	if err != nil {
		return page, c.insightsError(err)
	}
	page = queryPage{status: string(out.Status), next: aws.ToString(out.NextToken)}
	if s := out.Statistics; s != nil {
		page.matched, page.bytes, page.skipped = s.RecordsMatched, s.BytesScanned, s.EstimatedBytesSkipped
	}
	for _, cells := range out.Results {
		row := QueryRow{}
		for _, cell := range cells {
			row[aws.ToString(cell.Field)] = aws.ToString(cell.Value)
		}
		page.rows = append(page.rows, row)
	}
	return page, nil
}

// stopQuery ends a query that nobody waits for any more. That it is over
// already, or that the endpoint is gone, changes nothing.
func (c *CloudWatch) stopQuery(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for range 3 {
		_, err := c.client.Load().StopQuery(ctx, &cloudwatchlogs.StopQueryInput{QueryId: &id})
		if err == nil || ctx.Err() != nil || errors.Is(c.explain(err), ErrInvalid) {
			return
		}
	}
}

// insightsError tells a refusal of Logs Insights itself from one of the question.
func (c *CloudWatch) insightsError(err error) error {
	var api smithy.APIError
	explained := c.explain(err)
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "UnknownOperationException", "UnknownOperation", "NotImplemented", "AccessDeniedException", "UnsupportedOperation":
			return fmt.Errorf("%w: %w", ErrNoInsights, explained)
		case "MalformedQueryException":
			return fmt.Errorf("%w: %w", ErrInvalid, explained)
		}
	}
	if statusOf(err) == http.StatusNotImplemented || statusOf(err) == http.StatusNotFound {
		return fmt.Errorf("%w: %w", ErrNoInsights, explained)
	}
	return explained
}

// A GroupFacts are what a log group is.
type GroupFacts struct {
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
					string(g.LogGroupClass), aws.ToInt64(g.StoredBytes), aws.ToInt64(g.CreationTime), int(aws.ToInt32(g.RetentionInDays)),
				}, nil
			}
		}
		if out.NextToken == nil {
			return GroupFacts{}, fmt.Errorf("%w: log group %s: there is none", ErrBlocked, group)
		}
		in.NextToken = out.NextToken
	}
}
