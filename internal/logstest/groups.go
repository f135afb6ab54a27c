package logstest

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A group is a log group.
type group struct {
	name      string
	created   int64
	class     string
	key       string // KMS key, if any
	retention int    // days, 0 for ever
	tags      map[string]string
	index     string // the index policy
	filters   []metricFilter
	streams   map[string]*stream

	all     []found // of all streams, in order; see whole
	arrived uint64  // how many events and streams there were when all was made
}

// A stream is a log stream. Its events are in the order of arrival, and sorted
// when somebody reads.
type stream struct {
	name    string
	created int64
	events  []Event
	sorted  bool
	count   uint64 // also of those not kept
	bytes   uint64
}

// An Event is one log event as the service holds it.
type Event struct {
	Millis   int64  `json:"timestamp"`
	Message  string `json:"message"`
	Ingested int64  `json:"ingestionTime"`
	Arrival  uint64 `json:"arrival"` // rises by one with every event accepted by the server
	Call     uint64 `json:"call"`    // which call brought it
}

// Bounds of names, from the API reference.
var (
	groupName  = regexp.MustCompile(`^[\.\-_/#A-Za-z0-9]+$`)
	streamName = regexp.MustCompile(`^[^:*]+$`)
)

// isName counts the length beside the expression: one that counts to 512 takes
// 700 KiB and a millisecond to make, at every start of the program.
func isName(form *regexp.Regexp, name string) bool {
	return utf8.RuneCountInString(name) <= 512 && form.MatchString(name)
}

func checkGroup(name string) error {
	if !isName(groupName, name) || strings.HasPrefix(name, "aws/") {
		return invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint", name)
	}
	return nil
}

func checkStream(name string) error {
	if !isName(streamName, name) {
		return invalid("1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint", name)
	}
	return nil
}

// group finds a group; s.mu must be held.
func (s *Server) group(name string) (*group, error) {
	if err := checkGroup(name); err != nil {
		return nil, err
	}
	if g := s.groups[name]; g != nil {
		return g, nil
	}
	return nil, notFound("log group")
}

// stream finds a stream; s.mu must be held.
func (s *Server) stream(groupName, name string) (*group, *stream, error) {
	g, err := s.group(groupName)
	if err != nil {
		return nil, nil, err
	}
	if err := checkStream(name); err != nil {
		return nil, nil, err
	}
	if st := g.streams[name]; st != nil {
		return g, st, nil
	}
	return nil, nil, notFound("log stream")
}

// Classes of groups.
var classes = []string{"", "STANDARD", "INFREQUENT_ACCESS", "DELIVERY"}

func (s *Server) createLogGroup(body []byte) (any, error) {
	var in struct {
		LogGroupName, LogGroupClass, KmsKeyId string
		Tags                                  map[string]string
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if err := checkGroup(in.LogGroupName); err != nil {
		return nil, err
	}
	if !slices.Contains(classes, in.LogGroupClass) {
		return nil, invalid("log group class %q", in.LogGroupClass)
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[in.LogGroupName] != nil {
		return nil, exists("log group")
	}
	s.groups[in.LogGroupName] = &group{
		name: in.LogGroupName, created: s.millis(), class: cmp.Or(in.LogGroupClass, "STANDARD"), key: in.KmsKeyId,
		tags: maps.Clone(in.Tags), streams: map[string]*stream{},
	}
	return nil, nil
}

func (s *Server) createLogStream(body []byte) (any, error) {
	var in struct{ LogGroupName, LogStreamName string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if err := checkStream(in.LogStreamName); err != nil {
		return nil, err
	}
	if g.streams[in.LogStreamName] != nil {
		return nil, exists("log stream")
	}
	g.streams[in.LogStreamName] = &stream{name: in.LogStreamName, created: s.millis()}
	return nil, nil
}

func (s *Server) deleteLogGroup(body []byte) (any, error) {
	var in struct{ LogGroupName string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.group(in.LogGroupName); err != nil {
		return nil, err
	}
	delete(s.groups, in.LogGroupName)
	return nil, nil
}

func (s *Server) deleteLogStream(body []byte) (any, error) {
	var in struct{ LogGroupName, LogStreamName string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, _, err := s.stream(in.LogGroupName, in.LogStreamName)
	if err != nil {
		return nil, err
	}
	delete(g.streams, in.LogStreamName)
	return nil, nil
}

// describePage is how many groups or streams a page of Describe… holds at most.
const describePage = 50

func (s *Server) describeLogGroups(body []byte) (any, error) {
	var in struct {
		LogGroupNamePrefix, LogGroupNamePattern, NextToken string
		Limit                                              int
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Sorted(maps.Keys(s.groups))
	names = slices.DeleteFunc(names, func(n string) bool {
		return !strings.HasPrefix(n, in.LogGroupNamePrefix) || !strings.Contains(n, in.LogGroupNamePattern)
	})
	names, next, err := page(names, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := describedGroups{Groups: []describedGroup{}, NextToken: next}
	for _, n := range names {
		out.Groups = append(out.Groups, s.groups[n].describe())
	}
	return out, nil
}

type describedGroups struct {
	Groups    []describedGroup `json:"logGroups"`
	NextToken string           `json:"nextToken,omitempty"`
}

type describedGroup struct {
	Name      string `json:"logGroupName"`
	ARN       string `json:"arn"`
	PlainARN  string `json:"logGroupArn"`
	Created   int64  `json:"creationTime"`
	Class     string `json:"logGroupClass"`
	Key       string `json:"kmsKeyId,omitempty"`
	Retention int    `json:"retentionInDays,omitempty"`
	Filters   int    `json:"metricFilterCount"`
	Bytes     uint64 `json:"storedBytes"`
}

const arnPrefix = "arn:aws:logs:us-east-1:111122223333:log-group:"

func (g *group) describe() describedGroup {
	d := describedGroup{
		Name: g.name, ARN: arnPrefix + g.name + ":*", PlainARN: arnPrefix + g.name,
		Created: g.created, Class: g.class, Key: g.key, Retention: g.retention, Filters: len(g.filters),
	}
	for _, st := range g.streams {
		d.Bytes += st.bytes
	}
	return d
}

func (s *Server) describeLogStreams(body []byte) (any, error) {
	var in struct {
		LogGroupName, LogGroupIdentifier, LogStreamNamePrefix, OrderBy, NextToken string
		Descending                                                                bool
		Limit                                                                     int
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.OrderBy == "LastEventTime" && in.LogStreamNamePrefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(identified(in.LogGroupName, in.LogGroupIdentifier))
	if err != nil {
		return nil, err
	}
	names := slices.SortedFunc(maps.Keys(g.streams), func(a, b string) int {
		order := 0
		if in.OrderBy == "LastEventTime" {
			order = cmp.Compare(g.streams[a].last(), g.streams[b].last())
		}
		order = cmp.Or(order, strings.Compare(a, b))
		if in.Descending {
			return -order
		}
		return order
	})
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, in.LogStreamNamePrefix) })
	names, next, err := page(names, in.NextToken, in.Limit)
	if err != nil {
		return nil, err
	}
	out := describedStreams{Streams: []describedStream{}, NextToken: next}
	for _, n := range names {
		out.Streams = append(out.Streams, g.streams[n].describe(g))
	}
	return out, nil
}

type describedStreams struct {
	Streams   []describedStream `json:"logStreams"`
	NextToken string            `json:"nextToken,omitempty"`
}

type describedStream struct {
	Name      string `json:"logStreamName"`
	ARN       string `json:"arn"`
	Created   int64  `json:"creationTime"`
	First     *int64 `json:"firstEventTimestamp,omitempty"`
	Last      *int64 `json:"lastEventTimestamp,omitempty"`
	Ingestion *int64 `json:"lastIngestionTime,omitempty"`
}

func (st *stream) describe(g *group) describedStream {
	d := describedStream{Name: st.name, ARN: arnPrefix + g.name + ":log-stream:" + st.name, Created: st.created}
	if n := len(st.events); n > 0 {
		st.sort()
		d.First, d.Last = &st.events[0].Millis, &st.events[n-1].Millis
		ingested := slices.MaxFunc(st.events, func(a, b Event) int { return cmp.Compare(a.Ingested, b.Ingested) })
		d.Ingestion = &ingested.Ingested
	}
	return d
}

func (st *stream) last() int64 {
	if len(st.events) == 0 {
		return 0
	}
	st.sort()
	return st.events[len(st.events)-1].Millis
}

// sort puts events in the order in which the service returns them.
func (st *stream) sort() {
	if st.sorted {
		return
	}
	slices.SortFunc(st.events, compareEvents)
	st.sorted = true
}

func compareEvents(a, b Event) int {
	return cmp.Or(cmp.Compare(a.Millis, b.Millis), cmp.Compare(a.Arrival, b.Arrival))
}

// page cuts sorted names to what follows after, at most limit of them, and
// returns the token for more.
func page(names []string, after string, limit int) (cut []string, next string, err error) {
	if limit < 0 || limit > describePage {
		return nil, "", invalid("limit %d is not between 1 and %d", limit, describePage)
	}
	if limit == 0 {
		limit = describePage
	}
	if after != "" {
		i := slices.Index(names, after)
		if i < 0 {
			return nil, "", invalid("The specified nextToken is invalid.")
		}
		names = names[i+1:]
	}
	if len(names) <= limit {
		return names, "", nil
	}
	return names[:limit], names[limit-1], nil
}

// identified is the group's name, which may be given as an ARN.
func identified(name, identifier string) string {
	if name != "" {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(identifier, arnPrefix), ":*")
}

func (s *Server) millis() int64 { return s.opt.Now().UnixMilli() }

// Events returns what a stream holds, in the order of arrival.
func (s *Server) Events(group, stream string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[group]
	if g == nil || g.streams[stream] == nil {
		return nil
	}
	events := slices.Clone(g.streams[stream].events)
	slices.SortFunc(events, func(a, b Event) int { return cmp.Compare(a.Arrival, b.Arrival) })
	return events
}

// Accepted returns how many events were ever accepted, and their bytes.
func (s *Server) Accepted() (events, bytes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrived, s.bytes
}

const day = 24 * time.Hour
