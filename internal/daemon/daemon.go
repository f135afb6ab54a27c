// Package daemon joins the others: the receive loop and the deliver loop with
// the journal between them, the keeper of the rules, and what the service
// manager and people want to know.
//
// Only the receive loop may append to the journal, and it waits only for the
// kernel. Only the deliver loop reads it. Whatever could hang (a network, a
// dead file server, a slow disk's fsync) has a goroutine of its own.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/paths"
	"github.com/auditshipper/auditshipper/internal/rules"
	"github.com/auditshipper/auditshipper/internal/safefile"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// drainTime is how long a stop waits for what is on its way to the service;
// with what else there is to do it stays below 10 s.
const drainTime = 8 * time.Second

// blockedDrainTime is how long it waits for a service that refuses or cannot be
// found: one more try.
const blockedDrainTime = 2 * time.Second

// Options are what the daemon needs besides its configuration.
type Options struct {
	Version string
	Log     *zap.Logger
	Level   zap.AtomicLevel // of Log, for a reload to change
	Stdout  io.Writer       // where events go if the output is stdout

	// Terminal says that Stdout is one: somebody looks at what comes.
	Terminal bool

	// Reload reads the configuration again; a receive on Reloads asks for it.
	Reload  func() (config.Config, error)
	Reloads <-chan os.Signal

	// UserName, if not nil, asks the host's name service who a user is: empty for
	// nobody. It may take its time, and ends when ctx does.
	UserName func(ctx context.Context, uid uint32) (string, error)

	// ChildRename, if not nil, renames a file in a child process, by the absolute paths
	// that it is given.
	ChildRename func(ctx context.Context, from, to string) error

	// Ready, if not nil, is called once the daemon is: records are received and
	// the rules are in the kernel.
	Ready func()
}

// A Daemon is one run of the program. Run makes it; nothing outlives it.
type Daemon struct {
	Options
	cfg  config.Config
	host string
	boot string // the kernel's boot id
	log  *zap.Logger

	manager  *manager
	control  *kaudit.Control
	found    *rules.Found
	landing  *kaudit.Landing
	journal  *journal.Journal
	source   *opened
	receiver *receiver
	deliver  *deliverer
	shipper  *ship.Shipper
	notes    *notes
	lookup   *host.System
	mounts   host.MountTable
	users    *host.NameService
	keeper   *keeper
	loss     *lossWatch
	server   *server

	room       roomWatch
	cloudWatch atomic.Pointer[ship.CloudWatch] // nil where events go to standard output
	identities *identities
	ours       *ours

	configured atomic.Pointer[configured]

	started time.Time
	state   atomic.Value // string, see Status.State
	stuck   atomic.Pointer[StuckStatus]
	gaps    gapCounts

	lastRecord    time.Time // when the journal got its last record before this run
	auditingWasOn bool      // when this run began
}

// Run runs the daemon until ctx is done, and returns nil after a clean stop.
func Run(ctx context.Context, cfg config.Config, o Options) (err error) {
	d := &Daemon{Options: o, cfg: cfg, log: o.Log, started: time.Now()}
	d.state.Store("starting")
	setProcessors()
	setMemory()
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.open(ctx); err != nil {
		d.leave()
		return err
	}
	return d.run(ctx)
}

// open brings everything into being, in the order in which evidence would be
// lost otherwise: auditing on, a place to keep records, somebody who receives
// them, and only then the rules that make them.
func (d *Daemon) open(ctx context.Context) error {
	var err error
	if d.host, err = os.Hostname(); err != nil {
		return fmt.Errorf("find the host's name: %w", err)
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("read boot id: %w", err)
	}
	d.boot = strings.TrimSpace(string(boot))
	if d.manager, err = newManager(); err != nil {
		return err
	}
	if err := d.openState(); err != nil {
		return err
	}
	if err := d.openSource(); err != nil {
		return err
	}
	if err := d.seam(); err != nil {
		return err
	}
	if err := d.openOutput(ctx); err != nil {
		return err
	}
	d.server, err = serve(d.cfg.Socket, func() any { return d.status() })
	return err
}

// openState opens the landing and the journal, and puts into the journal what
// the last process received and had not written yet.
func (d *Daemon) openState() error {
	dir, err := safefile.Make(d.cfg.StateDir)
	if err != nil {
		return d.cfg.Fault("state_dir", "", "%v", err)
	}
	if err := dir.Close(); err != nil {
		return err
	}
	d.journal, err = journal.Open(filepath.Join(d.cfg.StateDir, "journal"), journal.Options{
		MaxBytes:      int64(d.cfg.Journal.MaxBytes),
		KeepDelivered: int64(d.cfg.Journal.KeepDelivered),
	})
	if errors.Is(err, journal.ErrLocked) {
		return d.cfg.Fault("state_dir", "every daemon needs a state_dir of its own", "%v", err)
	}
	if err != nil {
		return err
	}
	d.lastRecord = d.journal.Stat().NewestTime
	for _, damage := range d.journal.Recovered() {
		d.log.Warn("journal repaired", zap.Error(&damage))
	}
	if d.landing, err = kaudit.OpenLanding(filepath.Join(d.cfg.StateDir, "landing")); err != nil {
		return err
	}
	if d.landing.Volatile != nil {
		d.log.Warn("landing is not on disk; a kill could cost what was just received", zap.Error(d.landing.Volatile))
	}
	d.notes = &notes{now: time.Now, wake: func() {}, count: d.gaps.add}
	d.receiver = &receiver{
		journal: d.journal, notes: d.notes, configChanged: make(chan struct{}, 1), ruleChanges: new(atomic.Uint64),
		refused: &refusals{landing: d.landing, now: time.Now, count: d.gaps.add},
		forged:  &forgeries{landing: d.landing, now: time.Now},
	}
	state := landedStateIn(d.landing.Room())
	d.receiver.account = &account{
		asked:   make(chan struct{}, 1),
		serials: &state.serials, away: &state.away, now: time.Now,
		usual: func() string {
			if d.source.owns() {
				return causeKernelLost
			}
			return causeOverrun
		},
	}
	if d.hearsKernel() {
		d.receiver.ration = newRation(d.journal, d.landing)
		d.receiver.backfill = &backfiller{path: d.cfg.Source.File, wake: func() { d.notes.wake() }, log: d.log, now: time.Now}
	}
	left := d.landing.Left(d.journal.Next())
	d.receiver.account.see(left)
	if len(left) > 0 {
		d.log.Info("records of the last process recovered", zap.Int("records", len(left)))
	}
	if err := d.receiver.appendLanded(left); err != nil {
		return err
	}
	d.identify()
	return nil
}

// identify notes whose records the journal gets from now on.
func (d *Daemon) identify() {
	st := d.journal.Stat()
	d.identities = openIdentities(d.cfg.StateDir, func() uint64 { return d.journal.Stat().Low }, d.log)
	d.identities.begin(identity{Boot: d.boot, Host: d.host, Instance: ship.LocalInstance()}, st.Oldest, d.journal.Next())
}

// hearsKernel reports whether records come from the kernel, which does not wait,
// and not from another daemon's log.
func (d *Daemon) hearsKernel() bool {
	return d.cfg.Source.Mode != modeFile && d.cfg.Source.Mode != modeStdin
}

// openOutput makes what takes events out of the journal.
func (d *Daemon) openOutput(ctx context.Context) error {
	list, err := host.ReadMounts()
	if err != nil {
		return fmt.Errorf("read mounts: %w", err)
	}
	d.mounts.Set(list)
	d.lookup = host.NewSystem(&d.mounts, d.hangs)
	d.users = d.nameService()
	d.deliver = new(deliverer) // what the shipper acknowledges to
	d.shipper = d.newShipper(ctx)
	c := &cursor{journal: d.journal, failed: func(err error) { d.log.Error("cursor not saved", zap.Error(err)) }}
	*d.deliver = deliverer{
		journal: d.journal, ship: d.shipper, cursor: c, poked: make(chan struct{}, 1), damaged: d.damaged, now: time.Now, mounts: &d.mounts,
		whose: d.identities.of, yields: d.hearsKernel(), losses: d.receiver.account.known.Load, ask: d.receiver.account.ask,
		stream: newNodeStreams(paths.NewStream(paths.Options{
			ResolveWait: wait(d.cfg.Source.ResolveWait), Host: d.lookup, Boot: d.boot,
			Process: host.NewHomes(d.lookup).Of,
		})),
	}
	d.deliver.stream.relayed, d.deliver.stream.host = !d.hearsKernel(), d.host
	d.deliver.stream.options = paths.Options{ResolveWait: wait(d.cfg.Source.ResolveWait)}
	if d.hearsKernel() {
		d.remember()
		d.deliver.logins = openLogins(d.cfg.StateDir, d.log)
	}
	st := d.journal.Stat()
	d.ours = newOurs(d.cfg.StateDir, st.Low <= st.Newest, d.log)
	out, err := d.newOutput(d.cfg)
	d.deliver.output.Store(out)
	return err
}

// remember lets the stream know what an earlier process knew of directories, and keeps for
// a later one what it knows. A full disk is no reason not to start.
func (d *Daemon) remember() {
	m, err := openMemory(d.cfg.StateDir, d.mounts.Mounts, d.log)
	if err != nil {
		d.log.Warn("what is known of directories is not kept; after a kill some names may stay unresolved", zap.Error(err))
		return
	}
	if d.source.took {
		m.load(d.deliver.stream.Stream, d.journal.Stat().Oldest, d.journal.Next())
	} else {
		m.forget()
	}
	d.deliver.memory = m
}

// hangs says that a look does not come back, which costs names, but no event.
func (d *Daemon) hangs(what string) {
	d.log.Warn("a look hangs; paths may stay unresolved", zap.String("at", what))
}

// nameService returns who knows the users that /etc/passwd lacks, nil for nobody.
func (d *Daemon) nameService() *host.NameService {
	if d.UserName == nil {
		d.log.Debug("no name service to ask; users who are not in /etc/passwd have no name in events")
		return nil
	}
	return host.NewNameService(d.UserName, func(uid uint32, first bool, err error) {
		level := zap.DebugLevel
		if first {
			level = zap.InfoLevel
		}
		d.log.Log(level, "the name service failed; events have the number of a user only", zap.Uint32("uid", uid), zap.Error(err))
	})
}

// wait is resolve_wait as the stream takes it, which means its default by 0.
func wait(t time.Duration) time.Duration {
	if t == 0 {
		return -1
	}
	return t
}

// newOutput is how events become text by the configuration.
func (d *Daemon) newOutput(c config.Config) (*output, error) {
	var before filters
	if d.deliver != nil {
		if out := d.deliver.output.Load(); out != nil {
			before = out.drop
		}
	}
	d.ours.configure(c)
	drop, err := newFilters(c.Drop, before)
	if err != nil {
		return nil, err
	}
	names := host.NewNames(&d.mounts, d.users)
	enc := &encode.Encoder{Host: d.host, IncludeRaw: c.CloudWatch.IncludeRaw, Names: names}
	enc.SetLabels(c.Labels)
	encode := map[string]func([]byte, *event.Event) []byte{"json": enc.AppendJSON, "raw": enc.AppendRaw, "ocsf": enc.AppendOCSF}
	return &output{encode: encode[c.CloudWatch.Format], encoder: enc, labels: c.Labels, names: names, users: users{names}, drop: drop, ours: d.ours}, nil
}

// damaged makes a gap of what the journal cannot give back.
func (d *Daemon) damaged(damage *journal.Damage) {
	d.log.Error("journal damaged", zap.Error(damage))
	d.notes.gap(gap{cause: causeJournalDamaged, from: damage.After, to: damage.Before, detail: damage.Error()})
}

// run starts the loops, says that the daemon is ready, and ends them in order.
func (d *Daemon) run(ctx context.Context) error {
	loops := &loops{failed: make(chan error, 8)}
	deliverCtx, stopDelivery := context.WithCancel(context.Background())
	defer stopDelivery()
	d.downtime()
	receiving := loops.start("receive", d.receiver.receive)
	delivering := loops.start("deliver", func() error { return ended(d.deliver.deliver(deliverCtx)) })
	if d.users != nil {
		go d.users.Run(deliverCtx) // not among the loops: a stop does not wait for it
	}

	background, stopBackground := context.WithCancel(ctx)
	defer stopBackground()
	if err := d.startKeepers(background, loops); err != nil {
		d.leave()
		d.source.Stop()
		return err
	}
	d.ready()
	d.giveBack(giveBack)
	err := d.wait(background, loops.failed)

	d.stopping(err)
	stopBackground()
	d.leave()
	d.source.Stop()
	<-receiving
	if e := d.receiver.append(d.notes.take()); e != nil { // of a loop that had ended before
		d.log.Error("last notes not kept", zap.Error(e))
	}
	if err == nil {
		if e := d.landing.SetStopped(uint64(time.Now().UnixNano())); e != nil {
			d.log.Warn("the stop is not written down", zap.Error(e))
		}
	}
	d.drain(stopDelivery, delivering)
	loops.wait()
	return err
}

// ended is nil for the error of a context that was ended on purpose.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// wait returns when ctx is done or a loop has failed, and reloads meanwhile.
func (d *Daemon) wait(ctx context.Context, failed <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if errors.Is(err, errEnded) {
				d.log.Info("the input has ended")
				return nil
			}
			return err
		case <-d.Reloads:
			d.reload(ctx)
		}
	}
}

// ready says so to everybody who waits for it.
func (d *Daemon) ready() {
	d.state.Store("running")
	d.notes.add(event.TypeDaemon, event.NoteField{Key: "op", Value: "start"},
		event.NoteField{Key: "version", Value: d.Version}, event.NoteField{Key: "boot_id", Value: d.boot})
	d.log.Info("ready", zap.String("version", d.Version), zap.String("source", d.source.mode()), zap.Int("rules", d.keeper.status().Wanted))
	d.tell("READY=1", "STATUS=shipping audit events")
	if d.Ready != nil {
		d.Ready()
	}
}

func (d *Daemon) stopping(err error) {
	d.state.Store("stopping")
	d.tell("STOPPING=1", "STATUS=stopping")
	if err != nil {
		d.log.Error("stopping", zap.Error(err))
	} else {
		d.log.Info("stopping")
	}
	d.notes.add(event.TypeDaemon, event.NoteField{Key: "op", Value: "stop"})
}

// tell sends to the service manager, whose absence or death is no reason to stop.
func (d *Daemon) tell(assignments ...string) {
	if err := d.manager.notify(assignments); err != nil {
		d.log.Warn("service manager not told", zap.Error(err))
	}
}

// drain lets the deliver loop reach the journal's end and the shipper finish,
// for a bounded time, and says what stays for the next start.
func (d *Daemon) drain(stop func(), delivering <-chan struct{}) {
	patience := drainTime
	if d.shipper.State().Blocked {
		patience = blockedDrainTime
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	d.deliver.drain(ctx)
	stop()
	<-delivering
	err := d.shipper.Drain(ctx)
	if st := d.journal.Stat(); err != nil || st.Low <= st.Newest {
		d.log.Info("stopped with events left, which stay in the journal", zap.Uint64("records", st.Newest+1-st.Low), zap.Error(err))
		return
	}
	d.log.Info("stopped with everything delivered")
}

// close gives back what open made, in reverse.
func (d *Daemon) close() error {
	var errs []error
	if d.server != nil {
		errs = append(errs, d.server.close())
	}
	if d.lookup != nil {
		d.lookup.Close()
	}
	if d.source != nil {
		errs = append(errs, d.source.Close())
	}
	if d.landing != nil {
		errs = append(errs, d.landing.Close())
	}
	if d.deliver != nil {
		errs = append(errs, d.deliver.memory.close(), d.deliver.logins.close())
	}
	if d.journal != nil {
		errs = append(errs, d.journal.Close())
	}
	if d.control != nil {
		errs = append(errs, d.control.Close())
	}
	return errors.Join(errs...)
}

// loops are the goroutines of a run.
type loops struct {
	failed chan error
	group  sync.WaitGroup
}

// start runs f and reports its error, named. The channel closes when f returns.
func (l *loops) start(name string, f func() error) <-chan struct{} {
	done := make(chan struct{})
	l.group.Go(func() {
		defer close(done)
		if err := f(); err != nil {
			l.failed <- fmt.Errorf("%s: %w", name, err)
		}
	})
	return done
}

func (l *loops) wait() { l.group.Wait() }
