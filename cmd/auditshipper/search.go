package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/elastic/go-libaudit/v2/auparse"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/rules"
)

func searchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "search [ausearch's flags]",
		Short: "find events, as ausearch does",
		Long: `Search prints events of the journal, delivered ones included, whether the
daemon runs or not; of audit.log files (-if); of a pipe on standard input; or of a
log group (--log-group). Flags and output are ausearch's, but for paths, which are
made true; --compat takes them as ausearch does. --opt=value is --opt value.

` + newSearchWords().usage() + `
exit status:
  0  events were printed
  1  nothing was found
  2  a flag is wrong`,
		Example:            "  auditshipper search --action delete,rename --under /mnt/efs --since yesterday --format text",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantsHelp(args) {
				return cmd.Help()
			}
			s := newSearchWords()
			if err := s.words().parse(args); err != nil {
				return usageError(cmd, err)
			}
			return search(cmd, s)
		},
	}
}

// wantsHelp reports whether a verb that parses its own flags is asked for help.
func wantsHelp(args []string) bool {
	return len(args) > 0 && (args[0] == "-h" || args[0] == "--help" || args[0] == "help")
}

// errNothing is ausearch's message where nothing was found.
var errNothing = withStatus(exitFailed, quiet{})

func search(cmd *cobra.Command, s *searchWords) (err error) {
	p := query.NewPrinter(forTerminal(cmd.OutOrStdout()))
	p.Extras, p.Escape, p.Compat, p.Names = s.extras, s.escape, s.compat, interpreter(s.users, s.gid)
	s.want.Compat = s.compat
	src, raw, err := s.open(cmd, s.options(p), s.want)
	if err != nil {
		return ignoreDry(err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if p.Format, err = s.formatFor(raw); err != nil {
		return err
	}
	c, err := openCheckpoint(s)
	if err != nil {
		return err
	}
	if s.explain != (event.ID{}) {
		return explainEvent(cmd, src, raw, s.explain)
	}
	found := 0
	for {
		e, err := src.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(err, p.Flush())
		}
		if raw && !s.want.MatchFacts(e) || !c.passes(e) {
			continue
		}
		if found++; s.limit > 0 && found > s.limit {
			fmt.Fprintf(cmd.ErrOrStderr(), "auditshipper: more events match than --limit %d\n", s.limit)
			break
		}
		if err := p.Print(e); err != nil {
			return brokenPipe(err)
		}
		c.printed(e)
		if s.justOne {
			break
		}
	}
	if err := errors.Join(brokenPipe(p.Flush()), c.save()); err != nil || found > 0 {
		return err
	}
	if p.Format != "raw" {
		fmt.Fprintln(cmd.ErrOrStderr(), "<no matches>")
	}
	s.tellEvidence(cmd)
	return errNothing
}

// formatFor is the format to print in; a source without records has no raw ones.
func (s *searchWords) formatFor(raw bool) (string, error) {
	switch {
	case raw && s.format == "":
		return "default", nil
	case !raw && s.format == "":
		return "text", nil
	case !raw && (s.format == "raw" || s.format == "default" || s.format == "interpret"):
		return "", withStatus(exitUsage, hinted{fmt.Errorf("--format %s: this source has no records, only events", s.format), "set cloudwatch.include_raw or cloudwatch.format: raw for the future; use --format text, csv or json"})
	}
	return s.format, nil
}

// options are what the source is asked for.
func (s *searchWords) options(p *query.Printer) query.Options {
	p.Format = s.format
	facts, json := p.Needs()
	host := hostname()
	s.want.Here = host
	o := query.Options{
		From: s.from, To: s.to, Keep: s.want.Match, Need: s.want.Need(), Facts: facts || s.want.NeedsFacts(), JSON: json,
		Names: s.users, Host: host, Numbers: s.numbers(), EOETimeout: s.timeout, Unfinished: s.check != "",
	}
	if at := s.explain; at != (event.ID{}) {
		o.Explain, o.From, o.To = at, time.Unix(at.Sec, 0), time.Unix(at.Sec, 0)
		o.Keep = func(e *query.Event) bool { return e.ID == at }
	}
	return o
}

// explainEvent prints how the paths of an event came about, for each node that has one.
func explainEvent(cmd *cobra.Command, src query.Source, raw bool, id event.ID) error {
	if !raw {
		return withStatus(exitUsage, errors.New("--explain: this source has no records, only events"))
	}
	out, found := forTerminal(cmd.OutOrStdout()), false
	for {
		e, err := src.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if e.ID != id {
			continue
		}
		found = true
		if _, err := io.WriteString(out, e.Why); err != nil {
			return brokenPipe(err)
		}
	}
	if found {
		return nil
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "<no matches>")
	return errNothing
}

// open opens the source that the flags name: a log group, files, a pipe, or the
// journal. raw says whether its events have the kernel's records.
func (s *sourceWords) open(cmd *cobra.Command, o query.Options, want *query.Search) (src query.Source, raw bool, err error) {
	o.Warn, o.Compat = warnTo(cmd.ErrOrStderr()), s.compat
	if s.debug {
		o.Debug = func(line []byte) {
			fmt.Fprintf(cmd.ErrOrStderr(), "Malformed line skipped: %s\n", query.Safe(string(line)))
		}
		want.Malformed = func(line []byte) {
			fmt.Fprintf(cmd.ErrOrStderr(), "Malformed event skipped: %s\n", query.Safe(string(line)))
		}
	}
	switch {
	case s.group != "":
		return s.openGroup(cmd, o, want, s.counts)
	case s.input != "":
		src, err = query.OpenLog(s.input, o)
		return src, true, err
	case !s.inputLogs && isPipe(os.Stdin):
		return query.OpenReader(cmd.InOrStdin(), o), true, nil
	}
	c, err := s.load()
	if err != nil {
		return nil, false, err
	}
	if o.HostOf, err = daemon.ReceivedBy(c.StateDir); err != nil {
		return nil, false, err
	}
	src, err = query.OpenJournal(filepath.Join(c.StateDir, "journal"), o)
	if errors.Is(err, os.ErrNotExist) {
		err = hinted{err, "is the daemon set up here? -if FILE reads an audit.log, --log-group GROUP a log group"}
	}
	return src, true, err
}

// forTerminal escapes what drives a terminal if w is one; else w gets the bytes.
func forTerminal(w io.Writer) io.Writer {
	if isTerminal(w) {
		return &query.TerminalWriter{W: w}
	}
	return w
}

// warnTo says on w what a source left out.
func warnTo(w io.Writer) func(query.Left) {
	return func(left query.Left) { // words are safe for a terminal
		for _, words := range left.Words() {
			fmt.Fprintf(w, "auditshipper: warning: %s\n", words)
		}
	}
}

func (s *sourceWords) load() (config.Config, error) {
	named := s.config != config.Path
	c, err := config.Load(s.config, named, os.Environ())
	return usable(os.Stderr, c, err)
}

// interpreter knows this machine's names.
func interpreter(users, groups query.NameFile) query.Interpreter {
	native, _ := rules.ArchNumber(rules.HostArch()) // 0: calls of records that do not say theirs stay numbers
	return query.Interpreter{
		User: users, Group: groups,
		Arch: func(elf uint32) string {
			if name, ok := auparse.AuditArchNames[auparse.AuditArch(elf)]; ok {
				return name
			}
			return fmt.Sprintf("unknown-elf-type(%x)", elf)
		},
		Call:     rules.CallName,
		Errno:    errnoNames,
		Protocol: query.Protocols("/etc/protocols"),
		Native:   native,
	}
}

// numbers knows what interpreter's names stand for; nil with --compat, since
// ausearch does not.
func (s *sourceWords) numbers() *query.Numbers {
	if s.compat {
		return nil
	}
	return &query.Numbers{User: s.users, Group: s.gid, Call: rules.CallNumber, Errno: func(name string) (int, bool) {
		n, ok := auparse.AuditErrnoToNum[name]
		return n, ok
	}}
}

// errnoNames are the name and libc's text of an error; no name if it has none.
func errnoNames(n int) (name, text string) {
	switch n {
	case int(unix.EOPNOTSUPP): // and two others that have a second name, or none in Go
		return "EOPNOTSUPP", "Operation not supported"
	case int(unix.EUCLEAN):
		return "EUCLEAN", "Structure needs cleaning"
	case int(unix.EHWPOISON):
		return "EHWPOISON", "Memory page has hardware error"
	}
	if n < 1 || n > int(unix.EHWPOISON) {
		return "", ""
	}
	return unix.ErrnoName(unix.Errno(n)), capitalised(unix.Errno(n).Error())
}

// capitalised is what libc calls an error, of what Go does.
func capitalised(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// brokenPipe is nil for a reader that has gone, as head does.
func brokenPipe(err error) error {
	if errors.Is(err, unix.EPIPE) {
		return nil
	}
	return err
}
