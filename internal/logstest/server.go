package logstest

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a Server. The zero value takes any credentials, as long as the
// request is signed at all.
type Options struct {
	Now  func() time.Time  // nil is time.Now
	Keys map[string]string // access key id to secret; if any, signatures are verified
	Seed uint64            // of the faults that come by chance

	// IgnorePatterns makes FilterLogEvents ignore its pattern, as LocalStack does.
	IgnorePatterns bool

	// WrongIndexes makes the indexes of rejected events wrong as LocalStack's are:
	// the last event that is too old, and the last that is too new.
	WrongIndexes bool

	// ScanPerPage is how many events FilterLogEvents looks at for one page; a
	// page without a match comes back empty, with a token. 0 is 10,000.
	ScanPerPage int

	// Of Logs Insights: how many bytes a query reads in a second (0: all at once),
	// after what time it is ended, and how many may run at once. 0 is what the
	// documentation says: 60 minutes and 100.
	ScanRate     float64
	QueryTimeout time.Duration
	MaxQueries   int

	// Discard counts events without keeping them.
	Discard bool
}

// A Server is the endpoint. It is an http.Handler; Start serves it.
type Server struct {
	opt Options

	mu         sync.Mutex
	groups     map[string]*group
	queries    []queryDefinition
	started    map[string]*query // of Logs Insights, by id
	live       []*liveSession
	arrived    uint64 // events ever accepted
	bytes      uint64 // of their messages
	requests   uint64
	calls      map[string]int
	violations []string
	faults     faults

	http *http.Server
	held sync.WaitGroup
	stop chan struct{} // closed by Close, lets hanging answers go
	once sync.Once
}

// New returns a Server without groups.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.ScanPerPage == 0 {
		o.ScanPerPage = 10_000
	}
	if o.QueryTimeout == 0 {
		o.QueryTimeout = time.Hour
	}
	if o.MaxQueries == 0 {
		o.MaxQueries = 100
	}
	return &Server{
		opt: o, groups: map[string]*group{}, started: map[string]*query{}, calls: map[string]int{}, stop: make(chan struct{}),
		faults: faults{random: rand.New(rand.NewPCG(o.Seed, 0))},
	}
}

// Start serves on addr, which may be empty for any free port of 127.0.0.1, and
// returns the endpoint's URL.
func (s *Server) Start(addr string) (url string, err error) {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("start endpoint: %w", err)
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.held.Go(func() { s.http.Serve(l) }) // returns when Close closes l
	return "http://" + l.Addr().String(), nil
}

// Close ends the serving, hanging answers included. What was kept stays readable.
func (s *Server) Close() error {
	s.once.Do(func() { close(s.stop) })
	if s.http == nil {
		return nil
	}
	err := s.http.Close()
	s.held.Wait()
	return err
}

// Violations returns what broke a documented limit so far. It keeps the first
// thousand.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// Calls returns how often each operation was asked for, refused ones included.
func (s *Server) Calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// mostViolations bounds the memory that a hopeless client takes.
const mostViolations = 1000

func (s *Server) violated(op, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.violations) < mostViolations {
		s.violations = append(s.violations, op+": "+text)
	}
}

// operations are what the endpoint can do. Each takes the request's body.
var operations = map[string]func(s *Server, body []byte) (any, error){
	"AssociateKmsKey":          (*Server).associateKmsKey,
	"CreateLogGroup":           (*Server).createLogGroup,
	"CreateLogStream":          (*Server).createLogStream,
	"DeleteLogGroup":           (*Server).deleteLogGroup,
	"DeleteLogStream":          (*Server).deleteLogStream,
	"DescribeIndexPolicies":    (*Server).describeIndexPolicies,
	"DescribeLogGroups":        (*Server).describeLogGroups,
	"DescribeLogStreams":       (*Server).describeLogStreams,
	"DescribeMetricFilters":    (*Server).describeMetricFilters,
	"DescribeQueryDefinitions": (*Server).describeQueryDefinitions,
	"FilterLogEvents":          (*Server).filterLogEvents,
	"GetLogEvents":             (*Server).getLogEvents,
	"GetQueryResults":          (*Server).getQueryResults,
	"ListTagsForResource":      (*Server).listTagsForResource,
	"PutIndexPolicy":           (*Server).putIndexPolicy,
	"PutLogEvents":             (*Server).putLogEvents,
	"PutMetricFilter":          (*Server).putMetricFilter,
	"PutQueryDefinition":       (*Server).putQueryDefinition,
	"PutRetentionPolicy":       (*Server).putRetentionPolicy,
	"StartLiveTail":            (*Server).startLiveTail,
	"StartQuery":               (*Server).startQuery,
	"StopQuery":                (*Server).stopQuery,
	"TagResource":              (*Server).tagResource,
}

const targetPrefix = "Logs_20140328."

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPath) {
		s.control(w, r)
		return
	}
	op, body, err := s.receive(r)
	f := s.faultFor(op, body, r.Header.Get("Content-Encoding") == "gzip")
	if f.before(s, w, r) {
		return
	}
	var out any
	switch {
	case f.refuses():
		err = f.refusal()
	case err == nil:
		out, err = operations[op](s, body)
	}
	if live, ok := out.(*liveSession); ok {
		s.serveLive(r.Context(), w, live)
		return
	}
	s.answer(&reply{w: w, op: op, fault: f}, out, err)
}

// Do carries out an operation as if a client had asked for it, with the
// request's JSON.
func (s *Server) Do(op, request string) error {
	_, err := operations[op](s, []byte(request))
	return err
}

// receive reads a request and checks everything about it that does not depend
// on the operation.
func (s *Server) receive(r *http.Request) (op string, body []byte, err error) {
	op, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	s.mu.Lock()
	s.requests++
	s.calls[op]++
	s.mu.Unlock()
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	switch {
	case err != nil:
		return op, nil, fmt.Errorf("read the request: %w", err)
	case len(raw) > maxRequest:
		return op, nil, &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge", violation: true}
	}
	if body, err = unpack(r, raw); err != nil {
		return op, nil, err
	}
	switch {
	case r.Method != http.MethodPost:
		return op, body, invalid("method %s", r.Method)
	case r.Header.Get("Content-Type") != contentType:
		return op, body, invalid("Content-Type %q", r.Header.Get("Content-Type"))
	case !known || operations[op] == nil:
		return op, body, &apiError{code: "UnknownOperationException", message: r.Header.Get("X-Amz-Target"), violation: true}
	}
	return op, body, s.verify(r, raw)
}

const contentType = "application/x-amz-json-1.1"

// maxRequest is what a request may have on the wire and unpacked. A batch of
// control characters, each escaped as six bytes, is the largest legal one.
const maxRequest = 8 << 20

// unpack undoes the Content-Encoding.
func unpack(r *http.Request, raw []byte) ([]byte, error) {
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "":
		return raw, nil
	case "gzip":
		z, err := gzip.NewReader(strings.NewReader(string(raw)))
		if err != nil {
			return nil, &apiError{code: "SerializationException", message: err.Error(), violation: true}
		}
		body, err := io.ReadAll(io.LimitReader(z, maxRequest+1))
		if err != nil || len(body) > maxRequest {
			return nil, &apiError{code: "SerializationException", message: fmt.Sprint("body of ", len(body), " bytes: ", err), violation: true}
		}
		return body, nil
	default:
		return nil, &apiError{status: http.StatusUnsupportedMediaType, code: "UnsupportedMediaType", message: enc, violation: true}
	}
}

// An apiError is an error as awsJson1_1 tells it.
type apiError struct {
	status    int // 0 is 400
	code      string
	message   string
	violation bool // it is the client's fault: a limit was broken
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func invalid(format string, args ...any) error {
	return &apiError{code: "InvalidParameterException", message: fmt.Sprintf(format, args...), violation: true}
}

func notFound(what string) error {
	return &apiError{code: "ResourceNotFoundException", message: "The specified " + what + " does not exist."}
}

func exists(what string) error {
	return &apiError{code: "ResourceAlreadyExistsException", message: "The specified " + what + " already exists"}
}

// A reply is what is needed to answer a call, and to spoil the answer.
type reply struct {
	w     http.ResponseWriter
	op    string
	fault Fault
}

// answer writes out, or err in the service's form.
func (s *Server) answer(r *reply, out any, err error) {
	status, body := http.StatusOK, []byte("{}")
	if err != nil {
		status, body = s.tell(r.op, err)
	} else if out != nil {
		body, err = json.Marshal(out)
		if err != nil {
			panic(err) // one of our own types
		}
	}
	h := r.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("X-Amzn-Requestid", s.requestID())
	h.Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE(body)))
	h.Set("Date", s.opt.Now().Add(r.fault.Skew).UTC().Format(http.TimeFormat))
	if r.fault.spoil(r.w, status, body) {
		return
	}
	r.w.WriteHeader(status)
	r.w.Write(body) // the client may be gone
}

func (s *Server) tell(op string, err error) (status int, body []byte) {
	var api *apiError
	if !errors.As(err, &api) {
		api = &apiError{status: http.StatusInternalServerError, code: "InternalFailure", message: err.Error()}
	}
	if api.violation {
		s.violated(op, api.Error())
	}
	status = api.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	body, err = json.Marshal(map[string]string{"__type": api.code, "message": api.message})
	if err != nil {
		panic(err) // strings
	}
	return status, body
}

func (s *Server) requestID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", s.requests)
}

// decode reads a request of an operation.
func decode(body []byte, in any) error {
	if err := json.Unmarshal(body, in); err != nil {
		return &apiError{code: "SerializationException", message: err.Error(), violation: true}
	}
	return nil
}
