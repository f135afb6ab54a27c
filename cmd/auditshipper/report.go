package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report [aureport's flags]",
		Short: "count and list events, as aureport does",
		Long: `Report prints aureport's tables of the same sources as search. Files are named
by their true paths, old and new; --compat names them as aureport does. Without a
report it prints the summary of everything.

` + newReportWords().usage() + `
exit status:
  0  the report was printed
  1  no event is of interest
  2  a flag is wrong`,
		Example:            "  auditshipper report --top 20 --by user --action delete --since 7days",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if slices.Contains(args, "--help") {
				return cmd.Help()
			}
			w := newReportWords()
			if err := w.words().parse(args); err != nil {
				return usageError(cmd, err)
			}
			return w.run(cmd)
		},
	}
}

// reportWords are what report was told.
type reportWords struct {
	sourceWords
	report query.Report
	times  bool // -t
	format string
	html   string // file of a page for a browser

	want     *query.Search // only these events
	filtered bool          // want narrows
}

func newReportWords() *reportWords {
	w := &reportWords{sourceWords: newSourceWords(), want: query.NewSearch()}
	w.report.Escape, w.counts = "tty", true
	return w
}

// run reads the source and prints the report.
func (w *reportWords) run(cmd *cobra.Command) (err error) {
	if w.html != "" {
		return w.page(cmd)
	}
	r := &w.report
	if err := w.settle(); err != nil {
		return usageError(cmd, err)
	}
	if err := r.Begin(); err != nil {
		return err
	}
	names := r.Kind == "file" || r.Kind == "summary" || r.Kind == "top"
	var first, last *query.Event
	o := query.Options{
		Facts: names && !w.compat || w.want.NeedsFacts(), Names: w.users, Numbers: w.numbers(), EOETimeout: w.timeout,
		Keep: func(e *query.Event) bool { return (!w.filtered || w.want.Match(e)) && w.inTime(e, &first, &last) },
	}
	counted, err := w.countedByService(cmd)
	if err != nil {
		return ignoreDry(err)
	}
	if counted {
		return w.printCounted(cmd)
	}
	src, _, err := w.open(cmd, o, w.narrowed())
	if err != nil {
		return ignoreDry(err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	out := newTable(forTerminal(cmd.OutOrStdout()), r, cmp.Or(w.format, "text"))
	if err := out.begin(w.times); err != nil {
		return brokenPipe(err)
	}
	for {
		e, err := src.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if e.Records == nil {
			w.inTime(e, &first, &last)
		} else if w.filtered && !w.want.MatchFacts(e) {
			continue
		}
		for _, row := range r.Take(e) {
			if err := out.row(row); err != nil {
				return brokenPipe(err)
			}
		}
	}
	if left := r.Left(); left != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "auditshipper: warning: %s\n", left)
	}
	err = brokenPipe(out.end(w, first, last))
	if out.rows == 0 && r.Kind != "summary" {
		w.tellEvidence(cmd)
	}
	return err
}

// settle makes up what the flags leave open.
func (w *reportWords) settle() error {
	r := &w.report
	switch {
	case r.Kind != "" && r.By != "":
		return query.Say("--by is of --top, and not of another report")
	case r.By != "" && w.compat:
		return query.Say("--by counts what events mean, and --compat counts what records say")
	case r.By != "" || r.Kind == "" && r.Limit > 0:
		r.Kind, r.By = "top", cmp.Or(r.By, "user")
	}
	r.Kind = cmp.Or(r.Kind, "summary")
	r.Compat, r.Names, r.ByName, r.Here = w.compat, interpreter(w.users, w.gid), w.group != "", hostname()
	w.want.Compat, w.want.Users, w.want.Here = w.compat, w.users, r.Here
	if w.filtered {
		r.Want = w.want
	}
	return nil
}

// page writes the page for a browser.
func (w *reportWords) page(cmd *cobra.Command) (err error) {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	if err := w.settle(); err != nil {
		return usageError(cmd, err)
	}
	src, _, err := w.open(cmd, query.Options{Facts: true, Keep: w.want.Match, Names: w.users, Numbers: w.numbers(), From: w.from, To: w.to, EOETimeout: w.timeout}, w.narrowed())
	if err != nil {
		return ignoreDry(err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	p := query.Page{Title: "Who deleted or renamed what", From: cmp.Or(w.input, strings.Join(w.logGroups, " "), "journal of "+host)}
	for {
		e, err := src.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if e.Records != nil && !w.want.MatchFacts(e) {
			continue
		}
		ok := w.report.Success == event.Unknown || e.Facts != nil && e.Facts.Success == w.report.Success
		if ok && (len(w.report.Nodes) == 0 || slices.Contains(w.report.Nodes, e.Node)) {
			p.Add(e)
		}
	}
	return safefile.WriteFile(w.html, 0o640, p.Write)
}

// inTime notes the first and the last event, of which the summary tells, and
// keeps those in the time asked for.
func (w *reportWords) inTime(e *query.Event, first, last **query.Event) bool {
	at := query.Event{ID: e.ID}
	if *first == nil {
		*first = &at
	}
	*last = &at
	sec := e.ID.Sec
	return (w.from.IsZero() || sec >= w.from.Unix()) && (w.to.IsZero() || sec <= w.to.Unix())
}

// A table prints rows as text, csv or JSON.
type table struct {
	w      io.Writer
	csv    *csv.Writer
	r      *query.Report
	format string
	rows   int
}

func newTable(w io.Writer, r *query.Report, format string) *table {
	return &table{w: w, csv: csv.NewWriter(w), r: r, format: format}
}

func (t *table) begin(times bool) error {
	switch {
	case t.format == "csv":
		return t.csv.Write(t.r.Columns())
	case t.format == "json":
		return nil
	case times:
		_, err := io.WriteString(t.w, "\nLog Time Range Report\n=====================\n")
		return err
	}
	_, err := io.WriteString(t.w, t.r.Title())
	return err
}

func (t *table) row(row query.Row) error {
	t.rows++
	switch t.format {
	case "csv":
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = t.cell(cell)
		}
		return t.csv.Write(cells)
	case "json":
		object := map[string]string{}
		for i, name := range t.r.Columns() {
			object[strings.Replace(name, "#", "number", 1)] = strings.TrimSuffix(row[i], ".")
		}
		return printJSON(t.w, object)
	}
	_, err := fmt.Fprintln(t.w, t.safe(strings.Join(row, " ")))
	return err
}

// safe is a line of the table, without what could break it; raw bytes and
// aureport's stay as they are.
func (t *table) safe(line string) string {
	if t.r.Compat || t.r.Escape == "raw" {
		return line
	}
	return query.Safe(line)
}

func (t *table) cell(text string) string {
	if t.r.Escape == "raw" {
		return text
	}
	return query.Cell(text)
}

// end prints the summary, or that there was nothing.
func (t *table) end(w *reportWords, first, last *query.Event) error {
	if t.format == "text" && t.r.Kind == "summary" {
		return t.totals(w, first, last)
	}
	summary := t.r.End()
	for _, row := range summary {
		if t.format == "text" {
			fmt.Fprintf(t.w, "%s  %s\n", row[0], t.safe(row[1]))
			t.rows++
			continue
		}
		if err := t.row(row); err != nil {
			return err
		}
	}
	if t.format == "csv" {
		t.csv.Flush()
		return t.csv.Error()
	}
	if t.rows > 0 {
		return nil
	}
	if t.format == "text" {
		fmt.Fprint(t.w, "<no events of interest were found>\n\n")
	}
	if t.r.Summary {
		return nil
	}
	return errNothing
}

// totals print what aureport does without a report, or with -t.
func (t *table) totals(w *reportWords, first, last *query.Event) error {
	if first == nil {
		first, last = &query.Event{}, &query.Event{}
	}
	from, to := first.ID.Time().Local(), last.ID.Time().Local()
	const day, milli = "01/02/06 15:04:05", "01/02/06 15:04:05.000"
	if w.times {
		_, err := fmt.Fprintf(t.w, "%s: %s - %s\n", cmp.Or(w.input, strings.Join(w.logGroups, " "), "journal"), from.Format(milli), to.Format(milli))
		return err
	}
	fmt.Fprintf(t.w, "Range of time in logs: %s - %s\n", from.Format(milli), to.Format(milli))
	selected, until := from, to.Format(milli)
	if !w.from.IsZero() {
		selected = w.from
	}
	if !w.to.IsZero() {
		until = w.to.Format(day)
	}
	fmt.Fprintf(t.w, "Selected time for report: %s - %s\n", selected.Format(day), until)
	for _, row := range t.r.End() {
		fmt.Fprintf(t.w, "%s: %s\n", row[0], row[1])
	}
	_, err := fmt.Fprintln(t.w)
	return err
}
