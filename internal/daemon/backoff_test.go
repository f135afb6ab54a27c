package daemon

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// A sharedKernel holds rules that other programs change, too, and tells of changes.
type sharedKernel struct {
	rules.Kernel // what is not needed panics
	mu           sync.Mutex
	loaded       [][]byte
	ours         []byte // the rule that the keeper is to keep
	added        int    // how often it was added
	changes      atomic.Uint64
	changed      func()
}

func (k *sharedKernel) Status() (kaudit.Status, error) {
	return kaudit.Status{Enabled: kaudit.Enabled}, nil
}

func (k *sharedKernel) ListRules() ([][]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.loaded), nil
}

func (k *sharedKernel) AddRule(rule []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if slices.Equal(rule, k.ours) {
		k.added++
	}
	k.loaded = append(k.loaded, rule)
	return nil
}

func (k *sharedKernel) DeleteRule([]byte) error { return unix.ENOENT }

// clear does what auditctl -D does, and tells of it.
func (k *sharedKernel) clear() {
	k.mu.Lock()
	k.loaded = nil
	k.mu.Unlock()
	k.changes.Add(1)
	k.changed()
}

// holds reports whether our rule is loaded.
func (k *sharedKernel) holds() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.loaded, func(r []byte) bool { return slices.Equal(r, k.ours) })
}

// keepOne runs a keeper of one rule during try.
func keepOne(t *testing.T, try func(kernel *sharedKernel, k *keeper)) {
	dir := t.TempDir()
	file, err := rules.ParseFile("my.rules", strings.NewReader("-a always,exit -F arch=b64 -S adjtimex -k ours\n"), rules.Options{Arch: "x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		kernel := &sharedKernel{ours: file.Rules[0].Encode()}
		c := config.Default()
		c.Watches = nil
		k := &keeper{
			rules: &ruleset{kernel: kernel, stateDir: dir, now: time.Now}, mounts: new(host.MountTable),
			notes: &notes{now: time.Now, wake: func() {}, count: func(string) {}}, log: zap.NewNop(), now: time.Now,
			changed: make(chan struct{}, 1), cfg: c, network: map[string]bool{}, places: map[string]*place{},
			files: []rules.Source{{Name: "/my.rules", Rules: file.Rules, Configured: true}},
		}
		kernel.changed = k.poke
		k.foreign.tell = k.tellForeign
		k.probe = newProber(k.mounts, probeEvery, k.poke)
		k.load = &loadWatch{list: kernel.ListRules, loader: func(bool) bool { return false }, log: zap.NewNop(), changes: &kernel.changes}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- k.run(ctx) }()
		try(kernel, k)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// back waits until our rule is loaded, and returns how long that took.
func (k *sharedKernel) back(t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	for look := time.NewTicker(100 * time.Millisecond); !k.holds(); <-look.C {
		if time.Since(begun) > 10*time.Minute {
			t.Fatal("our rule never came back")
		}
	}
	return time.Since(begun)
}

// TestRulesAfterManyLoads loads others' rules again and again, as configuration
// management and restarts of auditd do. After each load our rule comes back.
func TestRulesAfterManyLoads(t *testing.T) {
	for _, rest := range []time.Duration{0, time.Second, 7 * time.Second, 25 * time.Second, 50 * time.Second} {
		keepOne(t, func(kernel *sharedKernel, k *keeper) {
			kernel.clear()
			kernel.back(t)
			for i := range 30 {
				kernel.clear()
				if took := kernel.back(t); took > 20*time.Second {
					t.Errorf("rest of %v: after load %d our rule was back after %v", rest, i+1, took)
				}
				<-time.After(rest)
			}
			<-time.After(2 * time.Minute)
			if st := k.status(); len(st.Pausing) > 0 || k.pending() {
				t.Errorf("rest of %v: repairs still pause: %q", rest, st.Pausing)
			}
			if kernel.clear(); kernel.back(t) > 2*time.Second {
				t.Errorf("rest of %v: after two quiet minutes our rule was late", rest)
			}
		})
	}
}

// TestRepairsOfAFight has somebody take our rule away as soon as it is back. Repairs
// are few, and status and an event tell of the pauses.
func TestRepairsOfAFight(t *testing.T) {
	keepOne(t, func(kernel *sharedKernel, k *keeper) {
		kernel.clear()
		kernel.back(t)
		pauses := false
		for begun := time.Now(); time.Since(begun) < 10*time.Minute; {
			kernel.clear()
			<-time.After(3 * time.Second)
			pauses = pauses || len(k.status().Pausing) > 0
			kernel.back(t)
		}
		if kernel.added < 20 || kernel.added > 100 {
			t.Errorf("%d repairs in ten minutes", kernel.added)
		}
		told := bytes.Join(k.notes.queue, nil)
		if !pauses || !bytes.Contains(told, []byte("repair_pauses")) {
			t.Errorf("pauses in status %t; the notes: %q", pauses, told)
		}
	})
}
