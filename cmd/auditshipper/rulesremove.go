package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/rules"
)

func rulesRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove --all-ours | RULE...",
		Short: "take rules of ours out of the kernel",
		Long: `Remove takes rules away that apply or the daemon added; those of others it never
touches. A RULE is a line as rules list prints it, in quotes, or its words.

With --all-ours the kernel's settings (-e -b -f -r --backlog_wait_time) are put
back, too, as they were before the daemon or apply first changed them in this
boot: unless an audit daemon runs, which needs them, or somebody else has
changed them since.

The daemon does not bring such a rule back by repairing. The next rules apply
does, and a reload of the daemon, and the next boot.

exit status:
  0  the rules are gone
  1  a rule is not loaded, or not ours
  2  a rule is wrong
  5  the rules are immutable until the next boot`,
		Example:            "  sudo auditshipper rules remove --all-ours",
		DisableFlagParsing: true,
	}
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if len(words) > 0 && (words[0] == "--help" || words[0] == "-h") {
			return cmd.Help()
		}
		words, all, err := removeFlags(cmd, words)
		if err != nil {
			return usageError(cmd, err)
		}
		c, err := loadConfig(cmd)
		if err != nil {
			return err
		}
		return ruleError(removeRules(cmd, c, words, all))
	}
	return cmd
}

// removeFlags takes the command's own flags off: every other word that begins
// with a dash is auditctl's.
func removeFlags(cmd *cobra.Command, words []string) (rest []string, all bool, err error) {
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		name, value, glued := strings.Cut(w, "=")
		switch {
		case w == "--all-ours":
			all = true
		case name == "--config" && glued:
			err = cmd.Flags().Set("config", value)
		case w == "--config" || w == "-c":
			if len(words) == 0 {
				return nil, false, fmt.Errorf("%s needs a file", w)
			}
			err = cmd.Flags().Set("config", words[0])
			words = words[1:]
		default:
			rest = append(rest, w)
		}
		if err != nil {
			return nil, false, err
		}
	}
	if all == (len(rest) > 0) {
		return nil, false, errors.New("give either --all-ours or rules")
	}
	return rest, all, nil
}

// ruleLines makes rules of words: each word a line, or all of them one.
func ruleLines(words []string) ([]rules.Rule, error) {
	lines := [][]string{words}
	if strings.Contains(words[0], " ") {
		lines = nil
		for _, w := range words {
			lines = append(lines, rules.Split(w))
		}
	}
	var list []rules.Rule
	for _, line := range lines {
		l, err := rules.ParseArgs(line, rules.Options{})
		if err != nil {
			return nil, err
		}
		switch {
		case l.Add != nil:
			list = append(list, *l.Add)
		case l.Delete != nil:
			list = append(list, *l.Delete)
		default:
			return nil, &rules.ParseError{Msg: fmt.Sprintf("%q is not a rule", strings.Join(line, " "))}
		}
	}
	return list, nil
}

func removeRules(cmd *cobra.Command, c config.Config, words []string, all bool) (err error) {
	k, err := openControl()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	l, err := rules.OpenLedger(c.StateDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	loaded, err := rules.Loaded(k)
	if err != nil {
		return err
	}
	var remove []rules.Rule
	if all {
		for i := range loaded {
			if l.Owner(&loaded[i]) != "" {
				remove = append(remove, loaded[i])
			}
		}
	} else if remove, err = ruleLines(words); err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	plan, foreign := rules.Remove(loaded, l.State, remove, boot)
	if len(foreign) > 0 {
		return notOurs(foreign[0], loaded)
	}
	if err := plan.Apply(k, l); errors.Is(err, rules.ErrImmutable) {
		if err := persist(cmd, c, plan.Next(), false, map[string]any{}); err != nil {
			return errors.Join(rules.ErrImmutable, err)
		}
		return hinted{rules.ErrImmutable, "take them out of the configuration and reboot: the kernel keeps them until then"}
	} else if err != nil {
		return err
	}
	for _, line := range plan.Lines() {
		tellf(cmd.OutOrStdout(), "%s", line)
	}
	if all {
		if err := putBack(c, k, boot); err != nil {
			return err
		}
	}
	return persist(cmd, c, l.State, false, map[string]any{})
}

// putBack sets the kernel as it was before ours changed it, where no audit
// daemon runs: ours does it itself when it stops, and another goes on with the
// settings as they are.
func putBack(c config.Config, k *kaudit.Control, boot string) error {
	if _, err := daemon.Ask(c); err == nil {
		return nil
	}
	st, err := k.Status()
	if _, gone := os.Stat("/proc/" + strconv.Itoa(int(st.PID))); err == nil && st.PID != 0 && gone != nil {
		// The kernel believes in a daemon that died until it tries to reach it.
		if err = k.TestDaemon(); err == nil {
			st, err = k.Status()
		}
	}
	if err != nil || st.PID != 0 {
		return err
	}
	found, err := rules.ReadFound(c.StateDir, boot)
	if err != nil {
		return err
	}
	return found.PutBack(k, "")
}

func notOurs(r rules.Rule, loaded []rules.Rule) error {
	for i := range loaded {
		if loaded[i].Sum() == r.Sum() {
			return hinted{fmt.Errorf("rule is not ours: %s", r.String()), "auditctl deletes rules of others"}
		}
	}
	return fmt.Errorf("rule is not loaded: %s", r.String())
}
