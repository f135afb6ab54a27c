package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/query"
)

func runCommand() *cobra.Command {
	var profiles string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "run the daemon",
		Long: `Run installs the rules of the configured watches, receives the kernel's audit
records, keeps them in the journal and delivers events to CloudWatch Logs until
it is told to stop. SIGTERM stops it within ten seconds; SIGHUP makes it read
the configuration again.

It needs CAP_AUDIT_CONTROL and CAP_AUDIT_READ. Where another audit daemon is
registered it works beside it. While it does not know its region or its instance's
id it keeps events in the journal, says so, and looks again. On a terminal, without
a region, an endpoint or a service manager, it writes events to standard output, one
JSON object a line.

exit status:
  0  stopped as told
  1  it failed, a retry may help
  2  the configuration is not valid
  4  a never,task rule makes auditing pointless (rules.on_never_task: fail)
  5  the audit configuration is locked until a reboot`,
		Example: "  auditshipper run -c /etc/auditshipper/auditshipper.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dieBySignal()
			c, err := loadConfig(cmd)
			if missing := daemon.NeedRights(c.Source.Mode); err == nil && missing != nil {
				return errors.Join(missing, preflight(c)) // the rights may be all that is wrong
			}
			if err := errors.Join(err, preflight(c)); err != nil {
				return withStatus(exitUsage, err)
			}
			reloads := make(chan os.Signal, 1)
			signal.Notify(reloads, unix.SIGHUP)
			log, level := newLog(c.Log, cmd.ErrOrStderr())
			err = profiled(profiles, func() error {
				return daemon.Run(cmd.Context(), c, daemon.Options{
					Version: version(), Log: log, Level: level, Stdout: cmd.OutOrStdout(), Terminal: isTerminal(cmd.OutOrStdout()),
					Reload:  func() (config.Config, error) { return loadConfig(cmd) },
					Reloads: reloads, UserName: getent(), ChildRename: childRename,
				})
			})
			return daemonStatus(err)
		},
	}
	cmd.Flags().StringVar(&profiles, "profile", "", "write profiles of the processor and the heap into this directory")
	cmd.Flags().Lookup("profile").Hidden = true // for make profile
	return cmd
}

// dieBySignal makes a panic, and the abort of a service manager whose watchdog waits in
// vain, end the process by SIGABRT, with all goroutines in the log. By default Go ends
// with 2 then, which says that the configuration is wrong: nobody would start the
// daemon again.
func dieBySignal() {
	debug.SetTraceback("crash")
	// Its memory, with whatever secrets are in it, is not for a file.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // a lower limit is never refused
}

// daemonStatus gives the daemon's errors their exit status.
func daemonStatus(err error) error {
	var fault *config.Fault
	if errors.As(err, &fault) {
		return withStatus(exitUsage, err)
	}
	return ruleError(err)
}

// preflight reports what the system at hand makes wrong in a configuration,
// beside what is wrong in itself.
func preflight(c config.Config) error {
	return errors.Join(daemon.Check(c)...)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// newLog makes the daemon's log on w: for people on a terminal, as JSON
// elsewhere.
func newLog(c config.Log, w io.Writer) (*zap.Logger, zap.AtomicLevel) {
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.ISO8601TimeEncoder
	enc.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(enc)
	if c.Format == "console" || c.Format == "auto" && isTerminal(w) {
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(enc)
	}
	level := zap.NewAtomicLevel()
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		fmt.Fprintln(w, err) // validate accepts only levels; Default is one
	}
	if f, ok := w.(*os.File); ok && toJournal(f, os.Getenv("JOURNAL_STREAM")) {
		encoder = priorities{encoder}
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(query.LogWriter{W: w}), level)), level
}

// toJournal reports whether f is the stream to the system's journal that systemd
// names by device and inode in JOURNAL_STREAM.
func toJournal(f *os.File, stream string) bool {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return stream == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// priorities puts the priority of syslog(3) in front of each line, as the journal
// takes it (sd-daemon(3)).
type priorities struct{ zapcore.Encoder }

// Clone implements zapcore.Encoder.
func (p priorities) Clone() zapcore.Encoder { return priorities{p.Encoder.Clone()} }

// EncodeEntry implements zapcore.Encoder.
func (p priorities) EncodeEntry(e zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	line, err := p.Encoder.EncodeEntry(e, fields)
	if err != nil {
		return nil, err
	}
	marked := logLines.Get()
	fmt.Fprintf(marked, "<%d>%s", priority(e.Level), line)
	line.Free()
	return marked, nil
}

var logLines = buffer.NewPool()

// markErrors puts an error's priority in front of each line that goes to the
// system's journal.
func markErrors(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok && toJournal(f, os.Getenv("JOURNAL_STREAM")) {
		return errorLines{w}
	}
	return w
}

// errorLines is a writer of whole lines.
type errorLines struct{ w io.Writer }

// Write implements io.Writer.
func (e errorLines) Write(text []byte) (int, error) {
	for line := range bytes.Lines(text) {
		if _, err := fmt.Fprintf(e.w, "<%d>%s", priority(zapcore.ErrorLevel), line); err != nil {
			return 0, err
		}
	}
	return len(text), nil
}

// priority is a level as syslog(3) numbers it.
func priority(l zapcore.Level) int {
	switch {
	case l >= zapcore.DPanicLevel:
		return 2
	case l >= zapcore.ErrorLevel:
		return 3
	case l >= zapcore.WarnLevel:
		return 4
	case l >= zapcore.InfoLevel:
		return 6
	}
	return 7
}
