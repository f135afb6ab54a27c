package ship

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
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
