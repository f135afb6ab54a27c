package ship

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// What Logs Insights documents: the rows of one query, and the calls of
// StartQuery and of GetQueryResults in a second, of which a reader takes half.
const (
	mostQueryRows    = 100_000
	queryCallsPerSec = 5
	queryCallsAtOnce = 20
)

// A Window is a span of time in milliseconds since 1970, From included, To not.
type Window struct{ From, To int64 }

// A QueryRow is a row of a result, by the names of its fields. A field that the
// row lacks is not there.
type QueryRow map[string]string

// A Query is a question to Logs Insights. Text makes the statement for a part of
// the window. It must filter by the part's milliseconds: the service's own
// bounds are whole seconds.
type Query struct {
	Groups []string // names or ARNs
	Window Window
	Text   func(Window) string

	// Whole says that rows are counts over a window: a result that is not
	// complete is dropped, and the window is halved. Otherwise rows are events
	// by rising @timestamp, and the next query goes on after the last.
	Whole bool

	// Complete says whether the rows of a Whole query are all; nil: they are.
	Complete func(rows []QueryRow, matched float64) bool

	Parallel int     // slices that run side by side
	Limit    int     // rows of one query, 0 for what the service allows
	MaxBytes float64 // no more slices are asked for when more is scanned; 0: no bound
	Progress func(QueryProgress)
}

// A QueryProgress is how far a Query is.
type QueryProgress struct {
	Slices, Done   int
	Rows           int
	Bytes, Skipped float64 // scanned, and left out thanks to an index
	Calls          int     // of StartQuery and GetQueryResults
	Waits          bool    // the service refuses for now
}

// ErrNoInsights means that the endpoint or our rights do not allow Logs Insights.
var ErrNoInsights = errors.New("the service does not offer Logs Insights here")

// ErrMaxBytes means that a query scanned more than it may.
var ErrMaxBytes = errors.New("more was scanned than is allowed")

// errTooDense means that one millisecond has more rows than a query returns.
var errTooDense = errors.New("more rows match in one millisecond than a query of Logs Insights returns")

// A slice is a part of a query's window, and the query that runs over it.
type slice struct {
	window Window
	done   chan struct{} // closed when page or err is there
	id     string
	page   queryPage
	err    error
}

// A querying is a Query that runs.
type querying struct {
	*Query
	c     *CloudWatch
	wg    sync.WaitGroup
	start *pace
	fetch *pace

	mu   sync.Mutex
	told QueryProgress
}

// Ask runs a query and gives each its rows, window by window in order of time,
// until each returns an error. No query is left running at the endpoint.
func (c *CloudWatch) Ask(ctx context.Context, query *Query, each func(Window, []QueryRow) error) (QueryProgress, error) {
	q := &querying{Query: query, c: c, start: newPace(), fetch: newPace()}
	if q.Limit == 0 {
		query.Limit = mostQueryRows
	}
	ctx, cancel := context.WithCancel(ctx)
	slices := q.cut(query.Window, q.Parallel)
	defer func() {
		cancel()
		q.wg.Wait()
	}()
	q.told.Slices = len(slices)
	for len(slices) > 0 {
		for _, s := range slices[:min(q.Parallel, len(slices))] {
			q.launch(ctx, s)
		}
		rest, err := q.take(ctx, slices[0], each)
		if err != nil {
			return q.progress(), err
		}
		slices = append(rest, slices[1:]...)
	}
	return q.progress(), nil
}

// shortest is the window below which cutting into parallel slices is no gain.
const shortest = 5 * 60 * 1000

// cut divides a window into n slices.
func (q *querying) cut(w Window, n int) []*slice {
	span := w.To - w.From
	if span < shortest {
		n = 1
	}
	var out []*slice
	for i := range int64(n) {
		part := Window{w.From + span*i/int64(n), w.From + span*(i+1)/int64(n)}
		if part.From < part.To {
			out = append(out, &slice{window: part})
		}
	}
	return out
}

func (q *querying) halve(w Window) ([]*slice, error) {
	if w.To-w.From <= 1 {
		return nil, errTooDense
	}
	mid := w.From + (w.To-w.From)/2
	q.tell(func(p *QueryProgress) { p.Slices++ })
	return []*slice{{window: Window{w.From, mid}}, {window: Window{mid, w.To}}}, nil
}

// launch runs a slice's query up to its first page, beside the others.
func (q *querying) launch(ctx context.Context, s *slice) {
	if s.done != nil {
		return
	}
	s.done = make(chan struct{})
	q.wg.Go(func() {
		defer close(s.done)
		s.err = q.run(ctx, s)
	})
}

// errQueryTime means that the service ended a query, since it took too long.
var errQueryTime = errors.New("the query took too long")

// startTime bounds one call of StartQuery. The call outlives who asks: a query whose id did
// not arrive could not be stopped.
const startTime = 15 * time.Second

func (q *querying) run(ctx context.Context, s *slice) (err error) {
	text := q.Text(s.window)
	err = q.insist(ctx, q.start, func() (err error) {
		starting, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTime)
		defer cancel()
		s.id, err = q.c.startQuery(starting, q.Groups, text, s.window, q.Limit)
		return err
	})
	if err != nil {
		return err
	}
	over := false
	defer func() {
		if !over {
			q.c.stopQuery(context.WithoutCancel(ctx), s.id)
		}
	}()
	for wait := 25 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if err := Pause(ctx, wait); err != nil {
			return err
		}
		if s.page, err = q.results(ctx, s.id, ""); err != nil {
			return err
		}
		switch s.page.status {
		case "Scheduled", "Running":
			continue
		case "Complete":
			over = true
			return nil
		case "Timeout":
			over = true
			return errQueryTime
		default:
			over = true
			return fmt.Errorf("query of Logs Insights: %s", s.page.status)
		}
	}
}

func (q *querying) results(ctx context.Context, id, token string) (page queryPage, err error) {
	err = q.insist(ctx, q.fetch, func() (err error) {
		page, err = q.c.queryResults(ctx, id, token)
		return err
	})
	return page, err
}

// take waits for the first slice and gives its rows to each. It returns what is
// left to ask of the slice's window.
func (q *querying) take(ctx context.Context, s *slice, each func(Window, []QueryRow) error) ([]*slice, error) {
	select {
	case <-s.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q.tell(func(p *QueryProgress) { p.Bytes += s.page.bytes; p.Skipped += s.page.skipped })
	switch {
	case q.MaxBytes > 0 && q.progress().Bytes > q.MaxBytes:
		return nil, ErrMaxBytes
	case errors.Is(s.err, errQueryTime):
		rest, err := q.halve(s.window)
		if err != nil {
			return nil, errQueryTime
		}
		return rest, nil
	case s.err != nil:
		return nil, s.err
	case q.Whole:
		return q.takeWhole(ctx, s, each)
	}
	return q.takeRows(ctx, s, each)
}

// takeWhole gives all rows at once, or none and halves the window.
func (q *querying) takeWhole(ctx context.Context, s *slice, each func(Window, []QueryRow) error) ([]*slice, error) {
	rows, page := s.page.rows, s.page
	for page.next != "" {
		var err error
		if page, err = q.results(ctx, s.id, page.next); err != nil {
			return nil, err
		}
		rows = append(rows, page.rows...)
	}
	if len(rows) >= q.Limit || q.Complete != nil && !q.Complete(rows, s.page.matched) {
		return q.halve(s.window)
	}
	q.tell(func(p *QueryProgress) { p.Done++; p.Rows += len(rows) })
	return nil, each(s.window, rows)
}

// takeRows gives the rows page by page. If there are more than a query returns,
// those of the last millisecond wait for the next query, which begins with it.
func (q *querying) takeRows(ctx context.Context, s *slice, each func(Window, []QueryRow) error) ([]*slice, error) {
	got, page, last := 0, s.page, s.window.From
	var held []QueryRow // of the last millisecond so far
	for {
		rows := append(held, page.rows...)
		got += len(page.rows)
		at := len(rows)
		if at > 0 {
			var err error
			if last, err = rows[at-1].Millis(); err != nil {
				return nil, err
			}
			for at > 0 {
				if t, err := rows[at-1].Millis(); err != nil || t != last {
					break
				}
				at--
			}
		}
		if err := each(s.window, rows[:at]); err != nil {
			return nil, err
		}
		held = rows[at:]
		q.tell(func(p *QueryProgress) { p.Rows += at })
		if page.next == "" {
			break
		}
		var err error
		if page, err = q.results(ctx, s.id, page.next); err != nil {
			return nil, err
		}
	}
	if hasAll(got, s.page.matched) {
		q.tell(func(p *QueryProgress) { p.Done++; p.Rows += len(held) })
		return nil, each(s.window, held)
	}
	return q.after(s.window, last, int(s.page.matched)-got)
}

// hasAll says whether the rows of a query are all that matched. An endpoint
// that does not say how many matched returns at most 10,000.
func hasAll(got int, matched float64) bool {
	if matched == 0 {
		return got < 10_000
	}
	return got >= int(matched)
}

// after cuts what is left of a window from its last millisecond on.
func (q *querying) after(w Window, last int64, more int) ([]*slice, error) {
	var rest []*slice
	switch {
	case last > w.From:
		rest = q.cut(Window{last, w.To}, 1+max(0, more)/q.Limit)
	case w.To-w.From > 1: // the first millisecond has them all
		rest = []*slice{{window: Window{last, last + 1}}, {window: Window{last + 1, w.To}}}
	default:
		return nil, errTooDense
	}
	q.tell(func(p *QueryProgress) { p.Slices += len(rest); p.Done++ })
	return rest, nil
}

// insist makes a call within the pace until it is not refused for a reason that
// passes.
func (q *querying) insist(ctx context.Context, at *pace, call func() error) error {
	const base, most = 200 * time.Millisecond, 20 * time.Second
	for ceiling, tries := base, 1; ; ceiling, tries = min(2*ceiling, most), tries+1 {
		if err := at.wait(ctx); err != nil {
			return err
		}
		q.tell(func(p *QueryProgress) { p.Calls++ })
		err := call()
		final := errors.Is(err, ErrBlocked) || errors.Is(err, ErrInvalid) || errors.Is(err, ErrNoInsights)
		if err == nil || final || ctx.Err() != nil || !errors.Is(err, ErrThrottled) && tries >= readTries {
			return err
		}
		q.tell(func(p *QueryProgress) { p.Waits = true })
		if err := Pause(ctx, rand.N(ceiling)); err != nil {
			return err
		}
	}
}

func (q *querying) tell(change func(*QueryProgress)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.told.Waits = false
	change(&q.told)
	if q.Progress != nil {
		q.Progress(q.told)
	}
}

func (q *querying) progress() QueryProgress {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.told
}

// Millis is when the event of a row happened.
func (r QueryRow) Millis() (int64, error) {
	text := r["@timestamp"]
	t, err := time.Parse("2006-01-02 15:04:05.000", text)
	if err == nil {
		return t.UnixMilli(), nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("@timestamp of a row: %w", err)
}

// A pace lets queryCallsPerSec calls through in a second, and queryCallsAtOnce
// after a rest.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the bucket is full again
}

func newPace() *pace { return &pace{} }

func (p *pace) wait(ctx context.Context) error {
	const each = time.Second / queryCallsPerSec
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	p.next = p.next.Add(each)
	delay := p.next.Sub(now) - queryCallsAtOnce*each
	p.mu.Unlock()
	if delay <= 0 {
		return ctx.Err()
	}
	return Pause(ctx, delay)
}
