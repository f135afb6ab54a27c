package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/rules"
)

func rulesCheckCommand() *cobra.Command {
	arch := ""
	cmd := &cobra.Command{
		Use:   "check [FILE...]",
		Short: "find faults and traps in rule files",
		Long: `Check reads rule files, "-" being standard input, or those of the configuration,
and tells every fault, and as warnings what loads and does not do what it seems
to: renames without renameat2, 64-bit calls only, rules that others hide and so
on, each with its cure. It needs no rights and asks no kernel.

exit status:
  0  the files are right (there may be warnings)
  2  a file has faults, or with --strict warnings`,
		Example: "  auditshipper rules check /etc/audit/rules.d/audit.rules",
		RunE: func(cmd *cobra.Command, files []string) error {
			strict, _ := cmd.Flags().GetBool("strict")
			asJSON, _ := cmd.Flags().GetBool("json")
			checked, err := checkFiles(cmd, files, arch)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"files": checked})
			} else {
				err = tellChecked(cmd, checked)
			}
			if err == nil && slices.ContainsFunc(checked, func(f checkedFile) bool { return !f.passes(strict) }) {
				return withStatus(exitUsage, quiet{})
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&arch, "arch", "", "architecture to check for, as uname -m prints it (default: this machine's)")
	flags.Bool("strict", false, "let warnings fail, too")
	flags.Bool("json", false, "print JSON")
	return cmd
}

// A checkedFile is what was found in a rule file.
type checkedFile struct {
	File     string    `json:"file"`
	Rules    int       `json:"rules"`
	Faults   []finding `json:"faults"`
	Warnings []finding `json:"warnings"`
}

// A finding is a fault or a warning.
type finding struct {
	Line int    `json:"line"`
	Code string `json:"code,omitempty"` // of a warning
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

func (f *checkedFile) passes(strict bool) bool {
	return len(f.Faults) == 0 && (!strict || !slices.ContainsFunc(f.Warnings, func(w finding) bool { return !w.isNote() }))
}

// isNote says of a warning that it tells of no trap: files of auditd begin
// with -D, which is not carried out.
func (f finding) isNote() bool { return f.Code == "delete-all" }

// checkFiles checks the files named, or those of the configuration.
func checkFiles(cmd *cobra.Command, files []string, arch string) ([]checkedFile, error) {
	if arch != "" && !slices.Contains(rules.Arches(), arch) {
		return nil, withStatus(exitUsage, unknownArch(arch))
	}
	if len(files) == 0 {
		c, err := loadConfig(cmd)
		if err != nil {
			return nil, err
		}
		if files, err = configuredFiles(c); err != nil {
			return nil, withStatus(exitUsage, err)
		}
	}
	linter, err := newLinter(arch)
	if err != nil {
		return nil, err
	}
	checked := []checkedFile{}
	for _, name := range files {
		f, err := checkFile(cmd, name, rules.Options{Arch: arch}, linter)
		if err != nil {
			return nil, withStatus(exitUsage, err)
		}
		checked = append(checked, f)
	}
	return checked, nil
}

// newLinter looks at this machine's places only if the rules are for it.
func newLinter(arch string) (rules.Linter, error) {
	m := rules.HostMachine()
	if arch != "" && arch != m.Arch {
		return rules.Linter{IOUring: true}, nil
	}
	places, err := daemon.Places()
	return rules.Linter{IOUring: m.IOUring, Place: places}, err
}

// configuredFiles are the rule files of the configuration.
func configuredFiles(c config.Config) ([]string, error) {
	var files []string
	for _, glob := range c.Rules.Files {
		names, err := filepath.Glob(glob)
		if err != nil {
			return nil, fmt.Errorf("rules.files: %q: %w", glob, err)
		}
		files = append(files, names...)
	}
	return files, nil
}

func checkFile(cmd *cobra.Command, name string, o rules.Options, linter rules.Linter) (checkedFile, error) {
	in := cmd.InOrStdin()
	if name == "-" {
		name = "stdin"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return checkedFile{}, err
		}
		defer f.Close()
		in = f
	}
	file, err := rules.ParseFile(name, in, o)
	var faults rules.Errors
	if err != nil && !errors.As(err, &faults) {
		return checkedFile{}, err
	}
	c := checkedFile{File: name, Rules: len(file.Rules), Faults: []finding{}, Warnings: []finding{}}
	for _, f := range faults {
		c.Faults = append(c.Faults, finding{Line: f.Line, Text: f.Msg, Hint: f.Fix})
	}
	for _, w := range append(file.Warnings, linter.Lint(file.Rules)...) {
		c.Warnings = append(c.Warnings, finding{w.Line, w.Code, w.Msg, w.Fix})
	}
	slices.SortStableFunc(c.Warnings, func(a, b finding) int { return cmp.Compare(a.Line, b.Line) })
	return c, nil
}

// tellChecked prints the findings in the order of the files' lines on stderr,
// and how many there are on stdout.
func tellChecked(cmd *cobra.Command, checked []checkedFile) error {
	for _, f := range checked {
		all := slices.Concat(f.Faults, f.Warnings)
		slices.SortStableFunc(all, func(a, b finding) int { return cmp.Compare(a.Line, b.Line) })
		for _, found := range all {
			found.tell(cmd.ErrOrStderr(), f.File)
		}
		if err := tellf(cmd.OutOrStdout(), "%s: %s, %s, %s", f.File,
			counted(f.Rules, "rule"), counted(len(f.Faults), "fault"), counted(len(f.Warnings), "warning")); err != nil {
			return err
		}
	}
	return nil
}

func (f finding) tell(w io.Writer, file string) {
	severity := "warning: "
	if f.Code == "" {
		severity = ""
	} else if f.isNote() {
		severity = "note: "
	}
	tellf(w, "%s:%d: %s%s", file, f.Line, severity, f.Text)
	if f.Hint != "" {
		tellf(w, "hint: %s", f.Hint)
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
