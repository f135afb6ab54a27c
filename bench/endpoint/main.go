// Endpoint is a strict CloudWatch Logs endpoint in a process of its own, for
// benchmarks: it keeps nothing of what it accepts but the figures.
//
// It prints its URL, then serves until it is killed. GET /bench answers with a
// Stats, POST /bench begins them anew; all else is what logstest serves.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
)

// Stats are figures about the events of one key.
type Stats struct {
	Complete   int     `json:"complete"`   // different events that lack no record
	Partial    int     `json:"partial"`    // events that do
	Duplicates int     `json:"duplicates"` // events that came again
	Unresolved int     `json:"unresolved"` // events without a true path
	Bytes      int     `json:"bytes"`      // of messages
	Wire       int     `json:"wire"`       // of request bodies, as sent
	P50        float64 `json:"p50"`        // seconds from event to acceptance
	P99        float64 `json:"p99"`

	Violations []string `json:"violations"` // of the service's limits, since the start
}

// A meter counts what the strict server accepts.
type meter struct {
	strict *logstest.Server
	key    []byte

	mu     sync.Mutex
	stats  Stats
	seen   map[string]bool // ids
	delays [maxDelay]int   // how many events took so many milliseconds
}

// maxDelay is the longest delay, in milliseconds, that is told from longer ones.
const maxDelay = 60_000

func main() {
	key := "bench"
	if len(os.Args) > 1 {
		key = os.Args[1]
	}
	m := &meter{key: []byte(`\"key\":\"` + key + `\"`), seen: map[string]bool{}}
	m.strict = logstest.New(logstest.Options{Discard: true})
	if err := m.serve(); err != nil {
		fmt.Fprintln(os.Stderr, "endpoint:", err)
		os.Exit(1)
	}
}

func (m *meter) serve() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bench", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(m.snapshot()) // the client may be gone
	})
	mux.HandleFunc("POST /bench", func(http.ResponseWriter, *http.Request) { m.reset() })
	mux.Handle("/", m)
	return http.Serve(l, mux)
}

// ServeHTTP has the strict server answer, and counts what it said yes to.
func (m *meter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var sent bytes.Buffer
	r.Body = io.NopCloser(io.TeeReader(r.Body, &sent))
	answer := &status{ResponseWriter: w, code: http.StatusOK}
	m.strict.ServeHTTP(answer, r)
	if answer.code == http.StatusOK && r.Header.Get("X-Amz-Target") == "Logs_20140328.PutLogEvents" {
		m.accept(sent.Bytes(), time.Now())
	}
}

// A status remembers the status of an answer.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (m *meter) accept(sent []byte, now time.Time) {
	body := sent
	if z, err := gzip.NewReader(bytes.NewReader(sent)); err == nil {
		body, _ = io.ReadAll(z) // the strict server has read it without an error
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Wire += len(sent)
	for _, msg := range bytes.Split(body, []byte(`"message":"`))[1:] {
		if bytes.Contains(msg, m.key) {
			m.count(msg, now)
		}
	}
}

// count reads the few fields that matter from msg, an event of ours as a JSON
// string and what follows that in the request. Decoding it would cost the
// machine more than the daemon's whole work.
func (m *meter) count(msg []byte, now time.Time) {
	id, millis := parseID(msg)
	switch {
	case m.seen[id]:
		m.stats.Duplicates++
		return
	case bytes.Contains(msg, []byte(`\"partial\":true`)):
		m.stats.Partial++
	default:
		m.stats.Complete++
	}
	if bytes.Contains(msg, []byte(`\"unresolved\"`)) {
		m.stats.Unresolved++
	}
	m.seen[id] = true
	m.stats.Bytes += length(msg)
	m.delays[min(max(now.UnixMilli()-millis, 0), maxDelay-1)]++
}

// parseID returns the id of an event and its time.
func parseID(msg []byte) (id string, millis int64) {
	const begin = `\"id\":\"`
	_, rest, _ := bytes.Cut(msg, []byte(begin))
	text, _, _ := bytes.Cut(rest, []byte(`\"`))
	secs, _, _ := bytes.Cut(text, []byte(":"))
	seconds, _ := strconv.ParseFloat(string(secs), 64) // the encoder's, so it parses
	return string(text), int64(math.Round(seconds * 1000))
}

// length is that of the JSON string at the begin of msg, unescaped.
func length(msg []byte) int {
	n := 0
	for i := 0; i < len(msg) && msg[i] != '"'; i++ {
		if msg[i] == '\\' {
			i++
		}
		n++
	}
	return n
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats = Stats{}
	m.delays = [maxDelay]int{}
	clear(m.seen)
}

func (m *meter) snapshot() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.P50, s.P99 = m.quantile(0.50), m.quantile(0.99)
	s.Violations = m.strict.Violations()
	return s
}

func (m *meter) quantile(q float64) float64 {
	total, below := 0, 0
	for _, n := range m.delays {
		total += n
	}
	for ms, n := range m.delays {
		if below += n; n > 0 && float64(below) >= q*float64(total) {
			return float64(ms) / 1000
		}
	}
	return 0
}
