package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/auditshipper/auditshipper/internal/daemon"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/query"
)

func tailCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "tail [search's flags]",
		Short: "print events as they come",
		Long: `Tail prints the last events of this host's journal, or of a log group, and then
those that come, a line each, until it is stopped. On a terminal it is coloured,
unless NO_COLOR is set.

` + newTail().usage() + `
exit status:
  0  it was stopped
  1  it failed
  2  a flag is wrong`,
		Example:            "  auditshipper tail --action delete,rename --user bob -n 20",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wantsHelp(args) {
				return cmd.Help()
			}
			t := newTail()
			if err := t.words().parse(args); err != nil {
				return usageError(cmd, err)
			}
			return t.run(cmd)
		},
	}
}

// A tail is what tail was told.
type tail struct {
	*searchWords
	lines int
	json  bool
	color bool
	poll  bool // without a live tail
}

func newTail() *tail { return &tail{searchWords: newSearchWords(), lines: 10} }

// usage lists tail's flags, ours first.
func (t *tail) usage() string {
	return sections(
		section{"what, who and where", plainWords(t.want)},
		section{"source and output", t.own()},
		section{"which event, as ausearch has it", t.searchWords.wants()},
	)
}

func (t *tail) words() words { return slices.Concat(plainWords(t.want), t.own(), t.wants()) }

// wants are search's, but for -n N and -f alone, which are tail's own.
func (t *tail) wants() words {
	all := t.searchWords.wants()
	for i := range all {
		set := all[i].set
		switch {
		case all[i].has("-n"):
			all[i].set = func(v, next string) (int, error) {
				if n, err := strconv.Atoi(v); err == nil && n >= 0 {
					t.lines = n
					return 1, nil
				}
				return set(v, next)
			}
		case all[i].has("-f"):
			all[i].optional = true
			all[i].set = func(v, next string) (int, error) {
				if v == "" { // it follows anyway
					return 0, nil
				}
				return set(v, next)
			}
		}
	}
	return all
}

// own are tail's own flags.
func (t *tail) own() words {
	return words{
		textWord("--config", "FILE", "configuration file", &t.config),
		{names: "--log-group", value: "GROUP", help: "follow a log group of CloudWatch Logs instead of the journal, by name or ARN; may be repeated", set: t.addGroup},
		{names: "--log-stream", value: "STREAM", help: "of the log group, only this one; may be repeated", set: func(v, _ string) (int, error) {
			t.streams = append(t.streams, v)
			return 1, nil
		}},
		{names: "--lines", value: "N", help: "how many old events to begin with (10); -n N likewise", set: func(v, _ string) (used int, err error) {
			if t.lines, err = strconv.Atoi(v); err != nil || t.lines < 0 {
				return 1, query.Say("--lines %s: a number is wanted", v)
			}
			return 1, nil
		}},
		switchWord("--json", "print JSON", &t.json),
		switchWord("--poll", "of a log group: ask for what is new every few seconds, without a live tail, which costs $0.01 a minute", &t.poll),
	}
}

func (t *tail) run(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	f, isFile := out.(*os.File)
	t.color = isFile && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
	var err error
	if t.group != "" {
		err = t.followGroup(cmd)
	} else {
		err = t.followJournal(cmd.Context(), out)
	}
	if cmd.Context().Err() != nil { // it was told to stop
		return nil
	}
	return brokenPipe(err)
}

// history is how far back the last events are looked for, and the names of
// directories learnt.
const history = time.Hour

func (t *tail) followJournal(ctx context.Context, out io.Writer) error {
	c, err := t.load()
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	hostOf, err := daemon.ReceivedBy(c.StateDir)
	if err != nil {
		return err
	}
	f, err := query.FollowJournal(filepath.Join(c.StateDir, "journal"), time.Now().Add(-history), query.Options{Names: t.users, Host: host, HostOf: hostOf, JSON: t.json})
	if errors.Is(err, os.ErrNotExist) {
		return hinted{err, "is the daemon set up here? --log-group GROUP follows a log group"}
	}
	if err != nil {
		return err
	}
	return errors.Join(t.follow(ctx, f, out), f.Close())
}

// follow prints the last of the old events, then the new ones. The old ones end
// with the first new one, or when nothing more comes for a moment.
func (t *tail) follow(ctx context.Context, f *query.Follower, out io.Writer) error {
	var last []string
	flush := func() error {
		for _, line := range last {
			if _, err := io.WriteString(out, line); err != nil {
				return err
			}
		}
		last = nil
		return nil
	}
	reading := true
	for {
		wait, cancel := ctx, func() {}
		if reading {
			wait, cancel = context.WithTimeout(ctx, time.Second)
		}
		e, old, err := f.Next(wait)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && reading:
			reading = false
			if err := flush(); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case !t.want.MatchFact(e):
			continue
		}
		if line := t.line(e); old && reading {
			last = append(last, line)
			last = last[max(0, len(last)-t.lines):]
			continue
		} else if err := flush(); err != nil {
			return err
		} else if _, err := io.WriteString(out, line); err != nil {
			return err
		}
		reading = false
	}
}

// collect are the lines of what a source has now and is wanted and new.
func (t *tail) collect(src query.Source, isNew func(*query.Event) bool) (lines []string, err error) {
	for {
		e, err := src.Next()
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
		if t.want.MatchFact(e) && isNew(e) {
			lines = append(lines, t.line(e))
		}
	}
}

// colours of actions, as SGR codes.
var colours = map[string]string{"delete": "31", "rename": "33", "gap": "1;35", "rules": "36", "daemon": "36", "create": "32"}

// line is an event for a person, or JSON.
func (t *tail) line(e *query.Event) string {
	if t.json {
		return string(query.SafeJSON(e.JSON)) + "\n"
	}
	f := e.Facts
	paint := func(code, text string) string {
		if !t.color || code == "" || text == "" {
			return text
		}
		return "\x1b[" + code + "m" + text + "\x1b[0m"
	}
	safe := query.SafeWord
	text := paint("2", e.ID.Time().Local().Format("15:04:05.000"))
	if e.Node != "" {
		text += " " + safe(e.Node)
	}
	text += " " + paint(colours[f.Action], fmt.Sprintf("%-6s", safe(f.Action)))
	if f.Success == event.No {
		text += " " + paint("1", safe(or(f.Errno, "failed")))
	}
	if path := pathOf(f); path != "" {
		text += " " + safe(path)
	}
	if f.Dest != "" {
		text += " -> " + safe(f.Dest)
	}
	for _, key := range []string{"op", "cause", "count", "from", "to", "detail", "added", "removed", "error"} {
		if v := f.Fields[key]; v != "" {
			text += " " + key + "=" + safe(v)
		}
	}
	if who := whoOf(f); who != "" {
		text += paint("2", " by ") + safe(who)
	}
	if f.Exe != "" {
		text += paint("2", " with ") + safe(f.Exe)
	}
	return text + "\n"
}

func pathOf(f *query.Facts) string {
	if f.Path == "" && f.Parent != "" {
		return f.Parent + "/?"
	}
	return f.Path
}

// whoOf is the person who logged in, and who that became.
func whoOf(f *query.Facts) string {
	name := func(name string, id uint32) string {
		if name == "" && id != event.Unset {
			return strconv.FormatUint(uint64(id), 10)
		}
		return name
	}
	login, user := name(f.AUIDName, f.AUID), name(f.UIDName, f.UID)
	if login == "" || login == user {
		return user
	}
	return login + " as " + user
}
