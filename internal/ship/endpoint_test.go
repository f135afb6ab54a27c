package ship

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// Credentials of all tests; the endpoint verifies every signature.
const (
	testKey    = "AKIDEXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

// awsEnvironment makes the SDK see our credentials and nothing of this machine.
func awsEnvironment(t testing.TB) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": testKey, "AWS_SECRET_ACCESS_KEY": testSecret, "AWS_SESSION_TOKEN": "SECRETTOKEN",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

// endpoint starts a strict endpoint and fails the test if a limit was broken.
func endpoint(t testing.TB, o logstest.Options) (*logstest.Server, string) {
	t.Helper()
	if o.Keys == nil {
		o.Keys = map[string]string{testKey: testSecret}
	}
	s := logstest.New(o)
	url, err := s.Start("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		for _, v := range s.Violations() {
			t.Errorf("violation: %s", v)
		}
	})
	return s, url
}

// cloudWatch connects to url.
func cloudWatch(t testing.TB, url string, change func(*CloudWatchOptions)) *CloudWatch {
	t.Helper()
	o := CloudWatchOptions{Group: "/auditshipper", Stream: "host", EndpointURL: url, CreateGroup: true, Log: zap.NewNop()}
	if change != nil {
		change(&o)
	}
	c, err := NewCloudWatch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// batch makes a batch of lines, all of now, a millisecond apart.
func batch(lines ...string) *Batch {
	b := new(Batch)
	now := time.Now().UnixMilli()
	for i, line := range lines {
		b.Add(Item{Millis: now + int64(i), Line: []byte(line)})
	}
	return b
}

// put delivers b without a shipper.
func put(t testing.TB, p Putter, b *Batch) (Result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return p.Put(ctx, b, 0, b.Len())
}

// A sink records what a shipper says: marks, rejects and log lines.
type sink struct {
	mu       sync.Mutex
	marks    []uint64
	rejected []string
	logs     *observer.ObservedLogs
	log      *zap.Logger
	moved    chan struct{}
}

func newSink() *sink {
	core, logs := observer.New(zapcore.DebugLevel)
	return &sink{logs: logs, log: zap.New(core), moved: make(chan struct{}, 1)}
}

func (s *sink) ack(mark uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = append(s.marks, mark)
	select {
	case s.moved <- struct{}{}:
	default:
	}
}

func (s *sink) reject(it Item, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected = append(s.rejected, string(it.Line)+": "+reason)
}

func (s *sink) last() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.marks) == 0 {
		return 0
	}
	return s.marks[len(s.marks)-1]
}

// wait returns when the mark is acknowledged.
func (s *sink) wait(t testing.TB, mark uint64) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	for s.last() < mark {
		select {
		case <-s.moved:
		case <-deadline:
			t.Fatalf("acknowledged up to %d, want %d", s.last(), mark)
		}
	}
}

// ordered fails the test if marks were not acknowledged in order.
func (s *sink) ordered(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.marks); i++ {
		if s.marks[i] <= s.marks[i-1] {
			t.Errorf("acknowledged %d after %d", s.marks[i], s.marks[i-1])
		}
	}
}

// options are those of a shipper that reports to the sink.
func (s *sink) options(p Putter) Options {
	return Options{Put: p, Flush: time.Second, Concurrency: 2, Log: s.log, Ack: s.ack, Reject: s.reject}
}

func line(i int) string { return fmt.Sprintf(`{"v":1,"id":"1785139200.123:%d"}`, i) }
