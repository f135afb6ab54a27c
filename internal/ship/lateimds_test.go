package ship

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// pipes is a network in memory: what is dialled reaches the server behind that
// host's name. Connections close with the test.
type pipes struct {
	servers map[string]*http.Server
	listens map[string]*pipeListener

	mu     sync.Mutex
	dialed map[string]int
}

func newPipes(hosts map[string]http.Handler) *pipes {
	p := &pipes{servers: map[string]*http.Server{}, listens: map[string]*pipeListener{}, dialed: map[string]int{}}
	for host, h := range hosts {
		l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: h}
		p.listens[host], p.servers[host] = l, server
		go func() { _ = server.Serve(l) }() // it ends with close
	}
	return p
}

func (p *pipes) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.dialed[host]++
	p.mu.Unlock()
	l := p.listens[host]
	if l == nil {
		return nil, fmt.Errorf("dial %s: connection refused", addr)
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) close() {
	for _, s := range p.servers {
		_ = s.Close() // a pipe's does not fail
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// A lateIMDS answers as how does until a time, and then as an instance's metadata.
type lateIMDS struct {
	until time.Time
	how   http.HandlerFunc
	real  fakeIMDS
}

func (l *lateIMDS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if time.Now().Before(l.until) {
		l.how(w, r)
		return
	}
	l.real.ServeHTTP(w, r)
}

// ways are those in which an instance's metadata do not answer yet.
var ways = []struct {
	name   string
	answer http.HandlerFunc
}{
	{"not found", http.NotFound},
	{"unavailable", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }},
	{"silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	{"empty", func(http.ResponseWriter, *http.Request) {}},
	{"of a proxy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>login</html>") }},
}

// TestIMDSLate delivers events while the instance's metadata come
// late or never, with and without a proxy in the environment. Nothing that the
// service does not have is acknowledged, everything arrives in the instance's
// stream afterwards, and the metadata are never asked through the proxy.
func TestIMDSLate(t *testing.T) {
	for i, late := range []time.Duration{0, time.Second, 30 * time.Second, 10 * time.Minute, never} {
		for j, way := range ways {
			proxied := (i+j)%2 == 0
			t.Run(fmt.Sprintf("%s for %v, proxy %t", way.name, late, proxied), func(t *testing.T) {
				awsEnvironment(t)
				t.Setenv("AWS_CA_BUNDLE", "")
				t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
				t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
				synctest.Test(t, func(t *testing.T) { runLate(t, late, way.answer, proxied) })
			})
		}
	}
}

const never = 100 * time.Hour

func runLate(t *testing.T, late time.Duration, way http.HandlerFunc, proxied bool) {
	service := logstest.New(logstest.Options{Keys: map[string]string{testKey: testSecret}})
	imds := &lateIMDS{until: time.Now().Add(late), how: way}
	network := newPipes(map[string]http.Handler{"169.254.169.254": imds, "logs.example": service, "proxy.example": service})
	defer network.close()
	dialContext = network.dial
	before := environmentProxy
	if proxied {
		environmentProxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://proxy.example:3128") }
	}
	defer func() { dialContext, environmentProxy = nil, before }()

	k := newSink()
	o := k.options(NewLazyCloudWatch(CloudWatchOptions{
		Group: "/g", Stream: "{instance_id}", Host: "h", EndpointURL: "http://logs.example", CreateGroup: true, Log: zap.NewNop(),
	}))
	o.Concurrency = 1 // virtual time stands still while one waits for another's lock
	sh := New(o)
	has := func() int { return len(service.Events("/g", "i-0abcdef12")) }
	n := 0
	for end := time.Now().Add(min(late, 15*time.Minute) + time.Minute); time.Now().Before(end); n++ {
		add(t, sh, n, n+1)
		time.Sleep(max(time.Second, min(late, time.Hour)/100))
		if acked := k.last(); acked > uint64(has()) {
			t.Errorf("%d events acknowledged, the service has %d", acked, has())
		}
	}
	if late == never {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := sh.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) || k.last() != 0 || len(service.Calls()) > 0 {
			t.Errorf("drained with %v, %d acknowledged, calls %v", err, k.last(), service.Calls())
		}
		return
	}
	finish(t, sh)
	if has() != n || k.last() != uint64(n) {
		t.Errorf("%d events in the stream, %d acknowledged, %d made", has(), k.last(), n)
	}
	if proxied && (network.dialed["logs.example"] > 0 || network.dialed["proxy.example"] == 0) {
		t.Errorf("dialled %v, want the service through the proxy only", network.dialed)
	}
	for _, v := range service.Violations() {
		t.Errorf("violation: %s", v)
	}
}
