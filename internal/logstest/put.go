package logstest

import (
	"time"
	"unicode/utf8"
)

// Limits of PutLogEvents, from its API reference.
const (
	MaxBatchBytes  = 1_048_576
	EventOverhead  = 26 // counted for each event, besides its bytes of UTF-8
	MaxBatchEvents = 10_000
	MaxBatchSpan   = 24 * time.Hour // of the valid events
	MaxAge         = 14 * day
	MaxAhead       = 2 * time.Hour
)

// inputEvent is an event of a request; pointers tell what is absent.
type inputEvent struct {
	Timestamp *int64  `json:"timestamp"`
	Message   *string `json:"message"`
}

// rejectedInfo says which of a batch the service did not take. The ends are
// exclusive, the start is inclusive.
type rejectedInfo struct {
	TooNewStart *int `json:"tooNewLogEventStartIndex,omitempty"`
	TooOldEnd   *int `json:"tooOldLogEventEndIndex,omitempty"`
	ExpiredEnd  *int `json:"expiredLogEventEndIndex,omitempty"`
}

type putAnswer struct {
	NextSequenceToken string        `json:"nextSequenceToken"`
	Rejected          *rejectedInfo `json:"rejectedLogEventsInfo,omitempty"`
}

func (s *Server) putLogEvents(body []byte) (any, error) {
	if !utf8.Valid(body) {
		return nil, &apiError{code: "SerializationException", message: "the body is not UTF-8", violation: true}
	}
	var in struct {
		LogGroupName, LogStreamName string
		LogEvents                   []inputEvent
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, st, err := s.stream(in.LogGroupName, in.LogStreamName)
	if err != nil {
		return nil, err
	}
	from, to, info := s.valid(g, in.LogEvents)
	if from < to && time.Duration(*in.LogEvents[to-1].Timestamp-*in.LogEvents[from].Timestamp)*time.Millisecond > MaxBatchSpan {
		return nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	s.keep(st, in.LogEvents[from:to])
	s.offer(g.name, st.name, in.LogEvents[from:to])
	if s.opt.WrongIndexes && info != nil {
		info.spoil(len(in.LogEvents))
	}
	return putAnswer{NextSequenceToken: "49590302", Rejected: info}, nil
}

// checkBatch checks what does not depend on the clock or the group.
func checkBatch(events []inputEvent) error {
	if len(events) == 0 || len(events) > MaxBatchEvents {
		return invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and %d, not %d", MaxBatchEvents, len(events))
	}
	size, last := 0, int64(0)
	for i, e := range events {
		switch {
		case e.Message == nil || *e.Message == "":
			return invalid("1 validation error detected: Value at 'logEvents.%d.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1", i+1)
		case e.Timestamp == nil || *e.Timestamp < 0:
			return invalid("1 validation error detected: Value at 'logEvents.%d.member.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0", i+1)
		case *e.Timestamp < last:
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		case len(*e.Message)+EventOverhead > MaxBatchBytes:
			return invalid("Log event too large: %d bytes exceeds limit of %d", len(*e.Message)+EventOverhead, MaxBatchBytes)
		}
		last = *e.Timestamp
		size += len(*e.Message) + EventOverhead
	}
	if size > MaxBatchBytes {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, MaxBatchBytes)
	}
	return nil
}

// valid returns the part of a batch, which is in order, that the service takes
// now, and says what becomes of the rest.
func (s *Server) valid(g *group, events []inputEvent) (from, to int, info *rejectedInfo) {
	now := s.opt.Now()
	before := func(t time.Time) int {
		n := 0
		for n < len(events) && *events[n].Timestamp < t.UnixMilli() {
			n++
		}
		return n
	}
	old, expired := before(now.Add(-MaxAge)), 0
	if g.retention > 0 {
		expired = before(now.Add(-time.Duration(g.retention) * day))
	}
	from, to = max(old, expired), len(events)
	for to > from && *events[to-1].Timestamp > now.Add(MaxAhead).UnixMilli() {
		to--
	}
	if from == 0 && to == len(events) {
		return from, to, nil
	}
	info = &rejectedInfo{}
	if old > 0 {
		info.TooOldEnd = &old
	}
	if expired > 0 {
		info.ExpiredEnd = &expired
	}
	if to < len(events) {
		start := to
		info.TooNewStart = &start
	}
	return from, to, info
}

func (r *rejectedInfo) spoil(events int) {
	if r.TooOldEnd != nil {
		*r.TooOldEnd--
	}
	if r.TooNewStart != nil {
		*r.TooNewStart = events - 1
	}
}

// keep stores accepted events.
func (s *Server) keep(st *stream, events []inputEvent) {
	now := s.millis()
	for _, e := range events {
		s.arrived++
		s.bytes += uint64(len(*e.Message))
		st.count++
		st.bytes += uint64(len(*e.Message) + EventOverhead)
		if !s.opt.Discard {
			st.events = append(st.events, Event{*e.Timestamp, *e.Message, now, s.arrived, s.requests})
			st.sorted = false
		}
	}
}
