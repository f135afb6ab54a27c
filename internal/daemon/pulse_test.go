package daemon

import (
	"testing"
	"time"
)

// TestPulse requires that a loop which stands still is known to since it was first seen
// to, and that one which has not begun is not.
func TestPulse(t *testing.T) {
	var beat uint64
	p := &pulse{loop: "deliver", beat: func() uint64 { return beat }}
	at := time.Unix(1_800_000_000, 0)
	for i, tt := range []struct {
		beat  uint64
		moved bool
		since time.Duration // -1 for none
	}{
		{0, true, -1}, {0, true, -1}, {5, true, -1}, {5, false, 3}, {5, false, 3}, {6, true, -1}, {6, false, 6},
	} {
		beat = tt.beat
		moved := p.look(at.Add(time.Duration(i) * time.Second))
		want := time.Time{}
		if tt.since >= 0 {
			want = at.Add(tt.since * time.Second)
		}
		if moved != tt.moved || !p.since.Equal(want) {
			t.Errorf("look %d: moved %v since %v, want %v since %v", i, moved, p.since, tt.moved, want)
		}
	}
}

// TestStuckIsTold requires that the status says that a loop stands still before
// anything else, and that looks which hang are a degraded state.
func TestStuckIsTold(t *testing.T) {
	since := time.Date(2026, 12, 1, 3, 0, 0, 0, time.UTC)
	full := since
	s := Status{Stuck: &StuckStatus{"deliver", since}, Journal: JournalStatus{FullSince: &full}, Source: SourceStatus{Enabled: 1}}
	if state, why := s.health(); state != "degraded" || why != "the deliver loop has not moved since 2026-12-01T03:00:00Z" {
		t.Errorf("%s: %s", state, why)
	}
	s = Status{Looks: LooksStatus{Hung: 3}, Source: SourceStatus{Enabled: 1}, Rules: RulesStatus{Wanted: 1, InEffect: 1}}
	if state, why := s.health(); state != "degraded" || why != "3 looks at others' processes or file systems hang: paths may stay unresolved" {
		t.Errorf("%s: %s", state, why)
	}
}

// TestNoRulesIsTold requires that a daemon which watches nothing is never said to run
// well, but where it has other sources of events.
func TestNoRulesIsTold(t *testing.T) {
	well := SourceStatus{Enabled: 1}
	for _, tt := range []struct {
		status Status
		state  string
	}{
		{Status{Source: well, wantsRules: true}, "degraded"},
		{Status{Source: well, wantsRules: true, Rules: RulesStatus{Waiting: []string{"/mnt/efs (not mounted)"}}}, "degraded"},
		{Status{Source: well, wantsRules: true, Rules: RulesStatus{Wanted: 36}}, "degraded"},
		{Status{Source: well, wantsRules: true, Rules: RulesStatus{Wanted: 36, InEffect: 35}}, "degraded"},
		{Status{Source: well, wantsRules: true, Rules: RulesStatus{Wanted: 36, InEffect: 36}}, "running"},
		{Status{Source: well, wantsRules: true, Rules: RulesStatus{Wanted: 36, InEffect: 36, Covered: []string{"/home/ann"}}}, "degraded"},
		{Status{Source: SourceStatus{Mode: modeFile}}, "running"},
	} {
		if state, why := tt.status.health(); state != tt.state {
			t.Errorf("%+v: %s, %s", tt.status.Rules, state, why)
		}
	}
}
