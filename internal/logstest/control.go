package logstest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// controlPath is where a test in another process steers and asks the server.
// It is beside what the service has, needs no signature and cannot fail.
//
//	GET  /_logstest/state            {"accepted", "bytes", "violations", "calls"}
//	GET  /_logstest/events?group=&stream=&from=   JSON lines, in the order of arrival
//	POST /_logstest/next             a JSON array of Faults, one call each
//	POST /_logstest/always           a JSON array of Faults
//	POST /_logstest/chance?p=0.2     a JSON array of Faults
//	POST /_logstest/mend
const controlPath = "/_logstest/"

func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	what := strings.TrimPrefix(r.URL.Path, controlPath)
	query := r.URL.Query()
	if r.Method == http.MethodGet {
		switch what {
		case "state":
			s.writeState(w)
		case "events":
			from, _ := strconv.ParseUint(query.Get("from"), 10, 64) // absent: all
			s.writeEvents(w, query.Get("group"), query.Get("stream"), from)
		default:
			http.NotFound(w, r)
		}
		return
	}
	var faults []Fault
	if r.ContentLength != 0 {
		if err := json.NewDecoder(r.Body).Decode(&faults); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	switch what {
	case "next":
		s.Next(faults...)
	case "always":
		s.Always(faults...)
	case "chance":
		p, err := strconv.ParseFloat(query.Get("p"), 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.Chance(p, faults...)
	case "mend":
		s.Mend()
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) writeState(w http.ResponseWriter) {
	events, bytes := s.Accepted()
	json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
		"accepted": events, "bytes": bytes, "violations": s.Violations(), "calls": s.Calls(),
	})
}

func (s *Server) writeEvents(w http.ResponseWriter, group, stream string, from uint64) {
	events := s.Events(group, stream)
	i, _ := slices.BinarySearchFunc(events, from, func(e Event, from uint64) int { return int(int64(e.Arrival - from)) })
	enc := json.NewEncoder(w)
	for _, e := range events[i:] {
		if enc.Encode(e) != nil {
			return // the client is gone
		}
	}
}
