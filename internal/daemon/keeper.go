package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/rules"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// A keeper keeps our rules in the kernel and in effect: after others changed
// rules, after mounts came and went, after a watched directory was made again.
//
// It never looks at a watched path itself: a dead file server would hold it
// up. Its prober does.
type keeper struct {
	rules   *ruleset
	mounts  *host.MountTable
	probe   *prober
	notes   *notes
	log     *zap.Logger
	now     func() time.Time
	changed chan struct{} // CONFIG_CHANGE was received, or a mount or path changed
	load    *loadWatch

	view    atomic.Pointer[RulesStatus] // what status says; it waits for nobody
	glances glances
	foreign foreignMounts

	mu      sync.Mutex
	cfg     config.Config
	files   []rules.Source // of the configuration's rule files
	fstab   map[string]string
	network map[string]bool   // watched paths where a network file system was mounted once
	places  map[string]*place // directories that rules are in effect on
	left    bool              // the rules were taken away for good
	never   bool              // never,task was loaded
	repairs uint64
	failed  string
	trouble string // why the rules were not kept when they were looked at last

	addedAtStart bool // rules were missing when they were put in effect
}

// A place is a directory as it was when rules were put in effect on it.
type place struct {
	mounts string // fingerprint
	turn   int    // of its mounts
	seen   presence
}

// settle is how long changes are collected before the keeper looks: an umount
// and a mount, or the hundreds of removals of one reload, are one change.
const settle = 50 * time.Millisecond

// retry is how soon the keeper tries again what failed.
const retry = time.Second

// recheck is how often the keeper looks without being told: an exclude rule, or a
// loss, may keep CONFIG_CHANGE away.
const recheck = 10 * time.Second

// run keeps the rules until ctx is done.
func (k *keeper) run(ctx context.Context) error {
	for kept := k.load.rules(); ; kept = k.load.rules() {
		var again <-chan time.Time
		if k.pending() {
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-time.After(untilRound(recheck)):
			if k.load.rules() == kept {
				continue
			}
		case <-k.changed:
			if ship.Pause(ctx, settle) != nil {
				return nil
			}
		}
		if !k.load.await(ctx) {
			return nil
		}
		k.complain(k.keep())
	}
}

// complain logs why the rules are not kept, once as long as the reason stays.
func (k *keeper) complain(err error) {
	trouble := ""
	if err != nil {
		trouble = err.Error()
	}
	switch {
	case trouble == k.trouble:
	case err != nil:
		k.log.Warn("rules not kept", zap.Error(err))
	default:
		k.log.Info("rules are kept again")
	}
	k.trouble = trouble
}

// glance reads the mounts right after they changed, and makes the keeper look. It
// returns after what time to look again, 0 for not before they change.
func (k *keeper) glance() (again time.Duration) {
	list, err := host.ReadMounts()
	if err != nil {
		k.log.Warn("mounts not read", zap.Error(err))
		return retry
	}
	k.mounts.Set(list)
	k.glances.look(host.Trusted(list))
	k.poke()
	return k.mounts.Unnamed()
}

// poke makes the keeper look.
func (k *keeper) poke() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// pending reports whether something did not work and is to be tried again.
func (k *keeper) pending() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.trouble != "" || k.failed != "" && !k.rules.locked || len(k.status().Pausing) > 0
}

// configure makes c what the keeper keeps, and puts it in effect. A rule file
// with faults is an error, and changes nothing; what the kernel refuses is
// tried again, and said in the status.
func (k *keeper) configure(ctx context.Context, c config.Config) error {
	fstab, err := host.Fstab()
	if err != nil {
		return fmt.Errorf("read fstab: %w", err)
	}
	files, warnings, err := fileRules(c.Rules.Files, rules.Options{})
	if err != nil {
		return err
	}
	for _, w := range warnings {
		k.log.Warn(w.String(), zap.String("hint", w.Fix))
	}
	k.probe.watch(slices.Concat(pathsOf(c.Watches), dirsOf(files)))
	k.probe.await(existsPatience)
	k.load.await(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cfg, k.files, k.fstab = c, files, fstab
	if k.network == nil {
		k.network, k.places = map[string]bool{}, map[string]*place{}
	}
	if err := k.checkNeverTask(); err != nil {
		return err
	}
	did, err := k.arm(true)
	k.addedAtStart = k.addedAtStart || len(did.added) > 0
	return err
}

// dirs returns the directories whose mounts matter, as mounts name them.
func (k *keeper) dirs() []string {
	dirs := dirsOf(k.files)
	for _, w := range k.cfg.Watches {
		dirs = append(dirs, k.probe.real(w.Path))
	}
	return dirs
}

// dirsOf returns the directories that rules are for.
func dirsOf(sources []rules.Source) []string {
	var dirs []string
	for _, s := range sources {
		for i := range s.Rules {
			if dir := s.Rules[i].Dir(); dir != "" && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// keep brings the kernel to what is wanted, and says what it did.
func (k *keeper) keep() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.cfg.Rules.Repair || k.left {
		return nil
	}
	if err := k.checkNeverTask(); err != nil && !errors.Is(err, rules.ErrNeverTask) {
		return err
	}
	did, err := k.arm(false)
	if !did.none() {
		k.repaired(did)
	}
	return err
}

// A repair is what one round did.
type repair struct {
	outcome
	renewed []string
	waiting []string // watches that began to wait
	failed  string
}

func (r *repair) none() bool {
	return len(r.added)+len(r.removed)+len(r.renewed) == 0
}

// arm puts the rules of all watches that can be armed in effect, and those of
// the files. What fails is tried again later, and said once.
func (k *keeper) arm(afresh bool) (repair, error) {
	all := k.mounts.Mounts()
	mounts := host.Trusted(all)
	k.foreign.look(all, k.dirs())
	k.rules.covered = k.foreign.covers
	k.glances.watch(k.dirs(), mounts)
	armed, waiting := k.armable(mounts)
	watches, _, err := watchRules(armed, k.probe)
	if err != nil {
		return repair{}, err
	}
	sources := append([]rules.Source{watches}, k.files...)
	did := repair{waiting: waiting}
	did.outcome, err = k.rules.apply(sources, afresh)
	did.renewed, err = k.renew(dirsOf(sources), mounts, did.added, err)
	if err != nil {
		did.failed = err.Error()
	}
	if did.failed != k.failed && did.failed != "" {
		k.log.Error("rules not in effect", zap.Error(err))
	} else if did.failed != k.failed {
		k.log.Info("all rules in effect again")
	}
	k.failed = did.failed
	k.publish(&did)
	return did, nil
}

// armable splits the watches into those to arm and those that wait.
func (k *keeper) armable(mounts []host.Mount) (armed []config.Watch, waiting []string) {
	for _, w := range k.cfg.Watches {
		named := w.Path
		w.Path = k.probe.real(named)
		if m, ok := host.MountOf(mounts, w.Path); ok && host.IsNetwork(m.Type) {
			k.network[w.Path] = true
		}
		if why := mustWait(w, mounts, k.fstab, k.network[w.Path], k.probe.presence(named)); why != "" {
			waiting = append(waiting, named+" ("+why+")")
			continue
		}
		armed = append(armed, w)
	}
	return armed, waiting
}

// renew makes rules effective whose mounts or directory changed since they were
// put in effect: the kernel lists such a rule, but it sees nothing. It joins
// its errors to err.
func (k *keeper) renew(dirs []string, mounts []host.Mount, added []string, err error) ([]string, error) {
	var renewed []string
	places := map[string]*place{}
	for _, dir := range dirs {
		now := &place{fingerprint(dir, mounts), k.glances.turn(dir), k.probe.presence(dir)}
		was := k.places[dir]
		if was != nil && k.foreign.covers(dir) {
			places[dir] = was // the rules hold beneath
			continue
		}
		if was != nil && was.differs(now) {
			e := k.rules.renew(dir)
			if e != nil && !errors.Is(e, unix.ENOENT) {
				err = errors.Join(err, e)
				places[dir] = was // so that it is tried again
				continue
			}
			renewed = append(renewed, dir)
		}
		if was != nil && !now.seen.known {
			now.seen = was.seen
		}
		places[dir] = now
	}
	k.places = places
	return renewed, err
}

// differs reports whether rules that were in effect on p may see nothing at now.
func (p *place) differs(now *place) bool {
	was, is := p.seen, now.seen
	moved := was.known && is.known && (was.ino != is.ino || was.dev != is.dev || was.born != is.born)
	return p.mounts != now.mounts || p.turn != now.turn || moved
}

// checkNeverTask looks for the rule that makes new processes deaf. It is an
// error only where the configuration says so.
func (k *keeper) checkNeverTask() error {
	found, err := k.rules.disarm(k.cfg)
	locked := errors.Is(err, rules.ErrImmutable)
	if err != nil && !locked {
		return err
	}
	was := k.never
	k.never = found && (k.cfg.Rules.OnNeverTask != "fix" || locked)
	switch {
	case locked && !was:
		k.log.Error("never,task is loaded and stays until the next boot: processes born from now on are never audited", zap.Error(err), zap.String("cure", "reboot"))
		k.notes.add(event.TypeRules, event.NoteField{Key: "op", Value: "never_task_found"})
	case locked:
	case found && k.cfg.Rules.OnNeverTask == "fail":
		return rules.ErrNeverTask
	case found && k.cfg.Rules.OnNeverTask == "fix":
		k.log.Warn("never,task was loaded and is taken away; processes born meanwhile stay deaf until they are started again")
		k.notes.add(event.TypeRules, event.NoteField{Key: "op", Value: "fix_never_task"}, event.NoteField{Key: "removed", Value: "-a never,task"})
	case found && !was:
		k.log.Error("never,task is loaded: processes born from now on are never audited", zap.String("cure", "auditshipper rules apply --fix-never-task"))
		k.notes.add(event.TypeRules, event.NoteField{Key: "op", Value: "never_task_found"})
	}
	return nil
}

// repaired says what was done, in the stream and in the log.
func (k *keeper) repaired(r repair) {
	k.repairs++
	fields := []event.NoteField{{Key: "op", Value: "repair"}}
	logged := []zap.Field{}
	for _, f := range []struct {
		key   string
		lines []string
	}{{"added", r.added}, {"removed", r.removed}, {"renewed", r.renewed}, {"waiting", r.waiting}} {
		if len(f.lines) > 0 {
			fields = append(fields, event.NoteField{Key: f.key, Value: strings.Join(f.lines, "; ")})
			logged = append(logged, zap.Strings(f.key, f.lines))
		}
	}
	if r.failed != "" {
		fields = append(fields, event.NoteField{Key: "error", Value: r.failed})
	}
	k.notes.add(event.TypeRules, fields...)
	k.log.Warn("rules put back in effect", logged...)
	if len(r.taken) > 0 && k.rules.isPausing() {
		k.log.Error("somebody keeps taking rules away; repairs of them pause", zap.Strings("rules", r.taken))
		k.notes.add(event.TypeRules, event.NoteField{Key: "op", Value: "repair_pauses"}, event.NoteField{Key: "removed", Value: strings.Join(r.taken, "; ")})
	}
}

// publish makes the outcome what status says.
func (k *keeper) publish(r *repair) {
	st := &RulesStatus{
		Wanted: r.wanted, InEffect: r.loaded, Waiting: r.waiting, Repairs: k.repairs, Error: k.failed,
		Removed: r.absent, Late: r.late, Pausing: r.pausing, NeverTask: k.never, Foreign: k.foreign.told(), Covered: k.foreign.covered(),
	}
	if !r.none() {
		st.Repairs++
	}
	for _, h := range r.hidden {
		if text := h.String(); !slices.Contains(st.Hidden, text) { // each source tells of it
			st.Hidden = append(st.Hidden, text)
		}
	}
	if was := k.view.Load(); was == nil || !slices.Equal(was.Hidden, st.Hidden) {
		for _, text := range st.Hidden {
			k.log.Error("a rule of others hides events", zap.String("rule", text))
			k.notes.add(event.TypeRules, event.NoteField{Key: "op", Value: "hidden"}, event.NoteField{Key: "detail", Value: text})
		}
	}
	k.view.Store(st)
}

// status says which rules are in effect.
func (k *keeper) status() RulesStatus {
	if k == nil {
		return RulesStatus{}
	}
	if st := k.view.Load(); st != nil {
		return *st
	}
	return RulesStatus{}
}

// leave takes all rules away that are ours by the configuration.
func (k *keeper) leave() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = true
	return k.rules.withdraw()
}
