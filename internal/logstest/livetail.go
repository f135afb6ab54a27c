package logstest

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"
	"time"
)

// What StartLiveTail allows, from its API reference.
const (
	maxLiveGroups = 10
	maxLiveEvents = 500 // of an update, which comes each second
)

// A liveSession is a live tail that was started.
type liveSession struct {
	groups, streams []string
	pattern         string
	match           func(string) bool
	events          []liveEvent // since the last update
	sampled         bool
	news            chan struct{}
}

type liveEvent struct {
	Group     string `json:"logGroupIdentifier"`
	Stream    string `json:"logStreamName"`
	Message   string `json:"message"`
	Timestamp int64  `json:"timestamp"`
	Ingestion int64  `json:"ingestionTime"`
}

func (s *Server) startLiveTail(body []byte) (any, error) {
	var in struct {
		LogGroupIdentifiers, LogStreamNames, LogStreamNamePrefixes []string
		LogEventFilterPattern                                      string
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if n := len(in.LogGroupIdentifiers); n == 0 || n > maxLiveGroups || n > 1 && len(in.LogStreamNames)+len(in.LogStreamNamePrefixes) > 0 {
		return nil, invalid("1 to %d logGroupIdentifiers, and streams of one alone", maxLiveGroups)
	}
	match, err := parsePattern(in.LogEventFilterPattern)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &liveSession{streams: in.LogStreamNames, pattern: in.LogEventFilterPattern, match: match, news: make(chan struct{}, 1)}
	for _, arn := range in.LogGroupIdentifiers {
		if !strings.HasPrefix(arn, "arn:") || strings.HasSuffix(arn, "*") {
			return nil, invalid("logGroupIdentifier %q: an ARN that does not end with * is wanted", arn)
		}
		g, err := s.group(identified("", arn))
		if err != nil {
			return nil, err
		}
		if err := g.mayRead(); err != nil {
			return nil, err
		}
		l.groups = append(l.groups, g.name)
	}
	s.live = append(s.live, l)
	return l, nil
}

// offer gives the live tails what arrived; s.mu must be held.
func (s *Server) offer(group, stream string, events []inputEvent) {
	for _, l := range s.live {
		if !slices.Contains(l.groups, group) || len(l.streams) > 0 && !slices.Contains(l.streams, stream) {
			continue
		}
		for _, e := range events {
			if !l.match(*e.Message) {
				continue
			}
			if len(l.events) == maxLiveEvents {
				l.sampled = true
				break
			}
			l.events = append(l.events, liveEvent{arnPrefix + group, stream, *e.Message, *e.Timestamp, s.millis()})
		}
		select {
		case l.news <- struct{}{}:
		default: // it is told already
		}
	}
}

// serveLive sends what arrives, until the client or the server goes away.
func (s *Server) serveLive(ctx context.Context, w http.ResponseWriter, l *liveSession) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.live = slices.DeleteFunc(s.live, func(o *liveSession) bool { return o == l })
	}()
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	w.WriteHeader(http.StatusOK)
	send := func(kind string, body any) bool {
		text, err := json.Marshal(body)
		if err != nil {
			panic(err) // one of our own types
		}
		_, err = w.Write(frame(kind, text))
		return err == nil && http.NewResponseController(w).Flush() == nil
	}
	if !send("initial-response", struct{}{}) || !send("sessionStart", map[string]any{"sessionId": "1", "logGroupIdentifiers": l.groups, "logEventFilterPattern": l.pattern}) {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stop:
			return
		case <-l.news:
		case <-time.After(time.Second): // an update comes each second, with events or without
		}
		s.mu.Lock()
		events, sampled := append([]liveEvent{}, l.events...), l.sampled
		l.events, l.sampled = nil, false
		s.mu.Unlock()
		if !send("sessionUpdate", map[string]any{"sessionMetadata": map[string]bool{"sampled": sampled}, "sessionResults": events}) {
			return
		}
	}
}

// frame is a message of application/vnd.amazon.eventstream.
func frame(kind string, payload []byte) []byte {
	var headers []byte
	for _, h := range [][2]string{{":message-type", "event"}, {":event-type", kind}, {":content-type", "application/json"}} {
		const isString = 7
		headers = append(append(headers, byte(len(h[0]))), h[0]...)
		headers = binary.BigEndian.AppendUint16(append(headers, isString), uint16(len(h[1])))
		headers = append(headers, h[1]...)
	}
	const around = 16 // two lengths and two checksums
	b := binary.BigEndian.AppendUint32(nil, uint32(around+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// LiveTails returns how many live tails are open.
func (s *Server) LiveTails() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.live)
}
