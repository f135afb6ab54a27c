package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// startKeepers starts what works beside the two loops: the keeper of the rules,
// the watch over losses, syncing, the mount table, the loops.
func (d *Daemon) startKeepers(ctx context.Context, loops *loops) error {
	loops.start("sync", func() error { d.sync(ctx); return nil })
	if addr := d.cfg.Metrics.Listen; addr != "" {
		loops.start("metrics", func() error { return d.serveMetrics(ctx, addr) })
	}
	if d.cfg.Metrics.EMF {
		f := &figures{host: d.host, labels: func() map[string]string { return d.deliver.output.Load().labels }, status: d.status, ship: d.deliver.addAside}
		loops.start("figures", func() error { return f.run(ctx) })
	}
	if err := d.startHeartbeat(ctx, loops); err != nil {
		return err
	}
	loops.start("watch loops", func() error { d.watchLoops(ctx); return nil })
	if d.control == nil {
		return nil // nothing of the kernel is asked for
	}
	look, err := kaudit.OpenControl()
	if err != nil {
		return err
	}
	d.loss = &lossWatch{
		control: look, landing: d.landing, seen: d.landing.Seen(), account: d.receiver.account, wake: d.source.Wake, untold: d.receiver.isUntold,
		log: d.log, now: time.Now, owner: d.source.owner, regain: d.regain, off: offWatch{notes: d.notes, log: d.log}, limits: d.limitWatch(),
		forged: forgedLog{forgeries: d.receiver.forged, log: d.log},
	}
	if err := d.loss.look(); err != nil {
		return errors.Join(err, look.Close())
	}
	if err := d.startKeeper(ctx, loops); err != nil {
		return errors.Join(err, look.Close())
	}
	if err := d.judge(); err != nil {
		return errors.Join(err, look.Close())
	}
	loops.start("watch for losses", func() error { d.loss.run(ctx); return look.Close() })
	return nil
}

// startKeeper puts the rules into the kernel and starts who keeps them there.
func (d *Daemon) startKeeper(ctx context.Context, loops *loops) error {
	set := &ruleset{kernel: d.control, stateDir: d.cfg.StateDir, boot: d.boot, found: d.found, now: time.Now}
	k := &keeper{rules: set, mounts: &d.mounts, notes: d.notes, log: d.log, now: time.Now, changed: d.receiver.configChanged}
	k.load = &loadWatch{list: d.control.ListRules, loader: new(loaders).run, log: d.log, changes: d.receiver.ruleChanges}
	k.foreign.tell = k.tellForeign
	k.probe = newProber(k.mounts, probeEvery, k.poke)
	d.keeper = k
	if d.wasAway() {
		d.showOrder(ctx) // before there are rules of which events could need it
	}
	if err := k.configure(ctx, d.cfg); err != nil {
		return err
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make eventfd: %w", err)
	}
	context.AfterFunc(ctx, func() {
		k.probe.close()
		_, _ = unix.Write(stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	loops.start("keep rules", func() error { return k.run(ctx) })
	loops.start("watch mounts", func() error { return errors.Join(host.WatchMounts(stop, k.glance), unix.Close(stop)) })
	return nil
}

// probeEvery is how often watched paths are looked at.
const probeEvery = time.Second

// sync writes the journal to the medium, as often as configured, and gives
// memory back when nothing comes any more.
func (d *Daemon) sync(ctx context.Context) {
	failing := false
	quiet := lull{now: time.Now}
	rounds(ctx, d.cfg.Journal.Sync, func() {
		err := d.journal.Sync()
		if err != nil && !failing {
			d.log.Error("journal not synced", zap.Error(err))
		}
		failing = err != nil
		d.room.look(d)
		if quiet.begins(d.journal.Next()) {
			d.giveBack(rest)
		}
	})
}

// giveBack gives back memory that is not needed while nothing happens, as how does.
func (d *Daemon) giveBack(how func() error) {
	if err := how(); err != nil {
		d.log.Debug("memory not given back", zap.Error(err))
	}
}

// wasAway says whether nobody received until now: the socket was not kept for us.
func (d *Daemon) wasAway() bool {
	return !d.source.took && d.source.listener != nil // a file waits for its reader
}

// seam marks in the journal where records of an absence are missing, before any that
// come after it: what is told of directories behind it is not true before. How many
// are missing is known later. A full journal says itself that it lacks some.
func (d *Daemon) seam() error {
	if !d.wasAway() {
		return nil
	}
	note := encodeNote(event.TypeSeam, time.Now(), []event.NoteField{{Key: "boot_id", Value: d.boot}})
	if _, err := d.journal.Append([][]byte{note}); err != nil && !errors.Is(err, journal.ErrFull) {
		return fmt.Errorf("append to journal: %w", err)
	}
	return nil
}

// downtime raises the suspicion that events are missing of the time in which nobody
// received, unless the socket was kept for us meanwhile.
func (d *Daemon) downtime() {
	if d.wasAway() {
		now := time.Now()
		d.receiver.account.beAway(absenceOf(d.landing, d.lastRecord, bootTime(now), now))
	}
	if err := d.landing.SetStopped(0); err != nil {
		d.log.Warn("the start is not written down", zap.Error(err))
	}
}

// judge tells the account whether our rules were in effect all the time without us.
// If they were, the next serial tells whether an event is missing; the kernel
// numbers the setting of what is set already, too.
func (d *Daemon) judge() error {
	kept := d.auditingWasOn && !d.keeper.addedAtStart
	d.receiver.account.judge(kept)
	if !kept || !d.wasAway() || d.source.owns() {
		return nil
	}
	st, err := d.control.Status()
	if err != nil || st.Enabled != kaudit.Enabled {
		return err
	}
	return d.control.SetEnabled(kaudit.Enabled)
}

// leave takes our rules out of the kernel, where the configuration wants that,
// and puts back what was set.
func (d *Daemon) leave() {
	if d.control == nil || d.source == nil {
		return
	}
	keep := d.cfg.Rules.OnExit == "keep" ||
		d.cfg.Rules.OnExit == "auto" && (d.source.kept || d.othersRead())
	if keep {
		return
	}
	var err error
	if d.keeper != nil {
		err = d.keeper.leave()
	}
	d.awaitBacklog()
	if err := errors.Join(err, d.restoreKernel()); err != nil {
		d.log.Error("kernel not put back as it was", zap.Error(err))
	}
}

// othersRead says whether another audit daemon is registered, which goes on
// reading what our rules make.
func (d *Daemon) othersRead() bool {
	if d.source.owns() {
		return false
	}
	st, err := d.control.Status()
	return err != nil || st.PID != 0
}

// backlogPatience is how long a stop waits for the kernel to hand over what it
// has queued.
const backlogPatience = time.Second

// awaitBacklog returns when the kernel has nothing queued for us: it would go
// to nobody once we are not its audit daemon any more.
func (d *Daemon) awaitBacklog() {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(backlogPatience); time.Now().Before(deadline); <-look.C {
		st, err := d.control.Status()
		if err != nil || st.Backlog == 0 {
			return
		}
	}
}
