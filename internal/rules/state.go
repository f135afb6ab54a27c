package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/safefile"
)

// Files of a state directory.
const (
	stateName = "rules.applied"
	lockName  = "rules.lock"
)

// A State is what is ours among the kernel's rules: every source with the rules
// that were added for it.
type State struct {
	Sources []Applied `json:"sources"`

	// Removed are rules that a person took away, of a source that still names
	// them. They stay away until somebody applies that source, or the machine
	// starts anew.
	Removed []Owned `json:"removed,omitempty"`
	Boot    string  `json:"boot_id,omitempty"` // in which Removed was said
}

// Applied is what was made of one source.
type Applied struct {
	Source     string   `json:"source"`
	Configured bool     `json:"configured,omitempty"` // the configuration names it
	Rules      []Owned  `json:"rules"`
	Settings   []string `json:"settings,omitempty"` // as lines
}

// Owned names a rule: by its line for people, by the sum of its bytes for us.
type Owned struct {
	Rule string `json:"rule"`
	Sum  string `json:"sum"`
}

// own returns the name of a rule.
func own(r *Rule) Owned { return Owned{r.AddLine(), r.Sum()} }

// Sum is the SHA-256 of the rule's bytes in the kernel, in hex: two rules with
// the same sum are one to the kernel.
func (r *Rule) Sum() string {
	sum := sha256.Sum256(r.Encode())
	return hex.EncodeToString(sum[:])
}

// Owner returns the source that a rule was added for, empty for nobody's.
func (s *State) Owner(r *Rule) string {
	sum := r.Sum()
	for _, a := range s.Sources {
		if a.has(sum) {
			return a.Source
		}
	}
	return ""
}

// find returns the rule of ours with a sum.
func (s *State) find(sum string) (Owned, bool) {
	for _, a := range s.Sources {
		if i := slices.IndexFunc(a.Rules, func(o Owned) bool { return o.Sum == sum }); i >= 0 {
			return a.Rules[i], true
		}
	}
	return Owned{}, false
}

func (a *Applied) has(sum string) bool { return contains(a.Rules, sum) }

func contains(rules []Owned, sum string) bool {
	return slices.ContainsFunc(rules, func(o Owned) bool { return o.Sum == sum })
}

// source returns what was applied for a source.
func (s *State) source(name string) Applied {
	i := slices.IndexFunc(s.Sources, func(a Applied) bool { return a.Source == name })
	if i < 0 {
		return Applied{Source: name}
	}
	return s.Sources[i]
}

// put makes a what was applied for its source; a source without rules and
// settings is forgotten.
func (s *State) put(a Applied) {
	i := slices.IndexFunc(s.Sources, func(b Applied) bool { return a.Source == b.Source })
	switch {
	case len(a.Rules) == 0 && len(a.Settings) == 0 && i < 0:
	case len(a.Rules) == 0 && len(a.Settings) == 0:
		s.Sources = slices.Delete(s.Sources, i, i+1)
	case i < 0:
		s.Sources = append(s.Sources, a)
	default:
		s.Sources[i] = a
	}
}

// clone returns a State that shares nothing.
func (s *State) clone() State {
	c := *s
	c.Removed = slices.Clone(s.Removed)
	c.Sources = slices.Clone(s.Sources)
	for i := range c.Sources {
		c.Sources[i].Rules = slices.Clone(c.Sources[i].Rules)
	}
	return c
}

// ReadState reads the state of a directory. One without the file has none.
func ReadState(path string) (State, error) {
	s, _, err := readState(path)
	return s, err
}

func readState(path string) (s State, text []byte, err error) {
	dir, err := safefile.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil, nil
	}
	if err != nil {
		return s, nil, err
	}
	s, text, err = readStateIn(dir)
	return s, text, errors.Join(err, dir.Close())
}

func readStateIn(dir *safefile.Dir) (s State, text []byte, err error) {
	text, err = dir.ReadFile(stateName)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil, nil
	}
	if err != nil {
		return s, nil, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, nil, fmt.Errorf("%s is not readable: %w", filepath.Join(dir.Path(), stateName), err)
	}
	return s, text, nil
}

// Add makes what is o's ours as well.
func (s *State) Add(o State) { *s = union(o, *s) }

// Configured are the names of the sources that the configuration made.
func (s *State) Configured() []string {
	var names []string
	for _, a := range s.Sources {
		if a.Configured {
			names = append(names, a.Source)
		}
	}
	return names
}

// A Ledger is the state of a directory, locked: the daemon and a person may want
// to change rules at the same moment.
type Ledger struct {
	State
	dir   *safefile.Dir
	lock  *os.File
	saved []byte // the file's text
}

// OpenLedger waits for the lock of a state directory, which it makes if need
// be, and reads its state.
func OpenLedger(path string) (*Ledger, error) {
	dir, err := safefile.Make(path)
	if err != nil {
		return nil, err
	}
	l := &Ledger{dir: dir}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *Ledger) open() (err error) {
	if l.lock, err = l.dir.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := l.await(); err != nil {
		return fmt.Errorf("lock %s: %w", l.lock.Name(), err)
	}
	l.State, l.saved, err = readStateIn(l.dir)
	return err
}

// lockWait is how long another process may hold the lock. Applying 1,000 rules
// takes a tenth of that.
const lockWait = 2 * time.Minute

// await waits for the lock, but not for ever: whoever owns the directory could
// hold it.
func (l *Ledger) await() error {
	for deadline := time.Now().Add(lockWait); ; time.Sleep(20 * time.Millisecond) {
		err := unix.Flock(int(l.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != unix.EINTR && err != unix.EWOULDBLOCK || time.Now().After(deadline) {
			return err
		}
	}
}

// NewLedger returns a Ledger that is kept in memory only, for when there is no
// room on the disk: rules in the kernel matter more than knowing whose they are.
func NewLedger(s State) *Ledger { return &Ledger{State: s} }

// Close gives the lock back.
func (l *Ledger) Close() error {
	if l.dir == nil {
		return nil
	}
	err := l.dir.Close()
	if l.lock != nil {
		err = errors.Join(err, l.lock.Close())
	}
	return err
}

// Save writes the state; after a crash either the old or the new one is there.
func (l *Ledger) Save() error {
	if l.lock == nil {
		return nil
	}
	text, err := json.MarshalIndent(&l.State, "", "\t")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if bytes.Equal(text, l.saved) || l.saved == nil && len(l.Sources)+len(l.Removed) == 0 {
		return nil
	}
	if err := l.dir.ReplaceText(stateName, 0o600, text); err != nil {
		return err
	}
	l.saved = text
	return nil
}
