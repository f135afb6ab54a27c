package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A ruler makes the kernel's rules ours as the configuration says.
type ruler interface {
	// apply makes the kernel hold the rules of these watches and of the
	// configuration's files, and reports what it had to add and take away, as
	// lines of auditctl. It changes nothing if nothing is to be changed.
	apply(c config.Config, watches []config.Watch) (added, removed []string, err error)

	// renew makes the rules on path hold for what is mounted there now.
	renew(path string) error

	// withdraw takes away all rules that apply added.
	withdraw() error

	// wanted is how many rules the last apply wanted.
	wanted() int
}

// A keeper keeps our rules in the kernel and in effect: after others changed
// rules, after mounts came and went, after a watched directory was made again.
//
// It never looks at a watched path itself: a dead file server would hold it
// up. Its prober does.
type keeper struct {
	rules   ruler
	mounts  *mountTable
	probe   *prober
	notes   *notes
	log     *zap.Logger
	now     func() time.Time
	changed chan struct{} // CONFIG_CHANGE was received, or a mount or path changed
	repair  bool

	mu       sync.Mutex
	cfg      config.Config
	fstab    map[string]string
	watch    map[string]*watchState
	waiting  []string
	repairs  uint64
	failed   string
	patience patience
}

// A watchState is what the keeper remembers of a watched path.
type watchState struct {
	network bool     // a network file system was mounted there once
	armed   bool     // its rules are in the kernel
	mounts  string   // fingerprint when they were put in effect
	seen    presence // of the path then
}

// settle is how long changes are collected before the keeper looks: an umount
// and a mount, or the hundreds of removals of one reload, are one change.
const settle = 50 * time.Millisecond

// retry is how soon the keeper tries again what failed.
const retry = time.Second

// run keeps the rules until ctx is done.
func (k *keeper) run(ctx context.Context) error {
	for {
		var again <-chan time.Time
		if k.pending() {
			again = time.After(retry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again:
		case <-k.changed:
			if !pauseFor(ctx, settle) {
				return nil
			}
		}
		if err := k.keep(); err != nil {
			k.log.Warn("rules not in effect", zap.Error(err))
		}
	}
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
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
	return k.failed != "" || k.patience.waiting()
}

// configure makes c what the keeper keeps, and puts it in effect.
func (k *keeper) configure(c config.Config) error {
	fstab, err := fstabMounts()
	if err != nil {
		return fmt.Errorf("read fstab: %w", err)
	}
	k.mu.Lock()
	k.cfg, k.fstab, k.repair = c, fstab, c.Rules.Repair
	was := k.watch
	k.watch = map[string]*watchState{}
	var paths []string
	for _, w := range c.Watches {
		k.watch[w.Path] = &watchState{}
		if was[w.Path] != nil {
			k.watch[w.Path] = was[w.Path]
		}
		paths = append(paths, w.Path)
	}
	k.mu.Unlock()
	k.probe.watch(paths)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.arm("", false)
}

// keep brings the kernel to what is wanted, and says what it did.
func (k *keeper) keep() error {
	list, err := readMounts()
	if err != nil {
		return fmt.Errorf("read mounts: %w", err)
	}
	k.mounts.set(list)
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.repair {
		return nil
	}
	return k.arm("repair", true)
}

// arm puts the rules of all watches that can be armed in effect. what names the
// deed in the event about it.
func (k *keeper) arm(what string, tell bool) error {
	mounts := k.mounts.mounts()
	var armed []config.Watch
	k.waiting = k.waiting[:0]
	for _, w := range k.cfg.Watches {
		if why := k.mustWait(w, mounts); why != "" {
			k.waiting = append(k.waiting, w.Path+" ("+why+")")
			k.watch[w.Path].armed = false
			continue
		}
		armed = append(armed, w)
	}
	if !k.patience.ready(k.now()) {
		return nil
	}
	added, removed, err := k.rules.apply(k.cfg, armed)
	if err == nil {
		err = k.renew(armed, mounts, &added)
	}
	k.failed = ""
	if err != nil {
		k.failed = err.Error()
	}
	if tell && len(added)+len(removed) > 0 {
		k.repaired(what, added, removed, err)
	}
	return err
}

// mustWait says what a watch waits for, nothing if it can be armed.
func (k *keeper) mustWait(w config.Watch, mounts []mount) string {
	s := k.watch[w.Path]
	if m, ok := mountOf(mounts, w.Path); ok && isNetwork(m.Type) {
		s.network = true
	}
	if needsMount(w, mounts, k.fstab, s.network) && !isMounted(w, mounts, k.fstab, s.network) {
		return "not mounted"
	}
	if p := k.probe.presence(w.Path); p.known && !p.exists {
		return "missing"
	}
	return ""
}

// renew makes rules effective whose mounts or directory changed since they were
// put in effect. The kernel lists such a rule, but it sees nothing.
func (k *keeper) renew(armed []config.Watch, mounts []mount, done *[]string) error {
	var errs []error
	for _, w := range armed {
		s := k.watch[w.Path]
		print, seen := fingerprint(w.Path, mounts), k.probe.presence(w.Path)
		changed := s.mounts != print || s.seen.known && seen.known && (s.seen.ino != seen.ino || s.seen.dev != seen.dev)
		if s.armed && changed {
			if err := k.rules.renew(w.Path); err != nil && !errors.Is(err, unix.ENOENT) {
				errs = append(errs, err)
				continue
			}
			*done = append(*done, "-q "+w.Path+","+w.Path)
		}
		s.armed, s.mounts = true, print
		if seen.known {
			s.seen = seen
		}
	}
	return errors.Join(errs...)
}

// repaired says what was done, in the stream and in the log.
func (k *keeper) repaired(what string, added, removed []string, err error) {
	k.repairs++
	k.patience.spend(k.now())
	fields := []event.NoteField{{Key: "op", Value: what}, {Key: "added", Value: lines(added)}, {Key: "removed", Value: lines(removed)}}
	if err != nil {
		fields = append(fields, event.NoteField{Key: "error", Value: err.Error()})
	}
	k.notes.add(event.TypeRules, fields...)
	k.log.Warn("rules put back in effect", zap.Strings("added", added), zap.Strings("removed", removed), zap.Error(err))
	if k.patience.waiting() {
		k.log.Warn("somebody keeps changing the rules; repairs pause", zap.Duration("pause", k.patience.pause))
	}
}

// lines joins rule lines for a field of an event.
func lines(rules []string) string {
	text := ""
	for i, r := range rules {
		if i > 0 {
			text += "; "
		}
		text += r
	}
	return text
}

// status says which rules are in effect. It waits for nothing that could hang.
func (k *keeper) status() RulesStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.rules.wanted()
	st := RulesStatus{Wanted: n, InEffect: n, Waiting: append([]string(nil), k.waiting...), Repairs: k.repairs, Error: k.failed}
	if k.failed != "" {
		st.InEffect = 0
	}
	return st
}

func (k *keeper) wanted() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.rules.wanted()
}

// patience keeps the keeper from fighting an administrator: after freely
// repairs within a minute it pauses, each time twice as long, until a minute
// passes in peace.
type patience struct {
	times []time.Time
	pause time.Duration
	until time.Time
}

const (
	freely     = 5
	peace      = time.Minute
	firstPause = 10 * time.Second
	mostPause  = 10 * time.Minute
)

// spend counts a repair.
func (p *patience) spend(now time.Time) {
	keep := p.times[:0]
	for _, t := range p.times {
		if now.Sub(t) < peace {
			keep = append(keep, t)
		}
	}
	p.times = append(keep, now)
	switch {
	case len(p.times) == 1:
		p.pause = 0
	case len(p.times) >= freely:
		p.pause = min(max(2*p.pause, firstPause), mostPause)
		p.until = now.Add(p.pause)
	}
}

// ready reports whether a repair may be made now.
func (p *patience) ready(now time.Time) bool {
	if now.Before(p.until) {
		return false
	}
	p.until = time.Time{}
	return true
}

// waiting reports whether repairs pause.
func (p *patience) waiting() bool { return !p.until.IsZero() }
