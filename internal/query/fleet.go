package query

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// What a host of a fleet is, as far as its heartbeats tell.
const (
	HostOK        = "ok"
	HostLate      = "late"      // one heartbeat is missing
	HostSilent    = "silent"    // two or more are
	HostDeviating = "deviating" // alive, but not as it should be
	HostStopped   = "stopped"   // its daemon said that it stops, and has not started since
	HostMissing   = "missing"   // expected, and never heard of
)

// A Host is what the last heartbeat of a daemon said, and what came after it.
type Host struct {
	Stream  string    `json:"stream"`
	Name    string    `json:"host,omitempty"`
	State   string    `json:"state"`
	Why     string    `json:"why,omitempty"` // of a state that is not ok
	Last    time.Time `json:"last,omitzero"` // sign of life
	Version string    `json:"version,omitempty"`
	Config  string    `json:"config,omitempty"` // hash

	Rules       int       `json:"rules"` // in effect
	Wanted      int       `json:"rules_wanted"`
	Watched     string    `json:"watched,omitempty"`
	Undelivered int       `json:"undelivered_bytes"`
	Oldest      time.Time `json:"oldest,omitzero"` // of what is not delivered
	Lost        int       `json:"lost"`
	Gaps        int       `json:"gaps"` // not the planned ones

	every time.Duration // between heartbeats
	begun time.Time     // the daemon's last start
	beat  time.Time     // the last heartbeat's
	ended bool
}

// A Fleet learns of hosts from their heartbeats, starts, stops and gaps alone.
type Fleet struct {
	Every  time.Duration // between heartbeats that do not say it themselves
	Config string        // hash of the configuration that all should have; empty: most hosts' one

	hosts map[string]*Host
}

// Take takes an event, in any order.
func (f *Fleet) Take(e *Event) {
	op, action := e.Facts.Fields["op"], e.Facts.Action
	if action != "daemon" && action != "gap" {
		return
	}
	if f.hosts == nil {
		f.hosts = map[string]*Host{}
	}
	h := f.hosts[e.source()]
	if h == nil {
		h = &Host{Stream: e.Stream, Name: e.Node, every: f.Every}
		f.hosts[e.source()] = h
	}
	at := e.ID.Time()
	if action == "gap" {
		if e.Facts.Fields["planned"] != "true" {
			h.Gaps++
		}
		return
	}
	if !at.Before(h.Last) {
		h.Last, h.ended = at, op == "stop"
		h.Version = cmp.Or(e.Facts.Fields["version"], h.Version)
	}
	if op == "start" && at.After(h.begun) {
		h.begun = at
	}
	if op == "heartbeat" && !at.Before(h.beat) {
		h.beat = at
		h.heard(e.Facts.Fields)
	}
}

// heard takes the fields of a heartbeat.
func (h *Host) heard(fields map[string]string) {
	number := func(key string) int {
		n, _ := strconv.Atoi(fields[key]) // 0 where it is not said
		return n
	}
	h.Config, h.Watched = fields["config"], fields["watched"]
	h.Rules, h.Wanted = number("rules"), number("rules_wanted")
	h.Undelivered, h.Lost = number("undelivered_bytes"), number("lost")
	h.Oldest, _ = time.Parse(time.RFC3339, fields["oldest"]) // zero: nothing waits
	if d, err := time.ParseDuration(fields["every"]); err == nil && d > 0 {
		h.every = d
	}
}

// late is how much more than its interval a heartbeat may take: the journal, a
// batch and the service's own delay.
const late = 30 * time.Second

// Hosts judges the hosts at a time, the ones expected among them, by stream or
// host name. Those that nothing is wrong with come last.
func (f *Fleet) Hosts(now time.Time, expected []string) []Host {
	config := cmp.Or(f.Config, f.commonConfig())
	var out []Host
	known := map[string]bool{}
	for _, h := range f.hosts {
		known[h.Stream], known[h.Name] = true, true
		h.State, h.Why = h.judge(now, config)
		out = append(out, *h)
	}
	for _, name := range expected {
		if !known[name] {
			out = append(out, Host{Stream: name, State: HostMissing, Why: "it is expected, and no heartbeat came"})
		}
	}
	slices.SortFunc(out, func(a, b Host) int {
		fine := func(h Host) int { return map[bool]int{true: 1}[h.State == HostOK] }
		return cmp.Or(cmp.Compare(fine(a), fine(b)), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (h *Host) judge(now time.Time, config string) (state, why string) {
	age := now.Sub(h.Last)
	switch missed := (age - late) / h.every; {
	case h.ended:
		return HostStopped, "its daemon was stopped"
	case missed >= 2:
		return HostSilent, "no sign of life for " + age.Round(time.Second).String()
	case missed >= 1:
		return HostLate, "a heartbeat is missing"
	case h.beat.IsZero() && now.Sub(h.begun) < h.every+late:
		return HostOK, "" // it has just started
	case h.beat.IsZero():
		return HostDeviating, "it sends no heartbeats"
	case h.Rules < h.Wanted:
		return HostDeviating, strconv.Itoa(h.Wanted-h.Rules) + " rules are not in effect"
	case h.Wanted == 0:
		return HostDeviating, "it has no rules"
	case config != "" && h.Config != config:
		return HostDeviating, "its configuration is not the others'"
	case h.Gaps > 0:
		return HostDeviating, "evidence is or may be missing: see its gaps"
	case !h.Oldest.IsZero() && h.beat.Sub(h.Oldest) > h.every:
		return HostDeviating, "delivery is behind by " + h.beat.Sub(h.Oldest).Round(time.Second).String()
	}
	return HostOK, ""
}

// commonConfig is the configuration that most hosts have, of several the first
// by its hash.
func (f *Fleet) commonConfig() (most string) {
	count := map[string]int{}
	for _, h := range f.hosts {
		if h.Config != "" {
			count[h.Config]++
		}
	}
	for config, n := range count {
		if n > count[most] || n == count[most] && config < most {
			most = config
		}
	}
	return most
}
