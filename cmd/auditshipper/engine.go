package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// engineWords say which of the service's two ways to read a group is taken, and
// what it may cost.
type engineWords struct {
	engine   string // auto, insights or filter
	parallel int
	dryRun   bool
	maxScan  int64 // bytes, 0 for no bound

	counts bool // a report asks, which reads all there is

	region, profile, roleARN, externalID string
}

func newEngineWords() engineWords { return engineWords{engine: "auto", parallel: 5} }

func (e *engineWords) words() words {
	return words{
		{names: "--engine", value: "auto|insights|filter", help: "of the log group: CloudWatch Logs Insights, FilterLogEvents, or whichever suits", set: func(v, _ string) (int, error) {
			e.engine = v
			return 1, oneWord(v, "auto", "insights", "filter")
		}},
		{names: "--slices", value: "N", help: "queries of Logs Insights side by side (5)", set: func(v, _ string) (used int, err error) {
			if e.parallel, err = strconv.Atoi(v); err != nil || e.parallel < 1 || e.parallel > 30 {
				return 1, query.Say("--slices %s: a number from 1 to 30 is wanted", v)
			}
			return 1, nil
		}},
		switchWord("--dry-run", "print the queries, the bytes that they would scan and the price, and ask nothing", &e.dryRun),
		{names: "--max-scan", value: "SIZE", help: "refuse to scan more, such as 100GB", set: func(v, _ string) (used int, err error) {
			e.maxScan, err = parseScan(v)
			return 1, err
		}},
		textWord("--region", "REGION", "of the log group", &e.region),
		textWord("--profile", "NAME", "of the AWS configuration", &e.profile),
		textWord("--role-arn", "ARN", "role to assume for reading", &e.roleARN),
		textWord("--external-id", "ID", "for the role", &e.externalID),
	}
}

var scanUnits = []struct {
	name  string
	bytes float64
}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}}

func parseScan(text string) (int64, error) {
	for _, u := range scanUnits {
		number, ok := strings.CutSuffix(strings.ToUpper(text), u.name)
		if !ok {
			continue
		}
		if n, err := strconv.ParseFloat(number, 64); err == nil && n > 0 && n*u.bytes < 1<<62 {
			return int64(n * u.bytes), nil
		}
	}
	return 0, query.Say("--max-scan %s: a size such as 100GB is wanted", text)
}

func scanned(bytes float64) string {
	for _, u := range scanUnits {
		if bytes >= u.bytes && u.name != "B" {
			return fmt.Sprintf("%.1f %s", bytes/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", bytes)
}

// pricePerGB is what a scanned GB costs in us-east-1 and most other regions, in dollars.
const pricePerGB = 0.005

func price(bytes float64) string { return fmt.Sprintf("$%.2f", bytes/1e9*pricePerGB) }

// A groupQuestion is what is asked of log groups.
type groupQuestion struct {
	*sourceWords
	cw         *ship.CloudWatch
	conditions []string
	err        io.Writer
	terminal   bool

	window    ship.Window
	estimated float64
}

// brief is the window in which FilterLogEvents has the sooner answer.
const brief = 10 * time.Minute

// takesInsights says which engine a question takes if the user leaves the choice.
func (q *groupQuestion) takesInsights(counts bool) bool {
	switch {
	case q.engine != "auto":
		return q.engine == "insights"
	case !q.from.IsZero() && cmpTime(q.to, time.Now()).Sub(q.from) <= brief:
		return false
	}
	return counts || len(q.conditions) > 0
}

// cmpTime is t, or if it is zero, other.
func cmpTime(t, other time.Time) time.Time {
	if t.IsZero() {
		return other
	}
	return t
}

// ask prepares a question.
func (s *sourceWords) ask(cmd *cobra.Command, conditions []string) (*groupQuestion, error) {
	cw, err := s.connect(cmd.Context())
	if err != nil {
		return nil, err
	}
	w := cmd.ErrOrStderr()
	return &groupQuestion{sourceWords: s, cw: cw, conditions: conditions, err: w, terminal: isTerminal(w)}, nil
}

// latest is how far in the future an event may be; earliest how much older than its group.
const (
	latest   = 2 * time.Hour
	earliest = 15 * 24 * time.Hour
)

// measure finds the window and estimates what Logs Insights would scan.
func (q *groupQuestion) measure(ctx context.Context) error {
	now := time.Now()
	q.window = ship.Window{From: q.from.UnixMilli(), To: (q.to.Unix() + 1) * 1000}
	if q.to.IsZero() {
		q.window.To = now.Add(latest).UnixMilli()
	}
	oldest := now
	for _, name := range q.logGroups {
		g, err := q.cw.DescribeGroup(ctx, name)
		if err != nil {
			return err
		}
		made := time.UnixMilli(g.Created)
		if begin := made.Add(-earliest); begin.Before(oldest) {
			oldest = begin
		}
		if kept := now.AddDate(0, 0, -g.Keeps); g.Keeps > 0 && kept.After(made) {
			made = kept
		}
		q.estimated += float64(g.Bytes) * share(made, now, q.from, cmpTime(q.to, now))
	}
	if q.from.IsZero() {
		q.window.From = max(0, oldest.UnixMilli())
	}
	if q.window.From >= q.window.To {
		q.window.To = q.window.From + 1
	}
	return nil
}

// share is the part of a group's life that lies in a window.
func share(made, now, from, to time.Time) float64 {
	life := now.Sub(made)
	if from.Before(made) {
		from = made
	}
	if to.After(now) {
		to = now
	}
	if life <= 0 || to.Before(from) {
		return 0
	}
	return min(1, float64(to.Sub(from))/float64(life))
}

// errDry ends a dry run.
var errDry = errors.New("nothing was asked")

// afford prints the price of a dry run, or refuses one that is too high.
func (q *groupQuestion) afford(w io.Writer, insights bool, then string) error {
	if q.dryRun {
		return q.tellPrice(w, insights, then)
	}
	if q.maxScan > 0 && q.estimated > float64(q.maxScan) && insights {
		return withStatus(exitRefused, hinted{
			fmt.Errorf("the question would scan about %s, and --max-scan is %s", scanned(q.estimated), scanned(float64(q.maxScan))),
			"narrow the time with -ts and -te; --dry-run prints the queries and the price",
		})
	}
	return nil
}

func (q *groupQuestion) tellPrice(w io.Writer, insights bool, then string) error {
	day := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	fmt.Fprintf(w, "log groups: %s\nwindow: %s to %s\n", strings.Join(q.logGroups, " "), day(q.window.From), day(q.window.To))
	var err error
	if !insights {
		_, err = fmt.Fprintf(w, "engine: FilterLogEvents, about %s to read, 1 MB a call; calls cost nothing\n", scanned(q.estimated))
	} else {
		fmt.Fprintf(w, "engine: Logs Insights, %d queries side by side, each over a part of the window:\n\n%s\n\n", q.parallel, query.Statement(q.window.From, q.window.To, q.streams, q.conditions, then))
		_, err = fmt.Fprintf(w, "scans about %s by the groups' storedBytes: about %s at $%.3f a GB; less where a field index applies\n", scanned(q.estimated), price(q.estimated), pricePerGB)
	}
	return errors.Join(err, errDry)
}

// query makes the question to Logs Insights.
func (q *groupQuestion) query(w ship.Window, then string) *ship.Query {
	groups := slices.Clone(q.logGroups)
	for i := range groups {
		groups[i] = strings.TrimSuffix(groups[i], ":*")
	}
	return &ship.Query{
		Groups: groups, Window: w, Parallel: q.parallel, MaxBytes: float64(q.maxScan), Progress: q.progress(),
		Text: func(w ship.Window) string {
			return query.Statement(w.From, w.To, q.streams, q.conditions, then)
		},
	}
}

// progress is a line on a terminal that is written anew.
func (q *groupQuestion) progress() func(ship.QueryProgress) {
	if !q.terminal {
		return nil
	}
	var last time.Time
	return func(p ship.QueryProgress) {
		if time.Since(last) < 200*time.Millisecond {
			return
		}
		last = time.Now()
		waits := ""
		if p.Waits {
			waits = ", waiting for the service's quota"
		}
		fmt.Fprintf(q.err, "\r\x1b[KLogs Insights: %d of %d slices, %d rows, %s scanned%s\r", p.Done, p.Slices, p.Rows, scanned(p.Bytes), waits)
	}
}

// spent says what a question cost in the end.
func (q *groupQuestion) spent(p ship.QueryProgress) {
	clear := ""
	if q.terminal {
		clear = "\r\x1b[K"
	}
	skipped := ""
	if p.Skipped > 0 {
		skipped = fmt.Sprintf(", %s skipped by a field index", scanned(p.Skipped))
	}
	fmt.Fprintf(q.err, "%sauditshipper: Logs Insights scanned %s%s in %d slices: about %s\n", clear, scanned(p.Bytes), skipped, p.Slices, price(p.Bytes))
}

// rows are the events that Logs Insights finds.
func (q *groupQuestion) rows(ctx context.Context) iter.Seq2[ship.Stored, error] {
	return func(yield func(ship.Stored, error) bool) {
		p, err := q.cw.Ask(ctx, q.query(q.window, query.EventRows), func(_ ship.Window, rows []ship.QueryRow) error {
			for _, r := range rows {
				e, err := storedOf(r)
				if err != nil {
					return err
				}
				if !yield(e, nil) {
					return errStop
				}
			}
			return nil
		})
		if !errors.Is(err, ship.ErrNoInsights) {
			q.spent(p)
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(ship.Stored{}, fmt.Errorf("search %s: %w", strings.Join(q.logGroups, " "), err))
		}
	}
}

func storedOf(r ship.QueryRow) (ship.Stored, error) {
	ms, err := r.Millis()
	_, group, _ := strings.Cut(r["@log"], ":")
	return ship.Stored{Millis: ms, Group: group, Stream: r["@logStream"], Message: r["@message"]}, err
}

// filtered are the events that FilterLogEvents finds, of all groups by time.
func (q *groupQuestion) filtered(ctx context.Context, pattern string) iter.Seq2[ship.Stored, error] {
	var all []iter.Seq2[ship.Stored, error]
	for _, group := range q.logGroups {
		sel := q.selection()
		sel.Group, sel.Pattern = group, pattern
		all = append(all, selected(ctx, q.cw, sel))
	}
	return merged(all)
}

func (s *sourceWords) selection() ship.Selection {
	sel := ship.Selection{Streams: s.streams}
	if !s.from.IsZero() {
		sel.From = s.from.Unix() * 1000
	}
	if !s.to.IsZero() {
		sel.To = s.to.Unix()*1000 + 999
	}
	return sel
}

// orElse is a, or if a is refused before its first event, b.
func orElse(a, b iter.Seq2[ship.Stored, error], refused func(error) bool) iter.Seq2[ship.Stored, error] {
	return func(yield func(ship.Stored, error) bool) {
		first, other := true, false
		for e, err := range a {
			if first && err != nil && refused(err) {
				other = true
				break
			}
			first = false
			if !yield(e, err) {
				return
			}
		}
		if other {
			b(yield)
		}
	}
}

// count lets the service count for a summary. The error is errInexact if only
// the client can.
func (q *groupQuestion) count(ctx context.Context, r *query.Report) error {
	fields := r.Aggregated()
	asked := q.query(q.window, query.Totals(fields))
	asked.Whole = true
	asked.Complete = func(rows []ship.QueryRow, matched float64) bool { return query.WholeTotals(asMaps(rows), matched) }
	sum, err := q.cw.Ask(ctx, asked, func(w ship.Window, rows []ship.QueryRow) error {
		if !query.ExactTotals(asMaps(rows)) {
			return errInexact
		}
		for _, row := range rows {
			if err := r.TakeTotal(row); err != nil {
				return err
			}
		}
		return nil
	})
	if !errors.Is(err, ship.ErrNoInsights) {
		q.spent(sum)
	}
	return err
}

// errInexact means that the service's count would differ from the client's.
var errInexact = errors.New("the group has events that only the client can count")

func asMaps(rows []ship.QueryRow) []map[string]string {
	out := make([]map[string]string, len(rows))
	for i, r := range rows {
		out[i] = r
	}
	return out
}
