package logstest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What Logs Insights allows, from the API reference and the service's quotas.
const (
	maxRows        = 100_000 // of a query
	defaultRows    = 10_000  // of one that sets no limit
	maxResultPage  = 10_000  // of a call of GetQueryResults
	maxQueryGroups = 50
	maxQueryFields = 200 // that are discovered in one event
)

// A query is one that was started.
type query struct {
	began, ends time.Time
	timeout     bool
	stopped     bool
	rows        []record
	columns     []string
	stats       queryStatistics
}

type queryStatistics struct {
	Matched float64 `json:"recordsMatched"`
	Scanned float64 `json:"recordsScanned"`
	Bytes   float64 `json:"bytesScanned"`
	Groups  float64 `json:"logGroupsScanned"`
	Rows    float64 `json:"resultCount"`
}

type startQueryInput struct {
	LogGroupName, QueryString          string
	LogGroupNames, LogGroupIdentifiers []string
	StartTime, EndTime                 *int64
	Limit                              int
	QueryLanguage                      string
}

func (s *Server) startQuery(body []byte) (any, error) {
	var in startQueryInput
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	groups, err := in.groups()
	if err != nil {
		return nil, err
	}
	if in.StartTime == nil || in.EndTime == nil || *in.StartTime > *in.EndTime || *in.EndTime > 1<<34 {
		return nil, invalid("startTime and endTime are seconds, the start not after the end")
	}
	if in.Limit < 0 || in.Limit > maxRows {
		return nil, invalid("limit %d", in.Limit)
	}
	st, err := parseStatement(in.QueryString)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayQuery(); err != nil {
		return nil, err
	}
	var found []found
	for _, name := range groups {
		g, err := s.group(name)
		if err != nil {
			return nil, err
		}
		found = append(found, g.between(*in.StartTime, *in.EndTime)...)
	}
	q := s.execute(st, found, &in)
	q.stats.Groups = float64(len(groups))
	id := fmt.Sprintf("00000000-0000-4000-9000-%012d", len(s.started)+1)
	s.started[id] = q
	return map[string]string{"queryId": id}, nil
}

// groups are the names of the groups that a query is for.
func (in *startQueryInput) groups() ([]string, error) {
	ways := 0
	names := slices.Concat(in.LogGroupNames, in.LogGroupIdentifiers)
	if in.LogGroupName != "" {
		names = append(names, in.LogGroupName)
		ways++
	}
	for _, list := range [][]string{in.LogGroupNames, in.LogGroupIdentifiers} {
		if len(list) > 0 {
			ways++
		}
	}
	if ways != 1 || len(names) > maxQueryGroups {
		return nil, invalid("exactly one of logGroupName, logGroupNames and logGroupIdentifiers, at most %d groups", maxQueryGroups)
	}
	for i, name := range names {
		if strings.HasSuffix(name, "*") {
			return nil, invalid("an ARN that ends with *")
		}
		names[i] = identified("", name)
	}
	return names, nil
}

// mayQuery refuses a query beyond the number that may run at once; s.mu must be held.
func (s *Server) mayQuery() error {
	if running := s.running(); running >= s.opt.MaxQueries {
		return &apiError{code: "LimitExceededException", message: "You have exceeded the maximum number of concurrent queries."}
	}
	return nil
}

// running counts the queries that are not over; s.mu must be held.
func (s *Server) running() (n int) {
	now := s.opt.Now()
	for _, q := range s.started {
		if q.status(now) == "Running" {
			n++
		}
	}
	return n
}

// RunningQueries returns how many queries are not over.
func (s *Server) RunningQueries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running()
}

// BytesScanned returns what all queries read together.
func (s *Server) BytesScanned() (sum float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.started {
		sum += q.stats.Bytes
	}
	return sum
}

// between returns a group's events from one second to another, both included.
func (g *group) between(from, to int64) []found {
	from, to = from*1000, to*1000+999
	return g.whole(&from, &to)
}

// execute runs a query over events. How long it takes depends on their bytes.
func (s *Server) execute(st *statement, events []found, in *startQueryInput) *query {
	q := &query{began: s.opt.Now(), columns: st.columns()}
	slices.SortFunc(events, func(a, b found) int { return -compareEvents(a.Event, b.Event) }) // the newest first
	filters := 0
	for filters < len(st.commands) && !slices.Contains([]string{"stats", "sort", "limit"}, st.commands[filters].name) {
		filters++
	}
	var rows []record
	for i := range events {
		q.stats.Bytes += float64(len(events[i].Message))
		if r := events[i].record(); st.passes(r, filters) {
			rows = append(rows, r)
		}
	}
	q.stats.Scanned, q.stats.Matched = float64(len(events)), float64(len(rows))
	for _, c := range st.commands[filters:] {
		rows = c.run(rows)
	}
	limit := defaultRows
	if in.Limit > 0 {
		limit = in.Limit
	}
	if st.limit > 0 {
		limit = st.limit
	}
	q.rows = rows[:min(len(rows), limit)]
	q.stats.Rows = float64(len(q.rows))
	q.ends = q.began
	if s.opt.ScanRate > 0 {
		q.ends = q.began.Add(time.Duration(q.stats.Bytes / s.opt.ScanRate * float64(time.Second)))
	}
	if q.ends.Sub(q.began) > s.opt.QueryTimeout {
		q.timeout, q.ends = true, q.began.Add(s.opt.QueryTimeout)
	}
	return q
}

// passes applies the filters before anything else.
func (st *statement) passes(r record, filters int) bool {
	for _, c := range st.commands[:filters] {
		if c.where != nil && !c.where.holds(r) {
			return false
		}
	}
	return true
}

// columns are the fields of a row.
func (st *statement) columns() []string {
	columns := []string{"@timestamp", "@message"}
	for _, c := range st.commands {
		switch c.name {
		case "fields", "display":
			columns = c.fields
		case "stats":
			columns = slices.Clone(c.fields)
			for _, a := range c.aggs {
				columns = append(columns, a.as)
			}
		}
	}
	return columns
}

const insightsTime = "2006-01-02 15:04:05.000"

func parseTime(s string) int64 {
	t, err := time.Parse(insightsTime, s)
	if err != nil {
		n, _ := strconv.ParseInt(s, 10, 64) // of min(@timestamp), else 0 as nothing fits
		return n
	}
	return t.UnixMilli()
}

// record discovers the fields of an event.
func (e *found) record() record {
	r := record{
		"@timestamp": time.UnixMilli(e.Millis).UTC().Format(insightsTime), "@message": e.Message,
		"@logStream": e.stream, "@log": "111122223333:" + e.group, "@ptr": fmt.Sprintf("%056d", e.Arrival),
		"@ingestionTime": time.UnixMilli(e.Ingested).UTC().Format(insightsTime),
	}
	if strings.HasPrefix(e.Message, "{") {
		var object map[string]any
		d := json.NewDecoder(strings.NewReader(e.Message))
		d.UseNumber()
		if d.Decode(&object) == nil {
			r.discover("", object)
		}
	}
	return r
}

// discover flattens an object as the service does, up to its number of fields.
// The documentation does not say how booleans look; the service shows 1 and 0.
func (r record) discover(prefix string, object map[string]any) {
	for key, value := range object {
		if len(r) > maxQueryFields {
			return
		}
		switch v := value.(type) {
		case map[string]any:
			r.discover(prefix+key+".", v)
		case bool:
			r[prefix+key] = map[bool]string{true: "1", false: "0"}[v]
		case nil, []any:
		default:
			r[prefix+key] = fmt.Sprint(v)
		}
	}
}

func (q *query) status(now time.Time) string {
	switch {
	case q.stopped:
		return "Cancelled"
	case now.Before(q.ends):
		return "Running"
	case q.timeout:
		return "Timeout"
	}
	return "Complete"
}

type resultField struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

type queryResults struct {
	Results    [][]resultField `json:"results"`
	Status     string          `json:"status"`
	Statistics queryStatistics `json:"statistics"`
	NextToken  string          `json:"nextToken,omitempty"`
}

func (s *Server) getQueryResults(body []byte) (any, error) {
	var in struct {
		QueryID   string `json:"queryId"`
		NextToken string
		MaxItems  int
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.MaxItems < 0 || in.MaxItems > maxResultPage {
		return nil, invalid("maxItems %d", in.MaxItems)
	}
	if in.MaxItems == 0 {
		in.MaxItems = maxResultPage
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.started[in.QueryID]
	if q == nil {
		return nil, notFound("query")
	}
	out := queryResults{Results: [][]resultField{}, Status: q.status(s.opt.Now()), Statistics: q.stats}
	if out.Status != "Complete" {
		return out, nil
	}
	at, _ := strconv.Atoi(in.NextToken) // empty: the first page
	if at < 0 || at > len(q.rows) {
		return nil, invalid("The specified nextToken is invalid.")
	}
	to := min(len(q.rows), at+in.MaxItems)
	for _, r := range q.rows[at:to] {
		out.Results = append(out.Results, q.row(r))
	}
	if to < len(q.rows) {
		out.NextToken = strconv.Itoa(to)
	}
	return out, nil
}

// row is a record as a result; what it does not have is left out.
func (q *query) row(r record) (row []resultField) {
	for _, name := range append(slices.Clone(q.columns), "@ptr") {
		if v, ok := r[name]; ok {
			row = append(row, resultField{name, v})
		}
	}
	return row
}

func (s *Server) stopQuery(body []byte) (any, error) {
	var in struct {
		QueryID string `json:"queryId"`
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.started[in.QueryID]
	if q == nil {
		return nil, notFound("query")
	}
	if q.status(s.opt.Now()) != "Running" {
		return nil, &apiError{code: "InvalidParameterException", message: "Query is already ended with " + q.status(s.opt.Now()) + " status"}
	}
	q.stopped = true
	return map[string]bool{"success": true}, nil
}
