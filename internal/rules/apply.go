package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// A Kernel takes rules and settings; kaudit.Control is one.
type Kernel interface {
	Status() (kaudit.Status, error)
	ListRules() ([][]byte, error)
	AddRule(rule []byte) error
	DeleteRule(rule []byte) error

	SetEnabled(v uint32) error
	SetFailure(v uint32) error
	SetRateLimit(v uint32) error
	SetBacklogLimit(v uint32) error
	SetBacklogWaitTime(v uint32) error
	ResetLost() (uint32, error)
	ResetBacklogWaitTimeActual() (uint32, error)
	Trim() error
	MakeEquivalent(from, to string) error
	Features() (features, lock uint32, err error)
	SetFeature(mask, features, lock uint32) error
}

// ErrImmutable means that the kernel takes no changes until it is booted again.
var ErrImmutable = errors.New("the audit rules are immutable until the next boot (enabled 2)")

// Loaded returns the kernel's rules, in its order.
func Loaded(k Kernel) ([]Rule, error) {
	raw, err := k.ListRules()
	if err != nil {
		return nil, err
	}
	list := make([]Rule, len(raw))
	for i, b := range raw {
		if list[i], err = Decode(b); err != nil {
			return nil, fmt.Errorf("rule %d of the kernel: %w", i+1, err)
		}
	}
	return list, nil
}

// A RefusedError is a rule that the kernel did not take, or did not give up.
type RefusedError struct {
	Rule   Rule
	Delete bool
	Err    error
}

func (e *RefusedError) Error() string {
	text := "the kernel refuses the rule"
	if e.Delete {
		text = "the kernel does not delete the rule"
	}
	text = fmt.Sprintf("%s: %s (%s)", text, reason(e.Err), e.Rule.String())
	if e.Rule.File != "" {
		return fmt.Sprintf("%s:%d: %s", e.Rule.File, e.Rule.Line, text)
	}
	return text
}

func (e *RefusedError) Unwrap() error { return e.Err }

// reason says in words what the kernel's error means for a rule.
func reason(err error) string {
	for errno, words := range map[unix.Errno]string{
		unix.EINVAL:       "a field, operator or value that this kernel does not know",
		unix.ENOENT:       "the path or its parent directory does not exist",
		unix.ENOTDIR:      "a part of the path is not a directory",
		unix.ENAMETOOLONG: "the path is too long",
		unix.ELOOP:        "the path has too many symlinks",
		unix.EPERM:        "not permitted; CAP_AUDIT_CONTROL is needed, outside of pid namespaces",
		unix.ECONNREFUSED: "the audit system is disabled in this user namespace",
		unix.ENOMEM:       "out of memory",
		unix.EOPNOTSUPP:   "this kernel cannot do that",
	} {
		if errors.Is(err, errno) {
			return fmt.Sprintf("%s (%s)", words, unix.ErrnoName(errno))
		}
	}
	return err.Error()
}

// Apply carries the plan out: all of it or, if the kernel refuses a part,
// nothing. The ledger is written before the kernel is changed, so that no rule
// of ours can be forgotten, and again afterwards.
func (p *Plan) Apply(k Kernel, l *Ledger) error {
	st, err := k.Status()
	if err != nil {
		return err
	}
	if st.Enabled == kaudit.Immutable && p.changes() {
		return ErrImmutable
	}
	before := l.State
	l.State = union(before, p.next)
	if len(p.Steps) > 0 {
		if err := l.Save(); err != nil {
			return err
		}
	}
	u := new(undo)
	if err := p.carryOut(k, st, u); err != nil {
		err = errors.Join(err, u.all(), p.rollBack(k, before, l.State))
		l.State = before
		return errors.Join(err, l.Save())
	}
	l.State = p.next
	return l.Save()
}

// changes reports whether the plan changes what the kernel locks with enabled 2.
// Commands such as -q are taken then, too.
func (p *Plan) changes() bool {
	locked := func(s Setting) bool { return s.in(new(kaudit.Status)) != nil }
	return len(p.Steps) > 0 || slices.ContainsFunc(p.Settings, locked)
}

// Await writes down what is ours at the next boot, if auditd loads it then, and in
// the kernel until that.
func (p *Plan) Await(l *Ledger) error {
	l.State = union(l.State, p.next)
	return l.Save()
}

// everything is the source that all rules of ours are while a plan is taken back.
const everything = "everything"

// rollBack brings the kernel back to what it held when the plan was made, in
// that order, by a plan of its own. now is what is ours at the moment.
func (p *Plan) rollBack(k Kernel, before, now State) error {
	loaded, err := Loaded(k)
	if err != nil {
		return fmt.Errorf("take back what was done: %w", err)
	}
	all := Applied{Source: everything}
	for _, a := range now.Sources {
		all.Rules = append(all.Rules, a.Rules...)
	}
	back := MakePlan(loaded, State{Sources: []Applied{all}}, []Source{before.restore(p.kernel)})
	var errs []error
	for _, s := range back.Steps {
		if err := s.carryOut(k); err != nil {
			errs = append(errs, fmt.Errorf("take back what was done: %w", err))
		}
	}
	return errors.Join(errs...)
}

// restore returns a source with all rules of ours as the kernel has them. What
// was put first is listed in reverse.
func (s *State) restore(kernel []Rule) Source {
	all := Source{Name: everything}
	for _, r := range kernel {
		switch o, ours := s.find(r.Sum()); {
		case !ours:
		case strings.HasPrefix(o.Rule, "-A "):
			r.First = true
			all.Rules = slices.Insert(all.Rules, 0, r)
		default:
			all.Rules = append(all.Rules, r)
		}
	}
	return all
}

// union is what may be ours while a plan is carried out.
func union(a, b State) State {
	u := b.clone()
	for _, was := range a.Sources {
		now := u.source(was.Source)
		now.Configured = now.Configured || was.Configured
		for _, o := range was.Rules {
			if !now.has(o.Sum) {
				now.Rules = append(now.Rules, o)
			}
		}
		u.put(now)
	}
	return u
}

func (p *Plan) carryOut(k Kernel, st kaudit.Status, u *undo) error {
	early, late := splitSettings(p.Settings)
	for _, s := range early {
		if err := s.carryOut(k, st, u); err != nil {
			return err
		}
	}
	for _, s := range p.Steps {
		if err := s.carryOut(k); err != nil {
			return err
		}
	}
	for _, s := range late {
		if err := s.carryOut(k, st, u); err != nil {
			return err
		}
	}
	return nil
}

// carryOut adds or deletes a rule. One that somebody else added or deleted in
// the meantime is as it should be.
func (s *Step) carryOut(k Kernel) error {
	if s.Delete {
		if err := k.DeleteRule(s.Rule.Encode()); err != nil && !errors.Is(err, unix.ENOENT) {
			return &RefusedError{s.Rule, true, err}
		}
		return nil
	}
	if err := k.AddRule(s.Rule.addRequest()); err != nil && !errors.Is(err, unix.EEXIST) {
		return &RefusedError{s.Rule, false, err}
	}
	return nil
}

// undo puts settings back.
type undo struct{ steps []func() error }

func (u *undo) later(f func() error) { u.steps = append(u.steps, f) }

// all takes everything back, the last first.
func (u *undo) all() error {
	var errs []error
	for _, f := range slices.Backward(u.steps) {
		if err := f(); err != nil {
			errs = append(errs, fmt.Errorf("put a setting back: %w", err))
		}
	}
	return errors.Join(errs...)
}
