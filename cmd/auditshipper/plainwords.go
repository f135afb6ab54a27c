package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/query"
)

// plainWords are the flags in the words of people that search, report and tail
// share: what happened, who did it and where.
func plainWords(q *query.Search) words {
	return words{
		{names: "--action", value: "ACTIONS", help: "what happened: delete, rename, create, …, separated by commas", set: func(v, _ string) (int, error) {
			q.Actions = append(q.Actions, parts(v)...)
			return 1, nil
		}},
		{names: "--user", value: "USERS", help: "who logged in, or who that became: names or numbers, separated by commas", set: func(v, _ string) (int, error) {
			q.Who = append(q.Who, parts(v)...)
			return 1, nil
		}},
		{names: "--host", value: "HOSTS", help: "the machine, wildcards allowed, or the remote host as ausearch has it; separated by commas", set: func(v, _ string) (int, error) {
			q.Host, q.AnyHost = v, true
			return 1, nil
		}},
		{names: "--under", value: "DIR", help: "a path, old or new, is this directory or below it; may be repeated", set: func(v, _ string) (int, error) {
			if !filepath.IsAbs(v) {
				return 1, query.Say("--under %s: a path from / on is wanted", v)
			}
			q.Under = append(q.Under, v)
			return 1, nil
		}},
	}
}

// parts are the values of a list between commas.
func parts(list string) (all []string) {
	for v := range strings.SplitSeq(list, ",") {
		if v = strings.TrimSpace(v); v != "" {
			all = append(all, v)
		}
	}
	return all
}

// sinceWords are the flags for the time in the words of people.
func (s *sourceWords) sinceWords() words {
	return words{
		{names: "--since", value: "TIME", help: "start: 2h or 3days ago, yesterday, monday, 14:30, 2026-11-30, RFC 3339, or what -ts takes", set: func(v, _ string) (used int, err error) {
			s.from, err = s.clock.Since(v)
			return 1, err
		}},
		{names: "--until", value: "TIME", help: "end, likewise; a day is meant to its end", set: func(v, _ string) (used int, err error) {
			s.to, err = s.clock.Until(v)
			return 1, err
		}},
	}
}

// limitWord takes a number above 0.
func limitWord(names, help string, to *int) word {
	return word{names: names, value: "N", help: help, set: func(v, _ string) (used int, err error) {
		if *to, err = strconv.Atoi(v); err != nil || *to < 1 {
			return 1, query.Say("%s %s: a number above 0 is wanted", names, v)
		}
		return 1, nil
	}}
}

// hostname is this machine's, empty if it has none: events say themselves whose
// they are, or nobody does.
func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// tellEvidence says from when on the source has events, if that is later than the
// start that was asked for: nothing found is no proof that nothing happened.
func (s *sourceWords) tellEvidence(cmd *cobra.Command) {
	if s.from.IsZero() {
		return
	}
	began, what, err := s.evidence(cmd)
	switch {
	case err != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "auditshipper: warning: from when on there is evidence is not known: %s\n", query.Safe(err.Error()))
	case began.IsZero() && what != "":
		fmt.Fprintf(cmd.ErrOrStderr(), "auditshipper: %s holds no event at all\n", query.Safe(what))
	case began.Unix() > s.from.Unix():
		fmt.Fprintf(cmd.ErrOrStderr(), "auditshipper: %s begins at %s: it cannot tell what happened before\n", query.Safe(what), began.Local().Format(time.RFC3339))
	}
}

// evidence is when the source begins; the zero time if it is empty. Of a pipe,
// which cannot be read again, nothing is known.
func (s *sourceWords) evidence(cmd *cobra.Command) (began time.Time, what string, err error) {
	switch {
	case s.group != "":
		return s.groupBegan(cmd)
	case s.input == "" && !s.inputLogs && isPipe(os.Stdin):
		return began, "", nil
	}
	what = or(s.input, "the journal")
	src, _, err := s.open(cmd, query.Options{}, query.NewSearch())
	if err != nil {
		return began, what, err
	}
	defer src.Close() // it was read only
	e, err := src.Next()
	if err == io.EOF {
		return began, what, nil
	}
	if err != nil {
		return began, what, err
	}
	return e.ID.Time(), what, nil
}

// groupBegan is when the groups that are asked began to keep what they have: the
// latest of them.
func (s *sourceWords) groupBegan(cmd *cobra.Command) (began time.Time, what string, err error) {
	q, err := s.ask(cmd, nil)
	if err != nil {
		return began, "", err
	}
	for _, name := range s.logGroups {
		g, err := q.cw.DescribeGroup(cmd.Context(), name)
		if err != nil {
			return began, name, err
		}
		at := time.UnixMilli(g.Created)
		if kept := time.Now().AddDate(0, 0, -g.Keeps); g.Keeps > 0 && kept.After(at) {
			at = kept
		}
		if at.After(began) {
			began, what = at, "the log group "+name
		}
	}
	return began, what, nil
}
