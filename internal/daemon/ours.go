package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/rules"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// ownKeys are the keys by which an event tells that a rule of ours asked for it.
type ownKeys struct {
	Keys    map[string]bool `json:"keys"`
	Keyless bool            `json:"keyless,omitempty"` // a rule of ours has no key
}

// ours tells the events that our rules asked for from those that another audit
// daemon's rules, or the kernel and its user space by themselves, made. The keys
// of rules that were ours stay ours until all events of that time are delivered.
type ours struct {
	stateDir string
	log      *zap.Logger
	now      func() time.Time
	others   atomic.Uint64 // events that were not delivered
	all      atomic.Bool   // everything is delivered

	watches atomic.Pointer[[]watched]

	mu      sync.Mutex // of changes of keys
	keys    atomic.Pointer[ownKeys]
	ledger  time.Time // of the file that says which rules are ours, as it was read
	checked time.Time // when that was looked at
}

// A watched is a directory of the configuration, and the actions that are looked for in
// it. The first rule that matches gives an event its key, so that a foreign rule in
// front of ours takes the key away.
type watched struct {
	dir     string
	actions []string
}

// watchedBy returns what the watches of a configuration look for.
func watchedBy(c config.Config) *[]watched {
	list := make([]watched, 0, len(c.Watches))
	for _, w := range c.Watches {
		at := watched{dir: w.Path, actions: w.Ops}
		if slices.Contains(w.Ops, "link") {
			at.actions = append(slices.Clip(at.actions), "symlink")
		}
		list = append(list, at)
	}
	return &list
}

// watchesFor reports whether an event is what a watch looks for. Of a path that could not be
// resolved it may be.
func (o *ours) watchesFor(e *event.Event) bool {
	list := o.watches.Load()
	if list == nil || e.Syscall == "" {
		return false
	}
	return slices.ContainsFunc(*list, func(w watched) bool {
		return slices.Contains(w.actions, e.Action) && (w.holds(e.Path) || w.holds(e.Dest))
	})
}

func (w watched) holds(n event.Name) bool {
	if n.From == event.FromUnresolved {
		return true
	}
	path := n.Path
	if len(path) == 0 {
		path = n.Dir
	}
	return host.Below(string(path), w.dir)
}

// keysName is the file of the keys that were ours.
const keysName = "keys"

// newOurs reads which rules are ours. left says that events of earlier rules may
// not be delivered yet.
func newOurs(stateDir string, left bool, log *zap.Logger) *ours {
	o := &ours{stateDir: stateDir, log: log, now: time.Now}
	o.keys.Store(&ownKeys{Keys: map[string]bool{}})
	if left {
		o.recall()
	}
	o.heedLedger()
	return o
}

// recall adds the keys of earlier rules.
func (o *ours) recall() {
	text, err := safefile.ReadFile(filepath.Join(o.stateDir, keysName))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var was ownKeys
	if err == nil {
		err = json.Unmarshal(text, &was)
	}
	if err != nil {
		o.log.Warn("keys of earlier rules are not known: everything is delivered", zap.Error(err))
		o.all.Store(true)
		return
	}
	o.add(was)
}

// configure adds the keys that a configuration names. A rule file with faults
// has none.
func (o *ours) configure(c config.Config) {
	own := ownKeys{Keys: map[string]bool{}}
	for _, w := range c.Watches {
		own.addKey(w.Key)
	}
	sources, _, err := fileRules(c.Rules.Files, rules.Options{})
	if err != nil {
		o.log.Warn("rule files with faults have no events of ours", zap.Error(err))
	}
	for _, s := range sources {
		own.addRules(s.Rules)
	}
	o.add(own)
	o.watches.Store(watchedBy(c))
	k := o.keys.Load()
	lines := c.Source.Mode == modeFile || c.Source.Mode == modeStdin
	o.all.Store(c.Events == "all" || lines && len(k.Keys) == 0 && !k.Keyless) // another daemon's log, and nothing to tell ours by
}

func (k *ownKeys) addRules(list []rules.Rule) {
	for i := range list {
		for key := range strings.SplitSeq(list[i].Key(), "\x01") {
			k.addKey(key)
		}
	}
}

func (k *ownKeys) addKey(key string) {
	if key == "" {
		k.Keyless = true
		return
	}
	k.Keys[key] = true
}

// add makes more keys ours, and writes them down.
func (o *ours) add(more ownKeys) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k := o.keys.Load()
	next := &ownKeys{Keys: maps.Clone(k.Keys), Keyless: k.Keyless || more.Keyless}
	maps.Copy(next.Keys, more.Keys)
	if len(next.Keys) == len(k.Keys) && next.Keyless == k.Keyless {
		return
	}
	o.keys.Store(next)
	err := replaceState(filepath.Join(o.stateDir, keysName), func(w io.Writer) error { return json.NewEncoder(w).Encode(next) })
	if err != nil {
		o.log.Warn("keys of our rules are not kept for the next start", zap.Error(err))
	}
}

// has reports whether an event is ours, and counts it if not. Losses, what we
// did and changes of rules are everybody's. An event that came in part may lack
// the very record that has the key.
func (o *ours) has(e *event.Event) bool {
	if o.all.Load() {
		return true
	}
	switch {
	case e.Action == "rules":
		o.heedLedger() // it is written before the kernel gets a rule
		return true
	case e.Action == "gap" || e.Action == "daemon" || e.Partial && len(e.Key) == 0 || o.keys.Load().has(e), o.watchesFor(e):
		return true
	}
	if o.now().Sub(o.checked) >= time.Second {
		o.heedLedger()
		if o.keys.Load().has(e) {
			return true
		}
	}
	o.others.Add(1)
	return false
}

func (k *ownKeys) has(e *event.Event) bool {
	if len(e.Key) == 0 {
		return k.Keyless && e.Syscall != ""
	}
	for key := range bytes.SplitSeq(e.Key, []byte(",")) {
		if k.Keys[string(key)] {
			return true
		}
	}
	for key := range k.Keys {
		if strings.Contains(key, ",") && strings.Contains(","+string(e.Key)+",", ","+key+",") {
			return true
		}
	}
	return false
}

// heedLedger adds the keys of rules that were applied as ours, also by hand.
func (o *ours) heedLedger() {
	o.checked = o.now()
	st, err := os.Lstat(filepath.Join(o.stateDir, "rules.applied"))
	if err != nil || st.ModTime().Equal(o.ledger) {
		return
	}
	state, err := rules.ReadState(o.stateDir)
	if err != nil {
		o.log.Warn("rules applied by hand have no events of ours", zap.Error(err))
		return
	}
	o.ledger = st.ModTime()
	own := ownKeys{Keys: map[string]bool{}}
	for _, a := range state.Sources {
		for _, r := range a.Rules {
			file, err := rules.ParseFile(a.Source, strings.NewReader(r.Rule), rules.Options{})
			if err != nil {
				o.log.Warn("a rule of ours is not understood", zap.String("rule", r.Rule), zap.Error(fmt.Errorf("parse rule: %w", err)))
				continue
			}
			own.addRules(file.Rules)
		}
	}
	o.add(own)
}
