package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A heartbeat tells readers that the daemon is alive, and in which state. The
// hosts of a fleet start at different times, so their heartbeats are spread.
type heartbeat struct {
	every  time.Duration
	status func() Status
	config func() (hash, watched string)
	notes  *notes
}

// run adds a heartbeat to the events every interval until ctx is done.
func (h *heartbeat) run(ctx context.Context) {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.notes.add(event.TypeDaemon, h.fields()...)
		}
	}
}

func (h *heartbeat) fields() []event.NoteField {
	s := h.status()
	hash, watched := h.config()
	fields := []event.NoteField{
		{Key: "op", Value: "heartbeat"},
		{Key: "every", Value: h.every.String()},
		{Key: "version", Value: s.Version},
		{Key: "config", Value: hash},
		{Key: "rules", Value: uint64(s.Rules.InEffect)},
		{Key: "rules_wanted", Value: uint64(s.Rules.Wanted)},
		{Key: "lost", Value: uint64(s.Source.Lost)},
		{Key: "gaps", Value: sum(s.Gaps)},
		{Key: "undelivered_bytes", Value: uint64(s.Journal.Undelivered)},
	}
	if watched != "" {
		fields = append(fields, event.NoteField{Key: "watched", Value: watched})
	}
	if s.Journal.Oldest != nil {
		fields = append(fields, event.NoteField{Key: "oldest", Value: s.Journal.Oldest.UTC().Format(time.RFC3339)})
	}
	return fields
}

// A configured is what heartbeats say of a configuration.
type configured struct{ hash, watched string }

func (d *Daemon) noteConfig(c config.Config) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("hash of the configuration: %w", err)
	}
	sum := sha256.Sum256(text)
	var paths []string
	for _, w := range c.Watches {
		paths = append(paths, w.Path)
	}
	d.configured.Store(&configured{hex.EncodeToString(sum[:8]), strings.Join(paths, " ")})
	return nil
}

// startHeartbeat begins the heartbeats of the configuration.
func (d *Daemon) startHeartbeat(ctx context.Context, loops *loops) error {
	if err := d.noteConfig(d.cfg); err != nil || d.cfg.Heartbeat == 0 {
		return err
	}
	h := &heartbeat{every: d.cfg.Heartbeat, status: d.status, notes: d.notes, config: func() (hash, watched string) {
		c := d.configured.Load()
		return c.hash, c.watched
	}}
	loops.start("heartbeat", func() error { h.run(ctx); return nil })
	return nil
}
