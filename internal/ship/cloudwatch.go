package ship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
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
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
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
	if resp.Header.Get("Content-Type") == eventStream { // whose frames the SDK bounds
		return resp, nil
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}
