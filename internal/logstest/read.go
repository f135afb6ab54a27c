package logstest

import (
	"fmt"
	"slices"
	"strings"
)

// What a page of GetLogEvents or FilterLogEvents holds at most.
const (
	maxPageEvents = 10_000
	maxPageBytes  = 1 << 20
)

// A place is where a reader is between the events of a stream, or of a group.
type place struct {
	millis  int64
	arrival uint64
}

func (p place) token(prefix string) string {
	return fmt.Sprintf("%s/%d/%d", prefix, p.millis, p.arrival)
}

func parseToken(token string) (prefix string, p place, err error) {
	prefix, rest, _ := strings.Cut(token, "/")
	if _, err := fmt.Sscanf(rest, "%d/%d", &p.millis, &p.arrival); err != nil {
		return "", p, invalid("The specified nextToken is invalid.")
	}
	return prefix, p, nil
}

func (e *Event) place() place { return place{e.Millis, e.Arrival} }

func (p place) before(q place) bool {
	return p.millis < q.millis || p.millis == q.millis && p.arrival < q.arrival
}

type outputEvent struct {
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
	Ingestion int64  `json:"ingestionTime"`
	ID        string `json:"eventId,omitempty"`
	Stream    string `json:"logStreamName,omitempty"`
}

type gotEvents struct {
	Events   []outputEvent `json:"events"`
	Forward  string        `json:"nextForwardToken"`
	Backward string        `json:"nextBackwardToken"`
}

func (s *Server) getLogEvents(body []byte) (any, error) {
	var in struct {
		LogGroupName, LogGroupIdentifier, LogStreamName, NextToken string
		StartTime, EndTime                                         *int64
		Limit                                                      *int
		StartFromHead                                              bool
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	limit, err := pageLimit(in.Limit)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, st, err := s.stream(identified(in.LogGroupName, in.LogGroupIdentifier), in.LogStreamName)
	if err != nil {
		return nil, err
	}
	if err := g.mayRead(); err != nil {
		return nil, err
	}
	st.sort()
	events := within(st.events, in.StartTime, in.EndTime, false)
	return turnPage(events, in.NextToken, in.StartFromHead, limit)
}

func pageLimit(n *int) (int, error) {
	switch {
	case n == nil:
		return maxPageEvents, nil
	case *n < 1 || *n > maxPageEvents:
		return 0, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint", *n)
	}
	return *n, nil
}

// within cuts sorted events to a time range. The end is inclusive for
// FilterLogEvents and exclusive for GetLogEvents.
func within(events []Event, start, end *int64, inclusive bool) []Event {
	if start != nil {
		i, _ := slices.BinarySearchFunc(events, place{*start, 0}, comparePlace)
		events = events[i:]
	}
	if end != nil {
		at := place{*end, 0}
		if inclusive {
			at.millis++
		}
		i, _ := slices.BinarySearchFunc(events, at, comparePlace)
		events = events[:i]
	}
	return events
}

func comparePlace(e Event, p place) int {
	switch {
	case e.place().before(p):
		return -1
	case p.before(e.place()):
		return 1
	}
	return 0
}

// turnPage returns the page of events at a token. Tokens name the last and the
// first event of the page, so that what arrives meanwhile does not move them.
func turnPage(events []Event, token string, fromHead bool, limit int) (any, error) {
	forward, from, to := fromHead, 0, len(events)
	here := place{}
	if token != "" {
		prefix, p, err := parseToken(token)
		if err != nil {
			return nil, err
		}
		here = p
		i, found := slices.BinarySearchFunc(events, p, comparePlace)
		if forward = prefix == "f"; forward {
			from = i
			if found {
				from++
			}
		} else {
			to = i
		}
	} else if !forward && len(events) > 0 {
		here = events[len(events)-1].place()
	}
	page := fill(events[from:to], forward, limit)
	out := gotEvents{Events: []outputEvent{}, Forward: here.token("f"), Backward: here.token("b")}
	for i := range page {
		out.Events = append(out.Events, page[i].output(""))
	}
	if n := len(page); n > 0 {
		out.Forward, out.Backward = page[n-1].place().token("f"), page[0].place().token("b")
	}
	return out, nil
}

func (e *Event) output(stream string) outputEvent {
	o := outputEvent{Timestamp: e.Millis, Message: e.Message, Ingestion: e.Ingested, Stream: stream}
	if stream != "" {
		o.ID = fmt.Sprintf("%056d", e.Arrival)
	}
	return o
}

// fill takes from the head or the tail of events what fits on a page.
func fill(events []Event, forward bool, limit int) []Event {
	size := 0
	for n := range events {
		e := &events[n]
		if !forward {
			e = &events[len(events)-1-n]
		}
		size += len(e.Message) + EventOverhead
		if n == limit || size > maxPageBytes {
			if forward {
				return events[:n]
			}
			return events[len(events)-n:]
		}
	}
	return events
}

type filtered struct {
	Events    []outputEvent `json:"events"`
	NextToken string        `json:"nextToken,omitempty"`
	Searched  []struct{}    `json:"searchedLogStreams"`
}

func (s *Server) filterLogEvents(body []byte) (any, error) {
	var in filterInput
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	limit, err := pageLimit(in.Limit)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != "" || len(in.LogStreamNames) > 100 {
		return nil, invalid("logStreamNames (at most 100) and logStreamNamePrefix exclude each other")
	}
	match, err := parsePattern(in.FilterPattern)
	if err != nil {
		return nil, err
	}
	if s.opt.IgnorePatterns {
		match = func(string) bool { return true }
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(identified(in.LogGroupName, in.LogGroupIdentifier))
	if err != nil {
		return nil, err
	}
	if err := g.mayRead(); err != nil {
		return nil, err
	}
	events, err := g.search(&in)
	if err != nil {
		return nil, err
	}
	return s.filterPage(events, in.NextToken, match, limit)
}

type filterInput struct {
	LogGroupName, LogGroupIdentifier, LogStreamNamePrefix, FilterPattern, NextToken string

	LogStreamNames     []string
	StartTime, EndTime *int64
	Limit              *int
}

// mayRead refuses what groups of the Infrequent Access class do not have.
func (g *group) mayRead() error {
	if g.class == "INFREQUENT_ACCESS" {
		return &apiError{code: "InvalidOperationException", message: "The operation is not supported for log groups of the INFREQUENT_ACCESS class."}
	}
	return nil
}

// A found is an event with its stream's name.
type found struct {
	Event
	stream, group string
}

// search returns all events of the streams and the time asked for, in order.
func (g *group) search(in *filterInput) ([]found, error) {
	for _, name := range in.LogStreamNames {
		if g.streams[name] == nil {
			return nil, notFound("log stream")
		}
	}
	if len(in.LogStreamNames) == 0 && in.LogStreamNamePrefix == "" {
		return g.whole(in.StartTime, in.EndTime), nil
	}
	var out []found
	for name, st := range g.streams {
		if len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, name) || !strings.HasPrefix(name, in.LogStreamNamePrefix) {
			continue
		}
		st.sort()
		for _, e := range within(st.events, in.StartTime, in.EndTime, true) {
			out = append(out, found{e, name, g.name})
		}
	}
	slices.SortFunc(out, func(a, b found) int { return compareEvents(a.Event, b.Event) })
	return out, nil
}

// whole returns the events of all streams in a time, in order. They are sorted
// once, until more arrive.
func (g *group) whole(start, end *int64) []found {
	arrived := uint64(len(g.streams))
	for _, st := range g.streams {
		arrived += st.count << 16
	}
	if g.arrived != arrived {
		g.arrived, g.all = arrived, nil
		for name, st := range g.streams {
			for _, e := range st.events {
				g.all = append(g.all, found{e, name, g.name})
			}
		}
		slices.SortFunc(g.all, func(a, b found) int { return compareEvents(a.Event, b.Event) })
	}
	events := g.all
	at := func(ms int64) int {
		i, _ := slices.BinarySearchFunc(events, place{ms, 0}, func(e found, p place) int { return comparePlace(e.Event, p) })
		return i
	}
	if end != nil {
		events = events[:at(*end+1)]
	}
	if start != nil {
		events = events[at(*start):]
	}
	return events
}

// filterPage looks at one page's worth of events after the token and returns
// those that match: perhaps none, although there are more.
func (s *Server) filterPage(events []found, token string, match func(string) bool, limit int) (any, error) {
	if token != "" {
		_, p, err := parseToken(token)
		if err != nil {
			return nil, err
		}
		i, found := slices.BinarySearchFunc(events, p, func(e found, p place) int { return comparePlace(e.Event, p) })
		if found {
			i++
		}
		events = events[i:]
	}
	out := filtered{Events: []outputEvent{}, Searched: []struct{}{}}
	size := 0
	for n := range events {
		e := &events[n]
		if n > 0 && (n == s.opt.ScanPerPage || len(out.Events) == limit || size+len(e.Message) > maxPageBytes) {
			out.NextToken = events[n-1].place().token("n")
			break
		}
		if match(e.Message) {
			size += len(e.Message)
			out.Events = append(out.Events, e.output(e.stream))
		}
	}
	return out, nil
}
