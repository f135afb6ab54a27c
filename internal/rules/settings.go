package rules

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// loginUIDImmutable is AUDIT_FEATURE_LOGINUID_IMMUTABLE as a bit.
const loginUIDImmutable = kaudit.FeatureLoginUIDImmutable

// late settings come after the rules, in this order: -q needs them, and -e 2
// forbids everything behind it.
var late = []string{"q", "t", "e"}

// splitSettings returns the settings to be carried out before the rules, and
// those after them.
func splitSettings(all []Setting) (before, after []Setting) {
	for _, s := range all {
		if !slices.Contains(late, s.Name) {
			before = append(before, s)
		}
	}
	for _, name := range late {
		for _, s := range all {
			if s.Name == name {
				after = append(after, s)
			}
		}
	}
	return before, after
}

// NeededSettings returns those that do not hold yet, of each kind the last one,
// and the commands, which are done every time.
func NeededSettings(all []Setting, k Kernel) ([]Setting, error) {
	st, err := k.Status()
	if err != nil {
		return nil, err
	}
	var need []Setting
	for i, s := range all {
		again := func(t Setting) bool { return t.Name == s.Name && t.From == s.From && t.To == s.To }
		if slices.ContainsFunc(all[i+1:], again) {
			continue
		}
		holds, err := s.holds(st, k)
		if err != nil {
			return nil, err
		}
		if !holds {
			need = append(need, s)
		}
	}
	return need, nil
}

func (s Setting) holds(st kaudit.Status, k Kernel) (bool, error) {
	if s.Name == "loginuid-immutable" {
		on, _, err := k.Features()
		return on&loginUIDImmutable != 0, err
	}
	now, ok := s.of(st)
	return ok && now == s.Value, nil
}

// of returns the setting's value in a status, if it is one that has a value.
func (s Setting) of(st kaudit.Status) (value uint32, ok bool) {
	if at := s.in(&st); at != nil {
		return *at, true
	}
	return 0, false
}

// in is where a status has the setting, nil if it has not.
func (s Setting) in(st *kaudit.Status) *uint32 {
	switch s.Name {
	case "b":
		return &st.BacklogLimit
	case "f":
		return &st.Failure
	case "r":
		return &st.RateLimit
	case "e":
		return &st.Enabled
	case "backlog_wait_time":
		return &st.BacklogWaitTime
	}
	return nil
}

// Do carries the setting out.
func (s Setting) Do(k Kernel) error { return s.carryOut(k, kaudit.Status{}, new(undo)) }

// carryOut does what the setting says. st is the status to go back to.
func (s Setting) carryOut(k Kernel, st kaudit.Status, u *undo) error {
	set := func(do func(uint32) error, was uint32) error {
		if err := do(s.Value); err != nil {
			return err
		}
		u.later(func() error { return do(was) })
		return nil
	}
	var err error
	switch s.Name {
	case "b":
		err = set(k.SetBacklogLimit, st.BacklogLimit)
	case "f":
		err = set(k.SetFailure, st.Failure)
	case "r":
		err = set(k.SetRateLimit, st.RateLimit)
	case "e":
		err = set(k.SetEnabled, st.Enabled)
	case "backlog_wait_time":
		err = set(k.SetBacklogWaitTime, st.BacklogWaitTime)
	case "loginuid-immutable":
		err = k.SetFeature(loginUIDImmutable, loginUIDImmutable, loginUIDImmutable)
	case "reset-lost":
		_, err = k.ResetLost()
	case "reset_backlog_wait_time_actual":
		_, err = k.ResetBacklogWaitTimeActual()
	case "q":
		err = k.MakeEquivalent(s.From, s.To)
	case "t":
		err = k.Trim()
	default:
		err = fmt.Errorf("unknown setting %s", s.Name)
	}
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("not permitted (EPERM): %w", err)
	}
	if s.File == "" {
		return fmt.Errorf("%s: %w", s, err)
	}
	return fmt.Errorf("%s:%d: %s: %w", s.File, s.Line, s, err)
}
