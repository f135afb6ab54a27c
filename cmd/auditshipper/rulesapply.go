package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// applyFlags are the flags of rules apply.
type applyFlags struct {
	persist, fixNeverTask, dryRun, json, strict bool
}

func rulesApplyCommand() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply [FILE...]",
		Short: "make the kernel's rules ours as the files say",
		Long: `Apply makes the kernel hold exactly the rules of each file for that file, or,
without a file, those of the configuration's watches and rule files. What others
loaded stays, in its order. All of it happens or, if the kernel refuses a rule,
nothing; the second time nothing is changed.

Lines that are not rules (-b -f -r -e and so on) are carried out, -e last.
Auditing is not switched on otherwise.

exit status:
  0  the kernel holds what the files say
  1  the kernel refused
  2  a file is wrong
  4  never,task is loaded: it would not work (see --fix-never-task)
  5  the rules are immutable until the next boot; --persist has written them for it`,
		Example: "  sudo auditshipper rules apply --persist my.rules",
		RunE: func(cmd *cobra.Command, files []string) error {
			c, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return ruleError(applyRules(cmd, c, files, f))
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.persist, "persist", false, "write the rules to rules.persist_dir too, where auditd loads them at its start")
	flags.BoolVar(&f.fixNeverTask, "fix-never-task", false, "take -a never,task out of the kernel and of the files in rules.persist_dir")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would be done and do nothing")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVar(&f.strict, "strict", false, "refuse lines with system calls that this architecture lacks")
	return cmd
}

func applyRules(cmd *cobra.Command, c config.Config, files []string, f applyFlags) (err error) {
	sources, warnings, err := wantedRules(cmd, c, files, f.strict)
	if err != nil {
		return err
	}
	if sources, err = withoutNeverTask(cmd, sources, f); err != nil {
		return err
	}
	k, err := openControl()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	return applyTo(cmd, k, c, sources, warnings, len(files) == 0, f)
}

// applyTo applies sources to a kernel. configured says that they are all that the
// configuration names.
func applyTo(cmd *cobra.Command, k rules.Kernel, c config.Config, sources []rules.Source, warnings []string, configured bool, f applyFlags) (err error) {
	l, err := rules.OpenLedger(c.StateDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	deaf, err := cureNeverTask(cmd, k, c, f)
	locked := errors.Is(err, rules.ErrImmutable)
	if err != nil && !locked {
		return err
	}
	l.Removed = slices.DeleteFunc(l.Removed, func(o rules.Owned) bool { return names(sources, o) })
	p, err := planRules(k, l.State, sources, configured)
	if err != nil {
		return err
	}
	p.warnings = warnings
	more := map[string]any{"deaf": deaf}
	if !f.dryRun {
		if err := noteFound(c, p); err != nil {
			return err
		}
		err := rules.ErrImmutable
		if !locked {
			err = p.plan.Apply(k, l)
		}
		if errors.Is(err, rules.ErrImmutable) {
			return persistForBoot(cmd, c, &p.plan, l, f.persist)
		}
		if err != nil {
			return err
		}
		if err := persist(cmd, c, l.State, f.persist, more); err != nil {
			return err
		}
	}
	if f.json {
		return p.writeJSON(cmd.OutOrStdout(), more)
	}
	return p.tell(cmd)
}

// noteFound writes down what the plan's settings change, for remove --all-ours.
func noteFound(c config.Config, p rulesPlan) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	found, err := rules.ReadFound(c.StateDir, boot)
	if err != nil {
		return err
	}
	return found.Note(rules.ByApply, p.status, p.plan.Settings...)
}

// names reports whether one of the sources has the rule.
func names(sources []rules.Source, o rules.Owned) bool {
	for _, s := range sources {
		for i := range s.Rules {
			if s.Rules[i].Sum() == o.Sum {
				return true
			}
		}
	}
	return false
}

// persistForBoot writes what an immutable kernel does not take, if that is wanted or
// was before.
func persistForBoot(cmd *cobra.Command, c config.Config, p *rules.Plan, l *rules.Ledger, wanted bool) error {
	more := map[string]any{}
	if err := persist(cmd, c, p.Next(), wanted, more); err != nil {
		return errors.Join(rules.ErrImmutable, err)
	}
	file, written := more["persisted"]
	if !written {
		return rules.ErrImmutable
	}
	if err := p.Await(l); err != nil {
		return errors.Join(rules.ErrImmutable, err)
	}
	return hinted{rules.ErrImmutable, fmt.Sprintf("reboot: auditd loads %s then", file)}
}

// persist writes our rules where auditd's start finds them, if that is wanted, or
// was before.
func persist(cmd *cobra.Command, c config.Config, st rules.State, wanted bool, more map[string]any) error {
	file := filepath.Join(c.Rules.PersistDir, rules.PersistName)
	if _, err := os.Stat(file); err != nil && !wanted {
		return nil
	}
	changed, err := rules.Persist(c.Rules.PersistDir, st)
	if err != nil {
		return fmt.Errorf("rules not persisted: %w", err)
	}
	more["persisted"] = file
	if changed {
		tellf(cmd.ErrOrStderr(), "note: wrote %s", file)
	}
	return nil
}

// withoutNeverTask refuses sources that would make new processes deaf; with
// --fix-never-task that line is left out.
func withoutNeverTask(cmd *cobra.Command, sources []rules.Source, f applyFlags) ([]rules.Source, error) {
	for i, s := range sources {
		for _, r := range rules.NeverTask(s.Rules) {
			if !f.fixNeverTask {
				return nil, fmt.Errorf("%s:%d: %w", r.File, r.Line, rules.ErrNeverTask)
			}
			tellf(cmd.ErrOrStderr(), "%s:%d: warning: left out: %s", r.File, r.Line, r.String())
		}
		sources[i] = s.Without(func(r *rules.Rule) bool { return len(rules.NeverTask([]rules.Rule{*r})) > 0 })
	}
	return sources, nil
}

// A deafProcess may have been born while never,task was loaded.
type deafProcess struct {
	PID     int       `json:"pid"`
	Name    string    `json:"name"`
	Started time.Time `json:"started"`
}

// cureNeverTask refuses to go on while never,task is loaded, or takes it away and
// tells which processes stay deaf until they are started again.
func cureNeverTask(cmd *cobra.Command, k rules.Kernel, c config.Config, f applyFlags) ([]deafProcess, error) {
	loaded, err := rules.Loaded(k)
	if err != nil {
		return nil, err
	}
	never := rules.NeverTask(loaded)
	switch {
	case len(never) == 0 && !f.fixNeverTask:
		return nil, nil
	case len(never) > 0 && !f.fixNeverTask:
		return nil, rules.ErrNeverTask
	case f.dryRun:
		fmt.Fprintln(cmd.ErrOrStderr(), "note: would take never,task away")
		return nil, nil
	}
	var locked error
	for i := range never {
		err := k.DeleteRule(never[i].Encode())
		if errors.Is(err, unix.EPERM) {
			if st, e := k.Status(); e == nil && st.Enabled == kaudit.Immutable {
				locked = rules.ErrImmutable
				break
			}
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, err
		}
	}
	changed, err := rules.Disarm(c.Rules.PersistDir, time.Now())
	for _, name := range changed {
		tellf(cmd.ErrOrStderr(), "note: took never,task out of %s; the old file is kept beside it", name)
	}
	if err = errors.Join(err, locked); err != nil || len(never) == 0 {
		return nil, err
	}
	deaf, err := processes()
	if err != nil {
		return nil, err
	}
	if !f.json {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: took -a never,task out of the kernel. Of these %d processes, those born while it was loaded stay deaf until they are started again (the kernel does not tell which):\n", len(deaf))
		for _, p := range deaf {
			tellf(cmd.ErrOrStderr(), "  %7d %s (since %s)", p.PID, p.Name, p.Started.Format(time.DateTime))
		}
	}
	return deaf, nil
}

// processes are all processes of user space, the youngest first: they are the
// likeliest to have been born while a rule was loaded.
func processes() ([]deafProcess, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []deafProcess
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if p, ok := processOf(pid); ok {
			all = append(all, p)
		}
	}
	slices.SortStableFunc(all, func(a, b deafProcess) int { return b.Started.Compare(a.Started) })
	return all, nil
}

// processOf reads /proc/PID/stat (proc_pid_stat(5)). A process that is gone, or
// a thread of the kernel, is none.
func processOf(pid int) (deafProcess, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return deafProcess{}, false
	}
	open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	if open < 0 || end < open {
		return deafProcess{}, false
	}
	rest := strings.Fields(string(text[end+1:])) // state is field 3 of the file
	const pfKthread = 0x00200000
	if len(rest) < 20 {
		return deafProcess{}, false
	}
	flags, err1 := strconv.ParseUint(rest[9-3], 10, 64)
	ticks, err2 := strconv.ParseUint(rest[22-3], 10, 64)
	if err1 != nil || err2 != nil || flags&pfKthread != 0 {
		return deafProcess{}, false
	}
	return deafProcess{pid, string(text[open+1 : end]), bootTime().Add(time.Duration(ticks) * (time.Second / clockTicks))}, true
}

// clockTicks is USER_HZ, 100 on every architecture that audit knows.
const clockTicks = 100

func bootTime() time.Time {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return time.Time{}
	}
	return time.Now().Add(-time.Duration(now.Nano()))
}
