package ship

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

func TestPut(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{})
	c := cloudWatch(t, url, func(o *CloudWatchOptions) { o.RetentionDays = 30; o.Tags = map[string]string{"team": "sec"} })

	want := []string{`{"a":"b\\c"}`, "tab\tquote\"", "snow ☃ \U0001F600", "control \x01\x7f", "line\nbreak"}
	if _, err := put(t, c, batch(want...)); err != nil {
		t.Fatal(err)
	}
	messages(t, s, want...)
	called(t, s, "map[CreateLogGroup:1 CreateLogStream:2 PutLogEvents:2 PutRetentionPolicy:1]")
}

// messages requires that exactly these arrived.
func messages(t *testing.T, s *logstest.Server, want ...string) {
	t.Helper()
	got := s.Events("/auditshipper", "host")
	if len(got) != len(want) {
		t.Fatalf("%d events arrived, want %d", len(got), len(want))
	}
	for i, e := range got {
		if e.Message != want[i] {
			t.Errorf("event %d = %q, want %q", i, e.Message, want[i])
		}
	}
}

func called(t *testing.T, s *logstest.Server, want string) {
	t.Helper()
	if got := fmt.Sprint(s.Calls()); got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
}

// TestRestartMakesNothing: a stream that is there costs no call of set-up, of
// which a fleet has few.
func TestRestartMakesNothing(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{})
	for range 2 {
		if _, err := put(t, cloudWatch(t, url, nil), batch("x")); err != nil {
			t.Fatal(err)
		}
	}
	called(t, s, "map[CreateLogGroup:1 CreateLogStream:2 PutLogEvents:3]")
}

func TestRejections(t *testing.T) {
	awsEnvironment(t)
	_, url := endpoint(t, logstest.Options{})
	c := cloudWatch(t, url, func(o *CloudWatchOptions) { o.RetentionDays = 5 })
	if _, err := put(t, c, batch("makes the group")); err != nil {
		t.Fatal(err)
	}
	b := new(Batch)
	now := time.Now()
	const day = 24 * time.Hour
	for _, d := range []time.Duration{-20 * day, -15 * day, -6 * day, -4*day - time.Minute, -4 * day, 3 * time.Hour} {
		b.items = append(b.items, packed{millis: now.Add(d).UnixMilli(), off: 0, end: 1})
	}
	b.text = []byte("x")
	res, err := put(t, c, b)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(res.Rejected), fmt.Sprint([]Rejected{{0, 2, TooOld}, {2, 3, Expired}, {5, 6, TooNew}}); got != want {
		t.Errorf("rejected %s, want %s", got, want)
	}
	if d := time.Since(res.Now).Abs(); d > 2*time.Second {
		t.Errorf("the service's time is %v away", d)
	}

	// As part of a batch, indexes count from its own start.
	res, err = c.Put(t.Context(), b, 2, 6)
	if got, want := fmt.Sprint(res.Rejected), fmt.Sprint([]Rejected{{2, 3, Expired}, {5, 6, TooNew}}); err != nil || got != want {
		t.Errorf("rejected %s (%v), want %s", got, err, want)
	}
}

// TestWrongIndexes: an endpoint whose indexes are off by one, as LocalStack's
// are, loses nothing.
func TestWrongIndexes(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{WrongIndexes: true})
	k := newSink()
	sh := New(k.options(cloudWatch(t, url, nil)))
	now := time.Now()
	const day = 24 * time.Hour
	for i, d := range []time.Duration{-16 * day, -15 * day, -time.Hour, 0, 3 * time.Hour, 4 * time.Hour, 5 * time.Hour} {
		if err := sh.Add(t.Context(), Item{Millis: now.Add(d).UnixMilli(), Line: []byte(line(i)), Mark: uint64(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	finish(t, sh)
	messages(t, s, line(2), line(3), line(4), line(5), line(6))
	if len(k.rejected) != 2 {
		t.Errorf("rejected %v, want the first two", k.rejected)
	}
}

// TestSetUpThrottled: a fleet that starts at one time waits for its turn, and
// its events with it.
func TestSetUpThrottled(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{})
	for _, op := range []string{"CreateLogGroup", "CreateLogStream", "CreateLogStream", "PutRetentionPolicy"} {
		f := logstest.Throttle
		f.Op = op
		s.Next(f)
	}
	k := newSink()
	c := cloudWatch(t, url, func(o *CloudWatchOptions) { o.RetentionDays = 30; o.Log = k.log })
	o := k.options(c)
	o.Flush = time.Millisecond
	sh := New(o)
	add(t, sh, 0, 10)
	k.wait(t, 10)
	c.retention.mu.Lock()
	c.retention.next = time.Now()
	c.retention.mu.Unlock()
	add(t, sh, 10, 20)
	finish(t, sh)
	complete(t, s, 20, false)
	if n := s.Calls()["PutRetentionPolicy"]; n != 2 {
		t.Errorf("%d calls for the retention, want 2", n)
	}
	if n := k.logs.FilterMessageSnippet("retention").Len(); n != 0 {
		t.Errorf("said %d times that the retention is not set", n)
	}
}

func TestAcceptedBefore(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{})
	s.Always(logstest.Fault{Code: "DataAlreadyAcceptedException", Message: "The given batch of log events has already been accepted."})
	if _, err := put(t, cloudWatch(t, url, nil), batch("x")); err != nil {
		t.Error(err)
	}
}

func TestMadeAgain(t *testing.T) {
	awsEnvironment(t)
	for name, remove := range map[string]string{
		"group":  `{"logGroupName":"/auditshipper"}`,
		"stream": `{"logGroupName":"/auditshipper","logStreamName":"host"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, url := endpoint(t, logstest.Options{})
			c := cloudWatch(t, url, nil)
			if _, err := put(t, c, batch("before")); err != nil {
				t.Fatal(err)
			}
			op := "DeleteLogGroup"
			if name == "stream" {
				op = "DeleteLogStream"
			}
			if err := s.Do(op, remove); err != nil {
				t.Fatal(err)
			}
			if _, err := put(t, c, batch("after")); err != nil {
				t.Fatal(err)
			}
			messages(t, s, "after")
		})
	}
}

// TestRefusals: every refusal is in AWS's words, marked, and without secrets.
func TestRefusals(t *testing.T) {
	awsEnvironment(t)
	const key = "arn:aws:kms:us-east-1:111122223333:key/abc"
	tests := []struct {
		name  string
		fault logstest.Fault
		mark  error
		words string
	}{
		{"permissions", logstest.Denied("PutLogEvents", "no identity-based policy allows"), ErrBlocked, "is not authorized to perform: logs:PutLogEvents"},
		{"boundary", logstest.Denied("PutLogEvents", "no permissions boundary allows"), ErrBlocked, "because no permissions boundary allows the logs:PutLogEvents action"},
		{"expired", logstest.Expired, ErrBlocked, "PutLogEvents: ExpiredTokenException: The security token included in the request is expired"},
		{"unknown key", logstest.UnknownKey, ErrBlocked, "UnrecognizedClientException"},
		{"disabled KMS key", logstest.KeyDisabled(key), ErrBlocked, key},
		{"KMS key not named", logstest.Fault{Code: "AccessDeniedException", Message: "kms:GenerateDataKey is not allowed"}, ErrBlocked, "(KMS key " + key + ")"},
		{"KMS code", logstest.Fault{Code: "KMSKeyDisabled", Message: "disabled"}, ErrBlocked, key},
		{"throttled", logstest.Throttle, ErrThrottled, "Rate exceeded"},
		{"invalid", logstest.Poison(""), ErrInvalid, "Log event is not acceptable."},
		{"names", logstest.Fault{Code: "InvalidParameterException", Message: "1 validation error detected: Value 'a*' at 'logStreamName' failed"}, ErrBlocked, "logStreamName"},
		{"too large", logstest.Fault{Status: 413, Code: "-", Body: "<html>"}, ErrTooLarge, "Request Entity Too Large"},
		{"proxy that wants a password", logstest.Fault{Status: 407, Code: "-", Body: "<html>"}, ErrBlocked, "Proxy Authentication Required"},
		{"proxy that denies", logstest.Fault{Status: 403, Code: "-", Body: "<html>"}, ErrBlocked, "Forbidden"},
		{"proxy that throttles", logstest.Fault{Status: 429, Code: "-", Body: "slow down"}, ErrThrottled, "Too Many Requests"},
		{"proxy", logstest.BadGateway, nil, "Bad Gateway"},
		{"unavailable", logstest.Unavailable, nil, "ServiceUnavailableException"},
		{"signature", logstest.Fault{Status: 403, Code: "InvalidSignatureException", Message: "The signature does not match.\n\nThe Canonical String was\nx-amz-security-token:SECRETTOKEN"}, ErrBlocked, "The signature does not match."},
		{"long", logstest.Fault{Code: "X", Message: strings.Repeat("é", 5000)}, nil, "é…"},
		{"cut", logstest.CutBefore, nil, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, url := endpoint(t, logstest.Options{})
			c := cloudWatch(t, url, func(o *CloudWatchOptions) { o.KMSKeyID = key })
			if _, err := put(t, c, batch("x")); err != nil {
				t.Fatal(err)
			}
			s.Always(tt.fault)
			_, err := put(t, c, batch("x"))
			if err == nil {
				t.Fatal("no error")
			}
			for _, mark := range []error{ErrThrottled, ErrBlocked, ErrInvalid, ErrTooLarge} {
				if got := errors.Is(err, mark); got != (mark == tt.mark) {
					t.Errorf("is %q: %v, in %v", mark, got, err)
				}
			}
			text := err.Error()
			if !strings.Contains(text, tt.words) || strings.Contains(text, "\n") || len(text) > 800 {
				t.Errorf("error %q, want one line with %q", text, tt.words)
			}
			for _, secret := range []string{testSecret, "SECRETTOKEN", "Signature="} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is in %q", secret, text)
				}
			}
		})
	}
}

// TestMakeRefused: what is missing and must not be made blocks, saying which
// call was refused.
func TestMakeRefused(t *testing.T) {
	awsEnvironment(t)
	const key = "arn:aws:kms:us-east-1:111122223333:key/abc"
	tests := []struct {
		name   string
		fault  logstest.Fault
		change func(*CloudWatchOptions)
		words  string
	}{
		{"group", logstest.Denied("CreateLogGroup", "no permissions boundary allows"), nil, "CreateLogGroup: AccessDeniedException"},
		{"stream", logstest.Denied("CreateLogStream", "no identity-based policy allows"), nil, "CreateLogStream: AccessDeniedException"},
		{"group not wanted", logstest.Fault{}, func(o *CloudWatchOptions) { o.CreateGroup = false }, "The specified log group does not exist."},
		{
			"key",
			logstest.Fault{Op: "CreateLogGroup", Code: "InvalidParameterException", Message: "The specified KMS key does not exist or is disabled"},
			func(o *CloudWatchOptions) { o.KMSKeyID = key }, key,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, url := endpoint(t, logstest.Options{})
			s.Always(tt.fault)
			_, err := put(t, cloudWatch(t, url, tt.change), batch("x"))
			if !errors.Is(err, ErrBlocked) || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("error %v, want blocked with %q", err, tt.words)
			}
		})
	}
}

// TestUntagged: a group without tags is better than none.
func TestUntagged(t *testing.T) {
	awsEnvironment(t)
	s, url := endpoint(t, logstest.Options{})
	denied := logstest.Denied("TagResource", "no identity-based policy allows")
	denied.Op, denied.Contains = "CreateLogGroup", `"tags"`
	s.Always(denied)
	core, logs := observer.New(zapcore.WarnLevel)
	c := cloudWatch(t, url, func(o *CloudWatchOptions) { o.Tags = map[string]string{"a": "b"}; o.Log = zap.New(core) })
	if _, err := put(t, c, batch("x")); err != nil {
		t.Fatal(err)
	}
	if logs.Len() != 1 || !strings.Contains(fmt.Sprint(logs.All()[0].ContextMap()["error"]), "logs:TagResource") {
		t.Errorf("logged %v, want one warning about logs:TagResource", logs.All())
	}
}

// TestNewCredentials: credentials that expire are read again from where they
// were.
func TestNewCredentials(t *testing.T) {
	awsEnvironment(t)
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(key string) {
		t.Helper()
		text := fmt.Sprintf("[default]\naws_access_key_id=%s\naws_secret_access_key=%s\n", key, testSecret)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	write("AKIDOLD")
	s, url := endpoint(t, logstest.Options{})
	c := cloudWatch(t, url, nil)
	if _, err := put(t, c, batch("x")); !errors.Is(err, ErrBlocked) {
		t.Fatalf("error %v, want blocked", err)
	}
	write(testKey)
	c.loaded = time.Now().Add(-renewAfter)
	if _, err := put(t, c, batch("x")); err != nil {
		t.Fatal(err)
	}
	messages(t, s, "x")
}

func TestNoCredentials(t *testing.T) {
	awsEnvironment(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, url := endpoint(t, logstest.Options{})
	_, err := put(t, cloudWatch(t, url, nil), batch("x"))
	if !errors.Is(err, ErrBlocked) || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("error %v, want blocked for no credentials", err)
	}
}

// TestAssumeRole: the calls are made with the role's credentials, and the
// refusal of the role is told as such.
func TestAssumeRole(t *testing.T) {
	awsEnvironment(t)
	const role = "arn:aws:iam::111122223333:role/writer"
	denied := false
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("RoleArn") != role {
			t.Errorf("role %q, want %q (%v)", r.Form.Get("RoleArn"), role, err)
		}
		if denied {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: me is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>`)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>rolesecret</SecretAccessKey>`+
			`<SessionToken>ROLETOKEN</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	s, url := endpoint(t, logstest.Options{Keys: map[string]string{"ASIAROLE": "rolesecret"}})
	change := func(o *CloudWatchOptions) { o.RoleARN = role; o.Region = "eu-west-1" }
	if _, err := put(t, cloudWatch(t, url, change), batch("x")); err != nil {
		t.Fatal(err)
	}
	messages(t, s, "x")

	denied = true
	_, err := put(t, cloudWatch(t, url, change), batch("x"))
	if !errors.Is(err, ErrBlocked) || !strings.Contains(err.Error(), "AssumeRole: AccessDenied: User: me is not authorized") {
		t.Errorf("error %v, want blocked by AssumeRole", err)
	}
}

// TestClockIsWrong: the client learns the service's time from a refusal.
func TestClockIsWrong(t *testing.T) {
	awsEnvironment(t)
	for _, skew := range []time.Duration{-26 * time.Hour, -time.Hour, time.Hour, 26 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			s, url := endpoint(t, logstest.Options{Now: func() time.Time { return time.Now().Add(skew) }})
			k := newSink()
			o := k.options(cloudWatch(t, url, nil))
			o.Flush = 10 * time.Millisecond
			sh := New(o)
			add(t, sh, 0, 10)
			k.wait(t, 10)
			add(t, sh, 10, 20)
			k.wait(t, 20)
			finish(t, sh)
			complete(t, s, 20, false)
		})
	}
}

// TestGzipRefused: an endpoint that cannot take gzip gets plain bodies, which
// is found out once, however it says so.
func TestGzipRefused(t *testing.T) {
	awsEnvironment(t)
	for name, fault := range map[string]logstest.Fault{
		"unsupported":   {Status: 415, Code: "UnsupportedMediaType"},
		"serialization": {Code: "SerializationException", Message: "invalid character '\\x1f'"},
		"failure":       {Status: 500, Code: "InternalError"},
		"bad request":   {Status: 400, Code: "-", Body: "what?"},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := endpoint(t, logstest.Options{})
			fault.Gzip = true
			s.Always(fault)
			core, logs := observer.New(zapcore.InfoLevel)
			c := cloudWatch(t, url, func(o *CloudWatchOptions) { o.Log = zap.New(core) })
			var want []string
			for i := range 5 {
				want = append(want, line(i))
				if _, err := put(t, c, batch(line(i))); err != nil {
					t.Fatal(err)
				}
			}
			messages(t, s, want...)
			if n := s.Calls()["PutLogEvents"]; n > 8 {
				t.Errorf("%d calls for 5 batches", n)
			}
			if n := logs.FilterMessageSnippet("no gzip").Len(); n != 1 {
				t.Errorf("said %d times, want once", n)
			}
		})
	}
}

// TestEndlessAnswer: an answer takes no more memory than the largest real one.
func TestEndlessAnswer(t *testing.T) {
	awsEnvironment(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		chunk := []byte(strings.Repeat("x", 1<<20))
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		t.Error("64 MiB were read")
	}))
	defer srv.Close()
	if _, err := put(t, cloudWatch(t, srv.URL, nil), batch("x")); err == nil || len(err.Error()) > 1000 {
		t.Errorf("error %.100v", err)
	}
}

// TestWhere: how the endpoint and the region are found.
func TestWhere(t *testing.T) {
	s, url := logstest.New(logstest.Options{}), ""
	var err error
	if url, err = s.Start(""); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("[profile p]\nregion=ap-south-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		o    CloudWatchOptions
		err  error
		want string // the region, or the endpoint
	}{
		{"nothing known", nil, CloudWatchOptions{}, ErrNoRegion, ""},
		{"configured region", map[string]string{"AWS_REGION": "eu-west-1"}, CloudWatchOptions{Region: "eu-west-3"}, nil, "eu-west-3"},
		{"environment", map[string]string{"AWS_REGION": "eu-west-1"}, CloudWatchOptions{}, nil, "eu-west-1"},
		{"profile", map[string]string{"AWS_CONFIG_FILE": config, "AWS_PROFILE": "p"}, CloudWatchOptions{}, nil, "ap-south-1"},
		{"endpoint alone", nil, CloudWatchOptions{EndpointURL: url}, nil, url},
		{"endpoint of the environment", map[string]string{"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": url}, CloudWatchOptions{}, nil, url},
		{"FIPS", map[string]string{"AWS_REGION": "us-east-1"}, CloudWatchOptions{UseFIPS: true}, nil, "us-east-1"},
		{"FIPS and endpoint", nil, CloudWatchOptions{EndpointURL: url, UseFIPS: true}, ErrEndpointVariant, ""},
		{"dual-stack and endpoint", map[string]string{"AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": url}, CloudWatchOptions{UseDualstack: true}, ErrEndpointVariant, ""},
		{"FIPS by environment and endpoint", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, CloudWatchOptions{EndpointURL: url}, ErrEndpointVariant, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			awsEnvironment(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			tt.o.Log = zap.NewNop()
			c, err := NewCloudWatch(t.Context(), tt.o)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err != nil {
				return
			}
			o := c.client.Load().Options()
			if o.Region != tt.want && (o.BaseEndpoint == nil || *o.BaseEndpoint != tt.want) {
				t.Errorf("region %q, endpoint %v, want %q", o.Region, o.BaseEndpoint, tt.want)
			}
		})
	}
}

// TestCABundle: an endpoint with a certificate of one's own.
func TestCABundle(t *testing.T) {
	awsEnvironment(t)
	s := logstest.New(logstest.Options{})
	srv := httptest.NewTLSServer(s)
	defer srv.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, cloudWatch(t, srv.URL, nil), batch("x")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("error %v, want one about the certificate", err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	if _, err := put(t, cloudWatch(t, srv.URL, nil), batch("x")); err != nil {
		t.Fatal(err)
	}
	messages(t, s, "x")
}

// TestConnectionsAreKept: calls, also those that are refused, share connections.
func TestConnectionsAreKept(t *testing.T) {
	awsEnvironment(t)
	var opened, calls int
	for range 3 { // a busy machine may be late to give a connection back
		if opened, calls = connections(t); opened <= 5 {
			return
		}
	}
	t.Errorf("%d connections for %d calls, want about one", opened, calls)
}

// connections makes calls, every other one refused, and counts the connections
// that they took.
func connections(t *testing.T) (n, calls int) {
	t.Helper()
	s := logstest.New(logstest.Options{})
	srv := httptest.NewUnstartedServer(s)
	var opened atomic.Int32
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := cloudWatch(t, srv.URL, nil)
	for i := range 20 {
		if i%2 == 1 {
			s.Next(logstest.Throttle)
		}
		if _, err := put(t, c, batch("x")); err != nil && !errors.Is(err, ErrThrottled) {
			t.Fatal(err)
		}
	}
	return int(opened.Load()), s.Calls()["PutLogEvents"]
}

// TestProxy: calls go through the proxy that the environment names.
func TestProxy(t *testing.T) {
	awsEnvironment(t)
	c := cloudWatch(t, "http://127.0.0.1:1", nil)
	client, ok := c.client.Load().Options().HTTPClient.(bounded).HTTPClient.(interface{ GetTransport() *http.Transport })
	if !ok || client.GetTransport().Proxy == nil {
		t.Error("the transport knows no proxies")
	}
}

// TestUnreachable: names that do not resolve and closed ports are passing, and
// say what they are.
func TestUnreachable(t *testing.T) {
	awsEnvironment(t)
	for _, url := range []string{"http://127.0.0.1:1", "http://user:hunter2@no-such-host.invalid"} {
		_, err := put(t, cloudWatch(t, url, nil), batch("x"))
		if err == nil || errors.Is(err, ErrBlocked) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", url, err)
		}
	}
}

// TestRead brings back what was put, over several pages.
func TestRead(t *testing.T) {
	awsEnvironment(t)
	_, url := endpoint(t, logstest.Options{})
	c := cloudWatch(t, url, nil)
	const n = 25_000
	k := newSink()
	sh := New(k.options(c))
	add(t, sh, 0, n)
	finish(t, sh)
	i := 0
	err := c.Read(t.Context(), func(s Stored) error {
		i++
		return nil
	})
	if err != nil || i != n {
		t.Errorf("read %d (%v), want %d", i, err, n)
	}
	stop := errors.New("enough")
	if err := c.Read(context.Background(), func(Stored) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
}

// TestSelect brings back what is selected, through throttling, empty pages and
// an endpoint that ignores patterns.
func TestSelect(t *testing.T) {
	awsEnvironment(t)
	for _, ignore := range []bool{false, true} {
		s, url := endpoint(t, logstest.Options{ScanPerPage: 3, IgnorePatterns: ignore})
		now := time.Now().UnixMilli()
		for _, stream := range []string{"a1", "a2", "b"} {
			b := new(Batch)
			for i := range 10 {
				b.Add(Item{Millis: now + int64(i), Line: fmt.Appendf(nil, `{"stream":%q,"n":%d}`, stream, i)})
			}
			if _, err := put(t, cloudWatch(t, url, func(o *CloudWatchOptions) { o.Stream = stream }), b); err != nil {
				t.Fatal(err)
			}
		}
		c := cloudWatch(t, url, nil)
		s.Next(logstest.Throttle)
		tests := []struct {
			name     string
			sel      Selection
			want     int
			filtered bool
		}{
			{"all", Selection{}, 30, false},
			{"two streams", Selection{Streams: []string{"a1", "b"}}, 20, false},
			{"a prefix", Selection{Prefix: "a"}, 20, false},
			{"a time", Selection{From: now + 2, To: now + 4}, 9, false},
			{"a pattern", Selection{Pattern: `{ $.n = 7 }`}, 3, true},
			{"a pattern nothing has", Selection{Pattern: `nothing`}, 0, true},
		}
		for _, tt := range tests {
			n, last := 0, int64(0)
			err := c.Select(t.Context(), tt.sel, func(st Stored) error {
				if st.Millis < last || !strings.Contains(st.Message, st.Stream) || st.Ingestion == 0 {
					t.Errorf("%s: got %+v after %d", tt.name, st, last)
				}
				n, last = n+1, st.Millis
				return nil
			})
			want := tt.want
			if tt.filtered && ignore {
				want = 30
			}
			if err != nil || n != want {
				t.Errorf("%s: %d events (%v), want %d", tt.name, n, err, want)
			}
		}
	}
}
