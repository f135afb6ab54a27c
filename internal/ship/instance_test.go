package ship

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// A fakeIMDS is an instance's metadata that may be late.
type fakeIMDS struct {
	silent atomic.Bool // knows nothing
	slow   atomic.Int64
	asked  atomic.Int64
}

func (f *fakeIMDS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked.Add(1)
	select {
	case <-time.After(time.Duration(f.slow.Load())):
	case <-r.Context().Done():
		return
	}
	switch {
	case f.silent.Load():
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
		fmt.Fprint(w, "token")
	case r.URL.Path == "/latest/dynamic/instance-identity/document":
		if err := json.NewEncoder(w).Encode(map[string]string{"region": "ca-central-1"}); err != nil {
			panic(err)
		}
	case r.URL.Path == "/latest/meta-data/instance-id":
		fmt.Fprint(w, "i-0abcdef12\n")
	default:
		http.NotFound(w, r)
	}
}

func startIMDS(t *testing.T) *fakeIMDS {
	t.Helper()
	f := new(fakeIMDS)
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", srv.URL)
	return f
}

// TestInstance: region and id come from the instance's metadata, also where each
// answer takes longer than the SDK's own client waits.
func TestInstance(t *testing.T) {
	awsEnvironment(t)
	f := startIMDS(t)
	var learned []string
	c := NewLazyCloudWatch(CloudWatchOptions{Stream: "{instance_id}", Host: "h", Log: zap.NewNop(), Learn: func(id string) { learned = append(learned, id) }})
	if got := c.Stream(); got != "" || !strings.Contains(c.Lacks(), "region") {
		t.Errorf("stream %q before anybody was asked, lacks %q", got, c.Lacks())
	}
	if err := c.renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Lacks(); got != "the instance id" {
		t.Errorf("lacks %q", got)
	}
	if got := c.client.Load().Options().Region; got != "ca-central-1" {
		t.Errorf("region %q, want ca-central-1", got)
	}
	f.slow.Store(int64(520 * time.Millisecond))
	for range 2 {
		if stream, err := c.streamOf(t.Context(), Identity{}); stream != "i-0abcdef12" || err != nil {
			t.Errorf("stream %q, %v", stream, err)
		}
	}
	if got := strings.Join(learned, " "); got != "i-0abcdef12" || c.Stream() != "i-0abcdef12" || c.Lacks() != "" {
		t.Errorf("learned %q, stream %q, lacks %q", got, c.Stream(), c.Lacks())
	}
}

// TestLateInstance: as long as the id is not known nothing is delivered, least of
// all to a stream named like the host; afterwards everything is.
func TestLateInstance(t *testing.T) {
	awsEnvironment(t)
	f := startIMDS(t)
	f.silent.Store(true)
	s, url := endpoint(t, logstest.Options{})
	c := NewLazyCloudWatch(CloudWatchOptions{Group: "/g", Stream: "{instance_id}", Host: "h", EndpointURL: url, CreateGroup: true, Log: zap.NewNop()})
	b := batch("x")
	for range 2 {
		_, err := put(t, c, b)
		if !errors.Is(err, ErrBlocked) || !errors.Is(err, ErrNoInstance) {
			t.Fatalf("error %v, want that the instance is not known", err)
		}
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("calls to the service: %v", s.Calls())
	}
	if f.asked.Load() < 2 {
		t.Errorf("asked %d times", f.asked.Load())
	}
	f.silent.Store(false)
	if _, err := put(t, c, b); err != nil {
		t.Fatal(err)
	}
	if got := s.Events("/g", "i-0abcdef12"); len(got) != 1 {
		t.Errorf("%d events in the instance's stream", len(got))
	}
	if _, err := NewCloudWatch(t.Context(), CloudWatchOptions{Stream: "{instance_id}", EndpointURL: url, Log: zap.NewNop()}); err != nil {
		t.Error(err)
	}
	f.silent.Store(true)
	if _, err := NewCloudWatch(t.Context(), CloudWatchOptions{Stream: "{instance_id}", EndpointURL: url, Log: zap.NewNop()}); !errors.Is(err, ErrNoInstance) {
		t.Errorf("error %v, want ErrNoInstance", err)
	}
}

// TestLateRegion: a region that nobody tells yet is looked for with each call,
// in the profile too.
func TestLateRegion(t *testing.T) {
	awsEnvironment(t)
	config := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", config)
	c := NewLazyCloudWatch(CloudWatchOptions{Group: "/g", Stream: "s", Log: zap.NewNop()})
	if _, err := put(t, c, batch("x")); !errors.Is(err, ErrBlocked) || !errors.Is(err, ErrNoRegion) {
		t.Errorf("error %v, want ErrNoRegion", err)
	}
	if HasRegion(t.Context(), CloudWatchOptions{}) {
		t.Error("there is a region")
	}
	if err := os.WriteFile(config, []byte("[default]\nregion=ap-south-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.renew(t.Context()); err != nil || c.client.Load().Options().Region != "ap-south-1" {
		t.Errorf("region not found: %v", err)
	}
	if !HasRegion(t.Context(), CloudWatchOptions{}) {
		t.Error("there is no region")
	}
}

// TestBatchOfOneHost: items of two hosts go to two streams.
func TestBatchOfOneHost(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{})
	c := NewLazyCloudWatch(CloudWatchOptions{Group: "/g", Stream: "{hostname}.{instance_id}", Host: "h", EndpointURL: url, CreateGroup: true, Log: zap.NewNop()})
	b, item := new(Batch), Item{Millis: time.Now().UnixMilli(), Line: []byte("x"), From: Identity{"old", "i-01"}}
	if !b.Add(item) {
		t.Fatal("not taken")
	}
	item.From = Identity{"old", "i-02"}
	if b.Add(item) {
		t.Error("one batch for two hosts")
	}
	if _, err := put(t, c, b); err != nil {
		t.Fatal(err)
	}
	if got := s.Events("/g", "old.i-01"); len(got) != 1 {
		t.Errorf("%d events in the stream of the host that they are from", len(got))
	}
}

// TestMachine: what the firmware tells, by the files that kernels show.
func TestMachine(t *testing.T) {
	const dmi = "devices/virtual/dmi/id/"
	tests := []struct {
		name  string
		files map[string]string
		want  machine
	}{
		{"Nitro", map[string]string{dmi + "sys_vendor": "Amazon EC2", dmi + "board_asset_tag": "i-0123456789abcdef0"}, machine{ec2Yes, "i-0123456789abcdef0"}},
		{"Nitro without a tag", map[string]string{dmi + "sys_vendor": "Amazon EC2", dmi + "board_asset_tag": "Not Specified"}, machine{ec2: ec2Yes}},
		{"Xen on EC2", map[string]string{dmi + "sys_vendor": "Xen", dmi + "bios_version": "4.11.amazon"}, machine{ec2: ec2Yes}},
		{"Xen on EC2 by its hypervisor", map[string]string{dmi + "sys_vendor": "Xen", "hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef"}, machine{ec2: ec2Yes}},
		{"Xen elsewhere", map[string]string{dmi + "sys_vendor": "Xen", "hypervisor/uuid": "0b2e1916-9099-7caf-fd21-012345abcdef"}, machine{ec2: ec2No}},
		{"Xen of nobody knows whom", map[string]string{dmi + "sys_vendor": "Xen"}, machine{ec2: ec2Unknown}},
		{"another vendor's tag", map[string]string{dmi + "sys_vendor": "Dell Inc.", dmi + "board_asset_tag": "i-0123456789abcdef0"}, machine{ec2: ec2No}},
		{"no DMI", map[string]string{"devices/virtual/tty": ""}, machine{ec2: ec2Maybe}},
		{"no /sys", nil, machine{ec2: ec2Unknown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sys := t.TempDir()
			for name, text := range tt.files {
				path := filepath.Join(sys, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := readMachine(sys); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestFindInstance: when a host's name may be its stream's, and when the id must
// be waited for. Nobody answers.
func TestFindInstance(t *testing.T) {
	tests := []struct {
		name     string
		m        machine
		told     bool
		disabled bool
		endpoint bool
		want     error
	}{
		{"on EC2", machine{ec2: ec2Yes}, false, false, true, ErrNoInstance},
		{"on EC2, not to be asked", machine{ec2: ec2Yes}, false, true, false, ErrNoInstance},
		{"nothing known", machine{}, false, false, true, ErrNoInstance},
		{"the region came from the metadata", machine{ec2: ec2Maybe}, true, false, true, ErrNoInstance},
		{"elsewhere, with an endpoint for metadata", machine{ec2: ec2No}, false, false, true, ErrNoInstance},
		{"elsewhere", machine{ec2: ec2No}, false, false, false, nil},
		{"not to be asked", machine{ec2: ec2Maybe}, false, true, true, nil},
		{"id from the firmware", machine{ec2Yes, "i-01"}, false, true, false, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			awsEnvironment(t)
			if tt.endpoint {
				startIMDS(t).silent.Store(true)
			}
			t.Setenv("AWS_EC2_METADATA_DISABLED", fmt.Sprint(tt.disabled))
			id, err := findInstance(t.Context(), tt.m, tt.told)
			if !errors.Is(err, tt.want) || id != tt.m.instance {
				t.Errorf("got %q, %v, want %v", id, err, tt.want)
			}
		})
	}
}

// TestNoProxyForMetadata: what only this host can reach is asked without a proxy.
func TestNoProxyForMetadata(t *testing.T) {
	awsEnvironment(t)
	proxy := &url.URL{Scheme: "http", Host: "proxy:3128"}
	before := environmentProxy
	environmentProxy = func(*http.Request) (*url.URL, error) { return proxy, nil }
	t.Cleanup(func() { environmentProxy = before })
	cfg, err := loadConfig(t.Context(), CloudWatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	transport := cfg.HTTPClient.(*awshttp.BuildableClient).GetTransport()
	for target, want := range map[string]*url.URL{
		"http://169.254.169.254/latest/api/token": nil, "http://169.254.170.2/v2/credentials": nil, "http://169.254.170.23/v1/credentials": nil,
		"http://[fd00:ec2::254]/": nil, "http://[fd00:ec2::23]/v1/credentials": nil, "http://[fe80::1%25eth0]/": nil,
		"https://logs.eu-west-1.amazonaws.com/": proxy, "https://10.0.0.1/": proxy, "https://[fd00:ec2::25]/": proxy,
	} {
		r, err := http.NewRequest(http.MethodGet, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := transport.Proxy(r); got != want || err != nil {
			t.Errorf("%s by %v, %v, want %v", target, got, err, want)
		}
	}
}
