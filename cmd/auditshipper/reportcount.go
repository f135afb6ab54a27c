package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// countedByService lets Logs Insights count for a summary, where it counts as
// the client would. It reports false if the client has to read the events.
func (w *reportWords) countedByService(cmd *cobra.Command) (bool, error) {
	r := &w.report
	if w.group == "" || w.engine == "filter" || r.Aggregated() == nil {
		return false, nil
	}
	q, err := w.ask(cmd, w.narrowed().Narrow(false))
	if err != nil {
		return false, err
	}
	if !q.takesInsights(true) {
		return false, nil
	}
	if err := q.measure(cmd.Context()); err != nil {
		return false, err
	}
	if err := q.afford(cmd.OutOrStdout(), true, query.Totals(r.Aggregated())); err != nil {
		return false, err
	}
	err = q.count(cmd.Context(), r)
	refused := errors.Is(err, ship.ErrNoInsights) && w.engine == "auto"
	if refused || errors.Is(err, errInexact) {
		return false, r.Begin() // forgets what was counted so far
	}
	return err == nil, err
}

// narrowed is what a report asks of a log group.
func (w *reportWords) narrowed() *query.Search {
	narrow := *w.want
	want := &narrow
	if w.report.Kind != "summary" { // which tells from when to when all events are
		want.Nodes = w.report.Nodes
		want.Success = w.report.Success
	}
	return want
}

// printCounted prints a summary that is complete.
func (w *reportWords) printCounted(cmd *cobra.Command) error {
	out := newTable(forTerminal(cmd.OutOrStdout()), &w.report, cmp.Or(w.format, "text"))
	if err := out.begin(w.times); err != nil {
		return brokenPipe(err)
	}
	if left := w.report.Left(); left != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "auditshipper: warning: %s\n", left)
	}
	return brokenPipe(out.end(w, nil, nil))
}

// ignoreDry is nil after a dry run.
func ignoreDry(err error) error {
	if errors.Is(err, errDry) {
		return nil
	}
	return err
}
