package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

func rulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rules",
		Short:   "check, apply and list audit rules",
		Example: "  sudo auditshipper rules apply",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(rulesCheckCommand(), rulesExpandCommand(), rulesPlanCommand(), rulesApplyCommand(), rulesListCommand(), rulesRemoveCommand())
	return cmd
}

// wantedRules are the sources that a command is about: the files named, or all
// that the configuration names. Warnings go to stderr.
func wantedRules(cmd *cobra.Command, c config.Config, files []string, strict bool) (sources []rules.Source, warnings []string, err error) {
	o := rules.Options{Strict: strict}
	w := daemon.Wanted{}
	if len(files) == 0 {
		w, err = daemon.WantedRules(c, o)
	}
	for _, name := range files {
		s, warned, e := daemon.ReadRules(name, o)
		w.Sources, w.Warnings = append(w.Sources, s), append(w.Warnings, warned...)
		err = errors.Join(err, e)
	}
	for _, warning := range w.Warnings {
		warnings = append(warnings, warning.String())
		tellf(cmd.ErrOrStderr(), "%s", warning)
		if warning.Fix != "" {
			tellf(cmd.ErrOrStderr(), "hint: %s", warning.Fix)
		}
	}
	for _, waiting := range w.Waiting {
		warnings = append(warnings, "waits: "+waiting)
		tellf(cmd.ErrOrStderr(), "warning: watch waits: %s", waiting)
	}
	return w.Sources, warnings, err
}

// A rulesPlan is what is to be done, and what it was worked out from.
type rulesPlan struct {
	plan     rules.Plan
	loaded   []rules.Rule
	status   kaudit.Status
	warnings []string
	late     []rules.Rule // left out: see rules.Source.WithoutLate
}

// planRules compares the kernel with what is wanted of sources.
func planRules(k rules.Kernel, st rules.State, sources []rules.Source, configured bool) (p rulesPlan, err error) {
	if p.status, err = k.Status(); err != nil {
		return p, err
	}
	if p.loaded, err = rules.Loaded(k); err != nil {
		return p, err
	}
	if configured {
		sources = append(sources, rules.Gone(st, sources)...)
	}
	if p.status.Enabled == kaudit.Immutable {
		sources = p.withoutLate(sources)
	}
	p.plan = rules.MakePlan(p.loaded, st, sources)
	var settings []rules.Setting
	for _, s := range sources {
		settings = append(settings, s.Settings...)
	}
	p.plan.Settings, err = rules.NeededSettings(settings, k)
	return p, err
}

// withoutLate leaves out what cannot come any more.
func (p *rulesPlan) withoutLate(sources []rules.Source) []rules.Source {
	sources = slices.Clone(sources)
	for i, s := range sources {
		var late []rules.Rule
		sources[i], late = s.WithoutLate(func(r *rules.Rule) bool {
			return slices.ContainsFunc(p.loaded, func(o rules.Rule) bool { return o.Sum() == r.Sum() })
		})
		p.late = append(p.late, late...)
	}
	return sources
}

// tell prints a plan's lines, and on stderr what a person should know.
func (p *rulesPlan) tell(cmd *cobra.Command) error {
	for _, line := range p.plan.Lines() {
		if err := tellf(cmd.OutOrStdout(), "%s", line); err != nil {
			return err
		}
	}
	for _, note := range p.notes() {
		tellf(cmd.ErrOrStderr(), "%s", note)
	}
	return nil
}

// notes are what a plan does not say by its lines.
func (p *rulesPlan) notes() []string {
	var notes []string
	for _, r := range p.plan.Foreign {
		notes = append(notes, fmt.Sprintf("note: was there before and stays somebody else's: %s", r.String()))
	}
	for _, h := range p.plan.Hidden {
		if h.What != "" {
			notes = append(notes, "warning: "+h.String())
			continue
		}
		notes = append(notes, fmt.Sprintf("warning: matches nothing, since %s comes first: %s", h.By.String(), h.Rule.String()))
	}
	for _, r := range p.late {
		notes = append(notes, fmt.Sprintf("note: left out, since the rules are immutable and auditctl does not load such a rule at boot: %s", r.String()))
	}
	if p.status.Enabled == kaudit.Immutable && !p.plan.Empty() {
		notes = append(notes, "note: the rules are immutable (enabled 2): these changes need a reboot; rules apply --persist writes them for it")
	}
	if p.status.Enabled == kaudit.Disabled && !p.switchesOn() {
		notes = append(notes, "note: auditing is off (enabled 0): rules see nothing until somebody switches it on, such as the daemon or auditctl -e 1")
	}
	return notes
}

func (p *rulesPlan) switchesOn() bool {
	for _, s := range p.plan.Settings {
		if s.Name == "e" && s.Value != 0 {
			return true
		}
	}
	return false
}

// writeJSON prints the plan for programs.
func (p *rulesPlan) writeJSON(w io.Writer, more map[string]any) error {
	added, removed, settings := []string{}, []string{}, []string{}
	for _, s := range p.plan.Steps {
		if s.Delete {
			removed = append(removed, s.Rule.String())
		} else {
			added = append(added, s.Rule.AddLine())
		}
	}
	for _, s := range p.plan.Settings {
		settings = append(settings, s.String())
	}
	out := map[string]any{"added": added, "removed": removed, "settings": settings, "notes": append(p.notes(), p.warnings...)}
	for key, value := range more {
		out[key] = value
	}
	return json.NewEncoder(w).Encode(out)
}

// openControl opens the kernel's command socket, with a hint for whoever may not.
func openControl() (*kaudit.Control, error) {
	k, err := kaudit.OpenControl()
	if err != nil {
		return nil, err
	}
	if _, err := k.Status(); err != nil {
		return nil, errors.Join(needsRoot(err), k.Close())
	}
	return k, nil
}

// needsRoot adds a hint to what the kernel refuses, unless there is one already.
func needsRoot(err error) error {
	if refused := (*kaudit.RefusedError)(nil); errors.As(err, &refused) || !errors.Is(err, unix.EPERM) {
		return err
	}
	return hinted{err, "this needs CAP_AUDIT_CONTROL; run it as root, in a container with --cap-add AUDIT_CONTROL"}
}

// ruleError gives an error of rules the exit status that the contract has for it.
func ruleError(err error) error {
	var faults rules.Errors
	var fault *rules.ParseError
	var refused *rules.RefusedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rules.ErrNeverTask):
		return withStatus(exitRefused, hinted{err, "auditshipper rules apply --fix-never-task"})
	case errors.Is(err, rules.ErrImmutable):
		if h := (hinted{}); errors.As(err, &h) {
			return withStatus(exitImmutable, err)
		}
		return withStatus(exitImmutable, hinted{err, "auditshipper rules apply --persist writes them for the next boot"})
	case errors.As(err, &refused): // by the kernel, as things are now
		return err
	case errors.As(err, &faults), errors.As(err, &fault), errors.Is(err, os.ErrNotExist):
		return withStatus(exitUsage, err)
	}
	return err
}

func rulesPlanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan [FILE...]",
		Short: "print what apply would do",
		Long: `Plan compares the kernel's rules with those of the files, or of the
configuration, and prints what apply would add (+) and delete (-).

exit status:
  0  there is nothing to do
  2  a rule is wrong
  3  there are differences`,
		Example: "  sudo auditshipper rules plan my.rules",
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			strict, _ := cmd.Flags().GetBool("strict")
			asJSON, _ := cmd.Flags().GetBool("json")
			p, err := planOf(cmd, c, files, strict)
			if err != nil {
				return ruleError(err)
			}
			if asJSON {
				err = p.writeJSON(cmd.OutOrStdout(), nil)
			} else {
				err = p.tell(cmd)
			}
			if err == nil && !p.plan.Empty() {
				return withStatus(exitDiffers, quiet{})
			}
			return err
		},
	}
	cmd.Flags().Bool("strict", false, "refuse lines with system calls that this architecture lacks")
	cmd.Flags().Bool("json", false, "print JSON")
	return cmd
}

// planOf plans without changing or locking anything.
func planOf(cmd *cobra.Command, c config.Config, files []string, strict bool) (rulesPlan, error) {
	sources, warnings, err := wantedRules(cmd, c, files, strict)
	if err != nil {
		return rulesPlan{}, err
	}
	k, err := openControl()
	if err != nil {
		return rulesPlan{}, err
	}
	st, err := rules.ReadState(c.StateDir)
	if err != nil {
		return rulesPlan{}, errors.Join(err, k.Close())
	}
	p, err := planRules(k, st, sources, len(files) == 0)
	p.warnings = warnings
	return p, errors.Join(err, k.Close())
}

// bootID names this boot of the kernel.
func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}
