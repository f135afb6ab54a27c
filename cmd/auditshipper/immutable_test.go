package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
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

// parsed makes a source of rule lines.
func parsed(t *testing.T, text string) rules.Source {
	t.Helper()
	file, err := rules.ParseFile("my.rules", strings.NewReader(text), rules.Options{Arch: "x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	return rules.Source{Name: "/my.rules", Rules: file.Rules, Settings: file.Settings}
}

// TestImmutable applies rules to a kernel that takes none until the next boot, and
// boots it.
func TestImmutable(t *testing.T) {
	const (
		watch = "-a always,exit -F arch=b64 -S unlinkat -F dir=/srv -k k\n"
		uring = "-a always,io_uring -S unlinkat -F dir=/srv -k k\n"
		never = "-a never,task\n"
	)
	for _, tt := range []struct {
		name, loaded, wanted string
		flags                applyFlags
		status               int
		persisted            bool
		says                 string // on stderr or by the error
	}{
		{"nothing to do", watch, watch, applyFlags{}, 0, false, ""},
		{"a rule is missing", "", watch, applyFlags{}, exitImmutable, false, "rules apply --persist"},
		{"a rule is missing and written", "", watch + uring, applyFlags{persist: true}, exitImmutable, true, "reboot: auditd loads"},
		{"what auditctl cannot load", watch, watch + uring, applyFlags{}, 0, false, "left out"},
		{"a setting that holds and a command", watch, watch + "-e 2\n", applyFlags{}, 0, false, ""},
		{"only looked at", "", watch, applyFlags{dryRun: true, persist: true}, 0, false, "need a reboot"},
		{"never,task", watch + never, watch, applyFlags{persist: true, fixNeverTask: true}, exitImmutable, true, "reboot: auditd loads"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c := config.Config{StateDir: filepath.Join(dir, "state")}
			c.Rules.PersistDir = filepath.Join(dir, "rules.d")
			k := &lockedKernel{loaded: parsed(t, tt.loaded).Rules}
			if err := ledger(t, c, parsed(t, strings.ReplaceAll(tt.loaded, never, ""))); err != nil {
				t.Fatal(err)
			}
			out, err := applied(c, k, parsed(t, tt.wanted), tt.flags)
			if got := status(err); got != tt.status || !strings.Contains(out, tt.says) {
				t.Errorf("exit status %d, want %d\n%s", got, tt.status, out)
			}
			text, err := os.ReadFile(filepath.Join(c.Rules.PersistDir, rules.PersistName))
			if errors.Is(err, os.ErrNotExist) == tt.persisted || tt.persisted && !strings.Contains(string(text), "\n-a always,exit -F arch=b64 -S unlinkat -F dir=/srv -F key=k\n") {
				t.Errorf("persisted: %v\n%s", err, text)
			}
			if !tt.persisted {
				return
			}
			k.loaded = parsed(t, watch).Rules // by auditd, at the boot
			if out, err := applied(c, k, parsed(t, tt.wanted), applyFlags{}); err != nil || strings.Contains(out, "somebody else's") {
				t.Errorf("after the boot: %v\n%s", err, out)
			}
		})
	}
}

// ledger makes the rules of a source ours.
func ledger(t *testing.T, c config.Config, s rules.Source) error {
	t.Helper()
	l, err := rules.OpenLedger(c.StateDir)
	if err != nil {
		return err
	}
	p := rules.MakePlan(nil, rules.State{}, []rules.Source{s})
	return errors.Join(p.Await(l), l.Close())
}

// applied applies a source, and returns what a person reads.
func applied(c config.Config, k rules.Kernel, s rules.Source, f applyFlags) (string, error) {
	var out bytes.Buffer
	cmd := &cobra.Command{}
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := ruleError(applyTo(cmd, k, c, []rules.Source{s}, nil, false, f))
	if err != nil {
		out.WriteString(err.Error())
	}
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		out.WriteString(" hint: " + h.Hint())
	}
	return out.String(), err
}
