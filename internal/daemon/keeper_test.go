package daemon

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// A busyKernel answers too late for a while.
type busyKernel struct {
	rules.Kernel // what is not needed panics
	until        time.Time
	answers      int
}

func (k *busyKernel) ListRules() ([][]byte, error) {
	if time.Now().Before(k.until) {
		return nil, fmt.Errorf("list audit rules: %w", os.ErrDeadlineExceeded)
	}
	k.answers++
	return nil, nil
}

func (k *busyKernel) Status() (kaudit.Status, error) {
	return kaudit.Status{Enabled: kaudit.Enabled}, nil
}

// TestKeeperTriesAgain has a mount come while the kernel answers too late. Nothing else
// changes afterwards.
func TestKeeperTriesAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		kernel := &busyKernel{until: time.Now().Add(3 * time.Second)}
		ctx, stop := context.WithTimeout(context.Background(), 8*time.Second) // before the next recheck
		defer stop()
		c := config.Default()
		c.Watches = nil
		k := &keeper{
			rules: &ruleset{kernel: kernel, stateDir: dir, now: time.Now}, mounts: new(host.MountTable),
			notes: &notes{now: time.Now, wake: func() {}, count: func(string) {}}, log: zap.NewNop(), now: time.Now,
			changed: make(chan struct{}, 1), cfg: c, network: map[string]bool{}, places: map[string]*place{},
		}
		k.foreign.tell = k.tellForeign
		k.probe = newProber(k.mounts, probeEvery, k.poke)
		// The rules that the load watch sees stay the same all the time.
		k.load = &loadWatch{list: func() ([][]byte, error) { return nil, nil }, loader: func(bool) bool { return false }, log: zap.NewNop(), changes: new(atomic.Uint64)}
		k.poke() // the mount
		if err := k.run(ctx); err != nil {
			t.Fatal(err)
		}
		if kernel.answers == 0 || k.trouble != "" {
			t.Errorf("the kernel was asked %d times once it answered, trouble %q", kernel.answers, k.trouble)
		}
	})
}
