package daemon

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/journal"
)

// Status is what the daemon says of itself on its control socket. Its JSON is
// part of the contract; `auditshipper status` prints it for people.
type Status struct {
	Version string    `json:"version"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	State   string    `json:"state"` // starting, running, degraded, blocked or stopping
	Why     string    `json:"why,omitempty"`

	Source   SourceStatus   `json:"source"`
	Rules    RulesStatus    `json:"rules"`
	Journal  JournalStatus  `json:"journal"`
	Delivery DeliveryStatus `json:"delivery"`

	Stuck *StuckStatus `json:"stuck,omitempty"` // a loop that does not move
	Looks LooksStatus  `json:"looks"`

	// wantsRules says that without rules of ours nothing can be delivered.
	wantsRules bool
	limits     string // a setting that makes the kernel drop records, empty for none

	Gaps    map[string]uint64 `json:"gaps"`              // since the start, by cause
	Dropped []DropStatus      `json:"dropped,omitempty"` // by the configuration's filters
}

// SourceStatus says where records come from.
type SourceStatus struct {
	Mode          string `json:"mode"`
	RegisteredPID uint32 `json:"registered_pid"`
	Enabled       uint32 `json:"enabled"`
	Lost          uint32 `json:"lost"` // the kernel's counter, since boot
	Backlog       uint32 `json:"backlog"`
	BacklogLimit  uint32 `json:"backlog_limit"`
	RateLimit     uint32 `json:"rate_limit,omitempty"` // records a second, beyond which the kernel drops
	ReceiveBuffer int    `json:"receive_buffer"`
	Records       uint64 `json:"records"` // since the start
	Overruns      uint64 `json:"overruns"`
	Forged        uint64 `json:"forged"`     // datagrams of processes instead of the kernel, dropped
	Backfilled    uint64 `json:"backfilled"` // events that came from auditd's log
	Kept          bool   `json:"kept"`       // the service manager holds the socket over a restart
}

// RulesStatus says which of our rules the kernel has.
type RulesStatus struct {
	Wanted   int      `json:"wanted"`
	InEffect int      `json:"in_effect"`
	Waiting  []string `json:"waiting,omitempty"` // paths whose file system is not mounted
	Removed  int      `json:"removed,omitempty"` // by `auditshipper rules remove`
	Late     []string `json:"late,omitempty"`    // not counted: rules are immutable, and auditctl does not load these
	Pausing  []string `json:"pausing,omitempty"` // left alone for a while: somebody keeps taking them away
	Hidden   []string `json:"hidden,omitempty"`  // by rules of others that match first
	Repairs  uint64   `json:"repairs"`
	Error    string   `json:"error,omitempty"`

	Foreign []string `json:"foreign_mounts,omitempty"` // of users, on or below watches: nothing in them is audited
	Covered []string `json:"covered,omitempty"`        // of these, those that hide a watched directory

	NeverTask bool `json:"never_task,omitempty"` // new processes are not audited
}

// JournalStatus says what is on disk.
type JournalStatus struct {
	Bytes       int64      `json:"bytes"`
	MaxBytes    int64      `json:"max_bytes"`
	Undelivered int64      `json:"undelivered_bytes"`
	Flooded     uint64     `json:"flooded_events,omitempty"` // counted instead of kept, since the start
	Oldest      *time.Time `json:"oldest,omitempty"`
	FullSince   *time.Time `json:"full_since,omitempty"`
	FullWhy     string     `json:"full_why,omitempty"`
	Disk        string     `json:"disk,omitempty"` // device and mount point
	DiskFree    uint64     `json:"disk_free_bytes"`
	Volatile    string     `json:"volatile,omitempty"` // why the landing is not on disk
}

// DeliveryStatus says how far CloudWatch Logs has got.
type DeliveryStatus struct {
	Output       string     `json:"output"`
	Group        string     `json:"group,omitempty"`
	Stream       string     `json:"stream,omitempty"`
	Endpoint     string     `json:"endpoint,omitempty"`
	Events       uint64     `json:"events"` // accepted since the start
	Batches      uint64     `json:"batches"`
	Bytes        uint64     `json:"bytes"` // of messages, before compression
	Retries      uint64     `json:"retries"`
	Throttled    uint64     `json:"throttled"`
	Rejected     uint64     `json:"rejected"`
	Restamped    uint64     `json:"restamped"` // sent with the service's time, ours being too far ahead
	LastSuccess  *time.Time `json:"last_success,omitempty"`
	StalledSince *time.Time `json:"stalled_since,omitempty"`
	LastError    string     `json:"last_error,omitempty"`

	Blocked *BlockedStatus `json:"blocked,omitempty"` // nil unless something must be found or mended first

	LagSeconds   float64 `json:"lag_seconds"` // age of the oldest event not accepted yet
	FlushSeconds float64 `json:"flush_seconds"`
	Others       uint64  `json:"others"` // events not delivered since none of our rules asked for them
}

// BlockedStatus says what keeps delivery from going on by itself: a region or an
// instance id that nobody tells, a right that is missing.
type BlockedStatus struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// DropStatus counts what one filter kept from delivery.
type DropStatus struct {
	Filter string `json:"filter"`
	Events uint64 `json:"events"`
}

// optional is nil for the zero time, which JSON would print as a date.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// status gathers what the parts say. It waits for none of them.
func (d *Daemon) status() Status {
	sh, st, k := d.shipper.State(), d.journal.Stat(), d.loss.status()
	s := Status{
		Version: d.Version, Host: d.host, PID: os.Getpid(), Started: d.started,
		State: d.state.Load().(string), Gaps: d.gaps.all(),
		wantsRules: d.hearsKernel() && d.cfg.Events != "all",
		limits:     d.loss.limited(),
		Stuck:      d.stuck.Load(), Looks: d.looks(),
		Rules: d.keeper.status(),
		Source: SourceStatus{
			Mode: d.source.mode(), RegisteredPID: k.PID, Enabled: k.Enabled, Lost: k.Lost, Backlog: k.Backlog, BacklogLimit: k.BacklogLimit, RateLimit: k.RateLimit,
			ReceiveBuffer: d.source.buffer, Records: d.receiver.records.Load(), Overruns: d.receiver.overruns.Load(), Forged: d.receiver.forged.total.Load(), Backfilled: d.receiver.backfilled.Load(), Kept: d.source.kept,
		},
		Journal: JournalStatus{
			Bytes: st.Bytes, MaxBytes: st.MaxBytes, Undelivered: st.Undelivered,
			Oldest: optional(st.OldestTime), FullSince: optional(st.FullSince),
		},
		Delivery: DeliveryStatus{
			Output: "stdout", Others: d.ours.others.Load(),
			Events: sh.Events, Batches: sh.Batches, Bytes: sh.Bytes, Retries: sh.Retries, Throttled: sh.Throttled, Rejected: sh.Rejected, Restamped: sh.Restamped,
			FlushSeconds: sh.Flush.Seconds(),
			LastSuccess:  optional(sh.LastSuccess), StalledSince: optional(sh.StalledSince), LastError: sh.LastError,
		},
	}
	if cw := d.cloudWatch.Load(); cw != nil {
		s.Delivery.Output, s.Delivery.Group, s.Delivery.Stream = "cloudwatch", cw.Group(), cw.Stream()
		s.Delivery.Endpoint, _ = cw.Endpoint(context.Background()) // empty while the region is not known
		if lack := cw.Lacks(); lack != "" && sh.Oldest > 0 && time.Since(d.started) > lookFor {
			s.Delivery.Blocked = &BlockedStatus{"looking for " + lack, d.started}
		}
	}
	if sh.Blocked {
		s.Delivery.Blocked = &BlockedStatus{sh.LastError, sh.StalledSince}
	}
	d.journalRoom(&s.Journal, st)
	if sh.Oldest > 0 {
		s.Delivery.LagSeconds = time.Since(time.UnixMilli(sh.Oldest)).Seconds()
	}
	if d.receiver.ration != nil {
		s.Journal.Flooded = d.receiver.ration.events.Load()
	}
	if d.landing.Volatile != nil {
		s.Journal.Volatile = d.landing.Volatile.Error()
	}
	if out := d.deliver.output.Load(); out != nil {
		for _, f := range out.drop {
			s.Dropped = append(s.Dropped, DropStatus{f.String(), f.count.Load()})
		}
	}
	if s.State == "running" {
		s.State, s.Why = s.health()
	}
	return s
}

// lookFor is how long a start may look for what delivery needs and nobody calls
// it blocked.
const lookFor = time.Second

// journalRoom says on which disk the journal lies, and why it takes nothing.
func (d *Daemon) journalRoom(s *JournalStatus, st journal.Stat) {
	mounts := d.mounts.Mounts()
	if on, err := diskOf(d.cfg.StateDir, mounts); err == nil {
		s.Disk, s.DiskFree = on.name, on.free
	}
	if s.FullSince != nil {
		s.FullWhy = refusal(st, d.cfg.StateDir, mounts)
	}
}

// health says in one word how the daemon does, and why if not well.
func (s *Status) health() (state, why string) {
	switch {
	case s.Stuck != nil:
		return "degraded", s.Stuck.String()
	case s.Delivery.Blocked != nil:
		return "blocked", s.Delivery.Blocked.Reason
	case s.Delivery.StalledSince != nil:
		return "degraded", s.Delivery.LastError
	case s.Journal.FullSince != nil:
		return "degraded", s.Journal.FullWhy
	case s.Rules.Error != "":
		return "degraded", s.Rules.Error
	case s.Rules.InEffect+s.Rules.Removed < s.Rules.Wanted:
		return "degraded", fmt.Sprintf("%d of %d rules are in effect", s.Rules.InEffect, s.Rules.Wanted)
	case len(s.Rules.Pausing) > 0:
		return "degraded", "somebody keeps taking rules away: " + strings.Join(s.Rules.Pausing, "; ")
	case len(s.Rules.Covered) > 0:
		return "degraded", "a user's file system hides a watched directory: " + strings.Join(s.Rules.Covered, ", ")
	case len(s.Rules.Hidden) > 0:
		return "degraded", s.Rules.Hidden[0]
	case s.Rules.NeverTask:
		return "degraded", "never,task is loaded: new processes are not audited"
	case s.Rules.InEffect == 0 && len(s.Rules.Waiting) > 0:
		return "degraded", "no rule is in effect: " + strings.Join(s.Rules.Waiting, ", ")
	case s.Rules.InEffect == 0 && s.wantsRules:
		return "degraded", "no rule is in effect: nothing is watched"
	case s.Source.Enabled == 0 && s.Source.Mode != modeFile && s.Source.Mode != modeStdin:
		return "degraded", "auditing is switched off"
	case s.limits != "":
		return "degraded", s.limits
	}
	if n := s.Looks.Hung; n > 0 {
		return "degraded", fmt.Sprintf("%d looks at others' processes or file systems hang: paths may stay unresolved", n)
	}
	return "running", ""
}
