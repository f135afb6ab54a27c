package daemon

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// A ruleset makes the kernel hold the rules that the configuration asks for.
// Each source of rules is all or nothing: a fault in a rule file must not keep
// the watches from being armed.
type ruleset struct {
	kernel   rules.Kernel
	stateDir string
	boot     string
	found    *rules.Found
	now      func() time.Time

	// covered reports whether a user's own file system is mounted on the way to a path.
	covered func(path string) bool

	locked  bool                      // the kernel's rules are immutable
	unsaved *rules.State              // what the disk had no room for
	held    map[string]bool           // sums of rules that the kernel had when we last looked
	backoff map[string]*repairBackoff // of rules that somebody took away, by sum
}

// An outcome is what one round did and found.
type outcome struct {
	added, removed []string // as lines
	taken          []string // of added: those that somebody had taken away
	wanted, loaded int
	absent         int      // wanted, but a person removed them
	late           []string // not wanted any more: see rules.Source.WithoutLate
	hidden         []rules.Hidden
	foreign        []rules.Rule
	pausing        []string // rules that are left alone for a while
}

// apply makes the kernel agree with sources. afresh is what a start and a reload
// do: settings are carried out, and what a person removed comes back.
func (s *ruleset) apply(sources []rules.Source, afresh bool) (o outcome, err error) {
	l, err := s.ledger()
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	st, err := s.kernel.Status()
	if err != nil {
		return o, err
	}
	s.locked = st.Enabled == kaudit.Immutable
	loaded, err := rules.Loaded(s.kernel)
	if err != nil {
		return o, err
	}
	if afresh {
		l.Removed = nil
	}
	var errs []error
	for _, src := range append(slices.Clone(sources), rules.Gone(l.State, sources)...) {
		errs = append(errs, s.source(l, &loaded, src, afresh, &o))
	}
	s.held = map[string]bool{}
	for i := range loaded {
		s.held[loaded[i].Sum()] = true
	}
	return o, errors.Join(errs...)
}

// source brings one source into the kernel, and loaded up to date.
func (s *ruleset) source(l *rules.Ledger, loaded *[]rules.Rule, src rules.Source, afresh bool, o *outcome) error {
	has := map[string]bool{}
	for i := range *loaded {
		has[(*loaded)[i].Sum()] = true
	}
	o.wanted += len(src.Rules)
	src = src.Without(func(r *rules.Rule) bool {
		gone := l.IsRemoved(r, s.boot)
		if gone {
			o.absent++
		}
		return gone
	})
	if s.locked {
		var late []rules.Rule
		src, late = src.WithoutLate(func(r *rules.Rule) bool { return has[r.Sum()] })
		o.wanted -= len(late)
		for i := range late {
			o.late = append(o.late, late[i].String())
		}
	}
	src = src.Without(func(r *rules.Rule) bool {
		wait := !has[r.Sum()] && s.backoff[r.Sum()].pausing(s.now())
		if wait {
			o.pausing = append(o.pausing, r.String())
		}
		return wait
	})
	// The kernel would look up the directory in the user's file system, and wait for
	// him with all of auditing.
	src = src.Without(func(r *rules.Rule) bool { return s.covered != nil && !has[r.Sum()] && s.covered(r.Path()) })
	if !afresh || s.locked {
		// A repair must not take rules away only to put them in another order:
		// nobody would see what happens meanwhile.
		src.Loose = true
	}
	plan := rules.MakePlan(*loaded, l.State, []rules.Source{src})
	if afresh {
		if err := s.settings(&plan, src.Settings); err != nil {
			return err
		}
	}
	o.hidden, o.foreign = append(o.hidden, plan.Hidden...), append(o.foreign, plan.Foreign...)
	if err := s.carryOut(&plan, l); err != nil {
		o.loaded += count(src.Rules, has)
		return fmt.Errorf("%s: %w", src.Name, err)
	}
	o.loaded += len(src.Rules)
	for _, step := range plan.Steps {
		s.note(step, o)
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	var err error
	*loaded, err = rules.Loaded(s.kernel)
	return err
}

// settings makes the plan carry out those that do not hold yet, and notes what
// they change; on a full disk that is only remembered.
func (s *ruleset) settings(plan *rules.Plan, all []rules.Setting) error {
	need, err := rules.NeededSettings(all, s.kernel)
	if err != nil || len(need) == 0 {
		return err
	}
	st, err := s.kernel.Status()
	if err != nil {
		return err
	}
	if err := s.found.Note(rules.ByRun, st, need...); err != nil && !isFull(err) {
		return err
	}
	plan.Settings = need
	return nil
}

func count(list []rules.Rule, has map[string]bool) int {
	n := 0
	for i := range list {
		if has[list[i].Sum()] {
			n++
		}
	}
	return n
}

// note puts a step down in the outcome, and counts against somebody who took a
// rule away that was there at the last look.
func (s *ruleset) note(step rules.Step, o *outcome) {
	line := step.Rule.String()
	switch {
	case step.Moved:
	case step.Delete:
		o.removed = append(o.removed, line)
	default:
		o.added = append(o.added, line)
		if sum := step.Rule.Sum(); s.held[sum] {
			o.taken = append(o.taken, line)
			s.countRepair(sum)
		}
	}
}

// countRepair counts that somebody took away the rule of that sum.
func (s *ruleset) countRepair(sum string) {
	if s.backoff == nil {
		s.backoff = map[string]*repairBackoff{}
	}
	if s.backoff[sum] == nil {
		s.backoff[sum] = new(repairBackoff)
	}
	s.backoff[sum].count(s.now())
}

// carryOut applies a plan, on a full disk without writing down that it did.
func (s *ruleset) carryOut(plan *rules.Plan, l *rules.Ledger) error {
	err := plan.Apply(s.kernel, l)
	if err == nil {
		s.unsaved = nil
		return nil
	}
	if !isFull(err) {
		return err
	}
	mem := rules.NewLedger(l.State)
	if err := plan.Apply(s.kernel, mem); err != nil {
		return err
	}
	l.State = mem.State
	s.unsaved = &mem.State
	return nil
}

func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// ledger opens the state, which on a full disk is what is remembered.
func (s *ruleset) ledger() (*rules.Ledger, error) {
	l, err := rules.OpenLedger(s.stateDir)
	switch {
	case isFull(err) && s.unsaved != nil:
		return rules.NewLedger(*s.unsaved), nil
	case isFull(err):
		return rules.NewLedger(rules.State{}), nil
	case err != nil:
		return nil, err
	}
	if s.unsaved != nil {
		l.Add(*s.unsaved)
	}
	return l, nil
}

// renew makes the rules on a directory hold for what is mounted there now.
func (s *ruleset) renew(dir string) error { return s.kernel.MakeEquivalent(dir, dir) }

// withdraw takes away all rules that the configuration brought.
func (s *ruleset) withdraw() error {
	_, err := s.apply(nil, false)
	return err
}

// isPausing reports whether some rule would be left alone for a while.
func (s *ruleset) isPausing() bool {
	for _, b := range s.backoff {
		if b.pausing(s.now()) {
			return true
		}
	}
	return false
}

// disarm deals with never,task as the configuration says.
func (s *ruleset) disarm(c config.Config) (found bool, err error) {
	loaded, err := rules.Loaded(s.kernel)
	if err != nil {
		return false, err
	}
	never := rules.NeverTask(loaded)
	if len(never) == 0 || c.Rules.OnNeverTask != "fix" {
		return len(never) > 0, nil
	}
	for i := range never {
		err := s.kernel.DeleteRule(never[i].Encode())
		if st, e := s.kernel.Status(); errors.Is(err, unix.EPERM) && e == nil && st.Enabled == kaudit.Immutable {
			_, err = rules.Disarm(c.Rules.PersistDir, s.now())
			return true, errors.Join(rules.ErrImmutable, err)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return true, err
		}
	}
	_, err = rules.Disarm(c.Rules.PersistDir, s.now())
	return true, err
}
