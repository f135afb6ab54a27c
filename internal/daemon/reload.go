package daemon

import (
	"context"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
)

// reload reads the configuration again and takes over what can change in a
// running daemon. A configuration with faults changes nothing.
func (d *Daemon) reload(ctx context.Context) {
	d.tell("RELOADING=1", monotonic(), "STATUS=reloading")
	defer d.tell("READY=1", "STATUS=shipping audit events")
	next, err := d.Reload()
	if err == nil {
		err = d.adopt(ctx, next)
	}
	if err != nil {
		d.log.Error("configuration not reloaded, the old one holds", zap.Error(err))
		return
	}
	d.notes.add(event.TypeDaemon, event.NoteField{Key: "op", Value: "reload"})
	d.log.Info("configuration reloaded", zap.Int("rules", d.keeper.status().Wanted))
}

// adopt makes next the configuration, as far as a running daemon can.
func (d *Daemon) adopt(ctx context.Context, next config.Config) error {
	for _, key := range needRestart(d.cfg, next) {
		d.log.Warn("a change of this key waits for a restart", zap.String("key", key))
	}
	out, err := d.newOutput(next)
	if err != nil {
		return err
	}
	if err := d.reconfigureShipper(ctx, next); err != nil {
		return err
	}
	if level, err := zapcore.ParseLevel(next.Log.Level); err == nil {
		d.Level.SetLevel(level)
	}
	d.deliver.output.Store(out)
	d.cfg = next
	if err := d.noteConfig(next); err != nil {
		return err
	}
	if d.keeper == nil {
		return nil
	}
	return d.keeper.configure(ctx, next)
}

// needRestart names the keys that differ and that a running daemon keeps.
func needRestart(old, next config.Config) []string {
	var keys []string
	differ := func(key string, same bool) {
		if !same {
			keys = append(keys, key)
		}
	}
	differ("state_dir", old.StateDir == next.StateDir)
	differ("socket", old.Socket == next.Socket)
	differ("source", old.Source == next.Source)
	differ("kernel", old.Kernel == next.Kernel)
	differ("journal", old.Journal == next.Journal)
	differ("output", old.Output == next.Output)
	differ("heartbeat", old.Heartbeat == next.Heartbeat)
	differ("metrics", old.Metrics == next.Metrics)
	differ("log.format", old.Log.Format == next.Log.Format)
	return keys
}
