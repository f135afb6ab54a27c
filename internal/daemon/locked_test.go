package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// A lockedKernel has immutable rules.
type lockedKernel struct {
	rules.Kernel // what is not needed panics
	loaded       []rules.Rule
}

func (k *lockedKernel) Status() (kaudit.Status, error) {
	return kaudit.Status{Enabled: kaudit.Immutable}, nil
}

func (k *lockedKernel) ListRules() ([][]byte, error) {
	var raw [][]byte
	for i := range k.loaded {
		raw = append(raw, k.loaded[i].Encode())
	}
	return raw, nil
}

func (k *lockedKernel) AddRule([]byte) error    { return unix.EPERM }
func (k *lockedKernel) DeleteRule([]byte) error { return unix.EPERM }

// TestLockedRules counts as missing what a boot can bring, and not what it cannot.
func TestLockedRules(t *testing.T) {
	const (
		watch = "-a always,exit -F arch=b64 -S unlinkat -F dir=/srv -k k\n"
		uring = "-a always,io_uring -S unlinkat -F dir=/srv -k k\n"
	)
	for _, tt := range []struct {
		name, loaded, wanted    string
		inEffect, want, nowLate int
		err                     error
	}{
		{"all", watch + uring, watch + uring, 2, 2, 0, nil},
		{"auditctl left out what it cannot load", watch, watch + uring, 1, 1, 1, nil},
		{"a boot is needed", uring, watch + uring, 1, 2, 0, rules.ErrImmutable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parse := func(text string) rules.Source {
				file, err := rules.ParseFile("my.rules", strings.NewReader(text), rules.Options{Arch: "x86_64"})
				if err != nil {
					t.Fatal(err)
				}
				return rules.Source{Name: "/my.rules", Rules: file.Rules, Configured: true}
			}
			s := &ruleset{kernel: &lockedKernel{loaded: parse(tt.loaded).Rules}, stateDir: t.TempDir(), now: time.Now}
			o, err := s.apply([]rules.Source{parse(tt.wanted)}, true)
			if !errors.Is(err, tt.err) || o.loaded != tt.inEffect || o.wanted != tt.want || len(o.late) != tt.nowLate {
				t.Errorf("%d of %d, late %q, %v", o.loaded, o.wanted, o.late, err)
			}
		})
	}
}

// TestLockedNeverTask starts although never,task cannot be taken away.
func TestLockedNeverTask(t *testing.T) {
	file, err := rules.ParseFile("my.rules", strings.NewReader("-a never,task\n"), rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Rules.OnNeverTask, c.Rules.PersistDir = "fix", t.TempDir()
	set := &ruleset{kernel: &lockedKernel{loaded: file.Rules}, now: time.Now}
	n := &notes{now: time.Now, wake: func() {}, count: func(string) {}}
	k := &keeper{rules: set, cfg: c, notes: n, log: zap.NewNop()}
	if err := k.checkNeverTask(); err != nil || !k.never {
		t.Errorf("%v, told %t", err, k.never)
	}
}
