// Command auditshipper ships the kernel's audit events to Amazon CloudWatch
// Logs and lets people ask afterwards who deleted or renamed what.
//
// There is one file per verb. This one holds what they share: the root
// command, and the only place where an error becomes text for a person.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/query"
)

// Exit statuses, part of the contract with users.
const (
	exitFailed    = 1 // a retry may help
	exitUsage     = 2 // wrong arguments, configuration or rules
	exitDiffers   = 3 // differences or failed checks were found
	exitRefused   = 4 // it would not work
	exitImmutable = 5 // needs a reboot
)

func main() {
	ctx, stop := untilStopped(context.Background())
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// untilStopped ends with the signals that end a program.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
}

// execute runs one command line and returns its exit status.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	report(markErrors(stderr), err)
	return status(err)
}

// newRoot returns the command tree.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "auditshipper",
		Short: "ship audit events to CloudWatch Logs and search them",
		Long: `auditshipper answers one question on every Linux host of a fleet: who deleted
or renamed what on our shared file system? It installs audit rules in the
kernel, reads the events they cause, keeps them on disk until Amazon CloudWatch
Logs has accepted them, and lets people search and report.`,
		Example:       "  sudo auditshipper demo",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().String("config", configPath(), "configuration `FILE`")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError(cmd, suggestFlag(cmd, err))
	})
	root.Version = versionText()
	root.SetVersionTemplate("{{.Version}}\n")
	for _, add := range verbs {
		cmd := add()
		if cmd.Flags().ShorthandLookup("c") == nil && !cmd.DisableFlagParsing {
			cmd.PersistentFlags().StringP("config", "c", configPath(), "configuration `FILE`")
		}
		root.AddCommand(cmd)
	}
	wrapArgs(root)
	return root
}

// wrapArgs makes every complaint about arguments a usage error.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError(cmd, suggestVerb(cmd, args, err))
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

// verbs are the commands, in the order of the manual.
var verbs = []func() *cobra.Command{
	runCommand, demoCommand, rulesCommand, searchCommand, reportCommand, tailCommand, fleetCommand, replayCommand, statusCommand, doctorCommand, journalCommand, awsCommand, configCommand, versionCommand, completionCommand, manCommand, childRenameCommand,
}

func configPath() string {
	if path := os.Getenv("AUDITSHIPPER_CONFIG"); path != "" {
		return path
	}
	return config.Path
}

// loadConfig reads the configuration that cmd's flags name. One that was named
// must exist; the default one need not.
func loadConfig(cmd *cobra.Command) (config.Config, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	named := cmd.Flags().Changed("config") || os.Getenv("AUDITSHIPPER_CONFIG") != ""
	c, err := config.Load(path, named, os.Environ())
	for _, w := range c.Warnings() {
		fmt.Fprintf(cmd.ErrOrStderr(), "auditshipper: warning: %v\n", w)
		if w.Fix != "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "hint: %s\n", w.Fix)
		}
	}
	if err != nil {
		return c, withStatus(exitUsage, err)
	}
	return c, nil
}

// loadUsable is loadConfig for commands that look at what is there.
func loadUsable(cmd *cobra.Command) (config.Config, error) {
	c, err := loadConfig(cmd)
	return usable(cmd.ErrOrStderr(), c, err)
}

// usable lets a command go on beside a faulty configuration, with what is right in
// it and the defaults, and says so. A file that cannot be read ends the command.
func usable(w io.Writer, c config.Config, err error) (config.Config, error) {
	if fault := (*config.Fault)(nil); !errors.As(err, &fault) {
		if err != nil {
			err = withStatus(exitUsage, err)
		}
		return c, err
	}
	report(w, err)
	fmt.Fprintln(w, "auditshipper: warning: the configuration has these faults; what is right in it is used, and defaults for the rest")
	return c, nil
}

// A statusError is an error that decides the exit status.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func withStatus(status int, err error) error { return &statusError{status, err} }

// quiet is an error whose text was printed already, or needs none.
type quiet struct{}

func (quiet) Error() string { return "" }

// usageError adds where to look things up.
func usageError(cmd *cobra.Command, err error) error {
	hint := "see " + cmd.CommandPath() + " --help"
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		hint = h.Hint() + " " + hint
	}
	return withStatus(exitUsage, hinted{err, hint})
}

// hinted adds a hint to an error.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string  { return h.hint }
func (h hinted) Unwrap() error { return h.error }

func status(err error) int {
	var s *statusError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		return s.status
	case strings.HasPrefix(err.Error(), "unknown command"):
		return exitUsage
	}
	return exitFailed
}

// report writes err for a person: one line for each of those joined in it, and
// a second one where there is a hint.
func report(w io.Writer, err error) {
	if err == nil {
		return
	}
	if joined := joinedErrors(err); joined != nil {
		for _, e := range joined {
			report(w, e)
		}
		return
	}
	if errors.As(err, &quiet{}) {
		return
	}
	reportAs(w, "auditshipper", err)
}

// reportAs writes one error behind a word, and its hint.
func reportAs(w io.Writer, word string, err error) {
	fmt.Fprintf(w, "%s: %s\n", word, safeLines(err.Error()))
	var h interface{ Hint() string }
	if errors.As(err, &h) && h.Hint() != "" {
		fmt.Fprintf(w, "hint: %s\n", safeLines(h.Hint()))
	}
}

// tellf writes a line for a person. Names of files, keys and processes in it come from
// others and must not drive the terminal.
func tellf(w io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintln(w, query.Safe(fmt.Sprintf(format, args...)))
	return err
}

// safeLines is text of several lines, each safe for a terminal.
func safeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = query.Safe(line)
	}
	return strings.Join(lines, "\n")
}

// joinedErrors returns the errors that errors.Join put together.
func joinedErrors(err error) []error {
	var s *statusError
	if errors.As(err, &s) {
		err = s.err
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return nil
}
