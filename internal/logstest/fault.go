package logstest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// A Fault is what goes wrong with one call. Its zero value is nothing at all.
type Fault struct {
	// Which calls it is for: those of an operation (empty for all) whose body
	// contains a text (empty for all).
	Op       string `json:"op,omitempty"`
	Contains string `json:"contains,omitempty"`
	Gzip     bool   `json:"gzip,omitempty"` // only those that are compressed

	Delay time.Duration `json:"delay,omitempty"` // before anything else, nanoseconds
	Hang  bool          `json:"hang,omitempty"`  // no answer until the client gives up
	Cut   bool          `json:"cut,omitempty"`   // the connection breaks before anything is done

	// A refusal: nothing is done.
	Status  int    `json:"status,omitempty"` // 0 is 400 if there is a Code
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`

	// The call is carried out, but the answer does not get through whole.
	Lose     bool   `json:"lose,omitempty"`     // the connection breaks instead
	Truncate bool   `json:"truncate,omitempty"` // half of the answer, then the connection breaks
	Body     string `json:"body,omitempty"`     // this instead of the answer, with its status

	// Skew is how far ahead the answer's Date is.
	Skew time.Duration `json:"skew,omitempty"`
}

// What the service says when it refuses.
var (
	Throttle    = Fault{Code: "ThrottlingException", Message: "Rate exceeded"}
	Internal    = Fault{Status: 500, Code: "InternalFailure", Message: "internal error"}
	Unavailable = Fault{Status: 503, Code: "ServiceUnavailableException", Message: "The service cannot complete the request."}
	BadGateway  = Fault{Status: 502, Body: "<html><body>502 Bad Gateway</body></html>", Code: "-"}
	Expired     = Fault{Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}
	UnknownKey  = Fault{Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	Skewed      = Fault{Status: 403, Code: "RequestTimeTooSkewed", Message: "The difference between the request time and the current time is too large."}
	NoGzip      = Fault{Gzip: true, Status: http.StatusUnsupportedMediaType, Code: "UnsupportedMediaType"}

	// How an answer gets lost.
	CutBefore = Fault{Cut: true}
	CutAfter  = Fault{Lose: true}
	Truncated = Fault{Truncate: true}
	Garbage   = Fault{Body: `{"nextSequenceToken": [`}
	Hang      = Fault{Hang: true}
)

// Denied is a refusal by permissions, in AWS's words. why is how the sentence
// ends: "no identity-based policy allows", "no permissions boundary allows".
func Denied(op, why string) Fault {
	action := "logs:" + op
	return Fault{
		Op: op, Code: "AccessDeniedException",
		Message: "User: arn:aws:sts::111122223333:assumed-role/writer/i-0abc is not authorized to perform: " + action +
			" on resource: arn:aws:logs:us-east-1:111122223333:log-group:/auditshipper:log-stream:i-0abc because " + why + " the " + action + " action",
	}
}

// KeyDisabled is the refusal of a group whose KMS key cannot be used.
func KeyDisabled(arn string) Fault {
	return Fault{
		Code: "InvalidParameterException", Op: "PutLogEvents",
		Message: "The specified KMS key " + arn + " is not usable: KMSInvalidStateException: key is disabled (KMSKeyDisabled).",
	}
}

// Poison is the refusal of every batch that holds an event with text in it.
func Poison(text string) Fault {
	return Fault{Op: "PutLogEvents", Contains: text, Code: "InvalidParameterException", Message: "Log event is not acceptable."}
}

// Passing are faults after which the same call may go well, by name.
func Passing() map[string]Fault {
	return map[string]Fault{
		"throttled":         Throttle,
		"internal failure":  Internal,
		"unavailable":       Unavailable,
		"bad gateway":       BadGateway,
		"cut before":        CutBefore,
		"cut after":         CutAfter,
		"truncated answer":  Truncated,
		"garbage answer":    Garbage,
		"expired token":     Expired,
		"unknown key":       UnknownKey,
		"skewed time":       Skewed,
		"access denied":     Denied("PutLogEvents", "no identity-based policy allows"),
		"boundary":          Denied("PutLogEvents", "no permissions boundary allows"),
		"key disabled":      KeyDisabled("arn:aws:kms:us-east-1:111122223333:key/abc"),
		"hang":              Hang,
		"slow":              {Delay: 300 * time.Millisecond},
		"gzip refused":      NoGzip,
		"too large":         {Op: "PutLogEvents", Status: 413, Code: "RequestEntityTooLarge"},
		"resource is gone":  {Op: "PutLogEvents", Code: "ResourceNotFoundException", Message: "The specified log stream does not exist."},
		"no stream yet":     {Op: "CreateLogStream", Code: "ThrottlingException", Message: "Rate exceeded"},
		"unknown new error": {Status: 400, Code: "NeverHeardOfException", Message: "?"},
	}
}

// faults are what is to go wrong.
type faults struct {
	next   []Fault // one call each, in turn
	always []Fault
	chance float64
	among  []Fault
	random *rand.Rand
}

// Next makes the faults happen to the next calls that they are for, one each.
func (s *Server) Next(f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.next = append(s.faults.next, f...)
}

// Always makes f happen to every call that it is for, until Mend.
func (s *Server) Always(f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.always = append(s.faults.always, f...)
}

// Chance makes one of the faults happen to each call with probability p, until
// Mend. It depends on Options.Seed and the order of calls only.
func (s *Server) Chance(p float64, f ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.chance, s.faults.among = p, f
}

// Mend ends all faults.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults{random: s.faults.random}
}

// faultFor chooses what goes wrong with a call.
func (s *Server) faultFor(op string, body []byte, gzip bool) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	fs := &s.faults
	for i, f := range fs.next {
		if f.is(op, body, gzip) {
			fs.next = slices.Delete(fs.next, i, i+1)
			return f
		}
	}
	for _, f := range fs.always {
		if f.is(op, body, gzip) {
			return f
		}
	}
	if len(fs.among) > 0 && fs.random.Float64() < fs.chance {
		if f := fs.among[fs.random.IntN(len(fs.among))]; f.is(op, body, gzip) {
			return f
		}
	}
	return Fault{}
}

func (f *Fault) is(op string, body []byte, gzip bool) bool {
	return (gzip || !f.Gzip) && (f.Op == "" || f.Op == op) && bytes.Contains(body, []byte(f.Contains))
}

// before does what happens before the call is looked at, and reports whether
// that was all.
func (f *Fault) before(s *Server, w http.ResponseWriter, r *http.Request) (done bool) {
	if f.Delay > 0 && !s.wait(r, time.After(f.Delay)) {
		return true
	}
	if f.Hang {
		s.wait(r, nil)
		hangUp(w)
		return true
	}
	if f.Cut {
		hangUp(w)
		return true
	}
	return false
}

// wait returns false if the client or the server gave up first.
func (s *Server) wait(r *http.Request, c <-chan time.Time) bool {
	select {
	case <-c:
		return true
	case <-r.Context().Done():
	case <-s.stop:
	}
	return false
}

func (f *Fault) refuses() bool { return f.Code != "" }

func (f *Fault) refusal() error {
	return &apiError{status: f.Status, code: f.Code, message: f.Message}
}

// spoil answers wrongly if the fault says so, and reports whether it did.
func (f *Fault) spoil(w http.ResponseWriter, status int, body []byte) bool {
	switch {
	case f.Lose:
		hangUp(w)
	case f.Truncate:
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(status)
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		hangUp(w)
	case f.Body != "":
		w.Header().Del("X-Amz-Crc32")
		w.WriteHeader(status)
		w.Write([]byte(f.Body))
	default:
		return false
	}
	return true
}

// hangUp breaks the connection without an answer.
func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }
