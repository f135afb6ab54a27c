//go:build amd64

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"
)

// answers stands before the endpoint and remembers which calls brought events,
// and when each was answered in full: who was told that events are safe has no
// reason to send them again.
type answers struct {
	endpoint http.Handler

	mu    sync.Mutex
	calls []*putCall
}

// A putCall is one PutLogEvents.
type putCall struct {
	body     []byte // as it came, compressed
	came     time.Time
	answered time.Time // zero if it was refused, or the answer was lost
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") != "Logs_20140328.PutLogEvents" {
		a.endpoint.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client was killed
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := &putCall{body: body, came: time.Now()}
	a.mu.Lock()
	a.calls = append(a.calls, c)
	a.mu.Unlock()
	said := &coded{ResponseWriter: w, code: http.StatusOK}
	a.endpoint.ServeHTTP(said, r) // panics where it hangs up
	if said.code == http.StatusOK && r.Context().Err() == nil {
		a.mu.Lock()
		c.answered = time.Now()
		a.mu.Unlock()
	}
}

// A coded is a ResponseWriter that knows what was answered.
type coded struct {
	http.ResponseWriter
	code int
}

func (s *coded) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

func (s *coded) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// needless counts the events that came again after a kill although their
// acceptance had been answered more than grace before it.
func (a *answers) needless(t *testing.T, kills []time.Time, grace time.Duration) int {
	t.Helper()
	first := map[string]time.Time{} // by id, when its acceptance was answered
	needless := map[string]bool{}
	for _, c := range a.calls {
		for _, id := range c.ids(t) {
			at, told := first[id]
			for _, kill := range kills {
				if told && at.Add(grace).Before(kill) && kill.Before(c.came) {
					needless[id] = true
				}
			}
			if !told && !c.answered.IsZero() {
				first[id] = c.answered
			}
		}
	}
	return len(needless)
}

// ids are those of the events that the call brought.
func (c *putCall) ids(t *testing.T) []string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		LogEvents []struct{ Message string }
	}
	if err := json.NewDecoder(z).Decode(&in); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range in.LogEvents {
		var id struct{ ID string }
		if err := json.Unmarshal([]byte(e.Message), &id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id.ID)
	}
	return ids
}
