package query

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A Report is a table that aureport prints, made of the events it is given.
type Report struct {
	Kind      string // one of Kinds; "summary" for all in numbers
	Summary   bool   // how often each, instead of a row for each
	Success   event.Tristate
	Nodes     []string
	NoConfig  bool
	Add, Del  bool // of configuration changes, only these
	Interpret bool // numbers become words
	Compat    bool // names as aureport has them, not the true paths
	Escape    string
	Names     Interpreter
	By        string  // of a Kind "top", what is counted by: one of TopBy
	Limit     int     // how many rows a summary has at most, 0 for all
	Want      *Search // of what the service counted, only this; nil: all
	Here      string  // the host of events that name none

	kind   *kind
	top    *top
	ask    Search
	found  extract
	line   int
	counts counts
	totals totals
	weight int // how many events the one that is taken stands for

	// ByName orders what is as frequent by its name, not by what came first: a
	// service that counts does not tell that.
	ByName bool
}

// A Row is one of a report, with its columns in the order of Columns.
type Row []string

// A kind is what makes one of aureport's reports.
type kind struct {
	name           string
	title, sums    string // of the table, and of its summary
	columns, count string // their names; the summary's second column
	rule           int    // length of the lines around the header, 0: as the header
	sumRule        int
	ask            string // what of the records it needs, see askFor
	wants          func(*Report, *Event, *extract) bool
	row            func(*Report, *Event, *extract) []string
	keys           func(*Report, *Event, *extract) []string // for the summary
}

// Begin makes the report ready. It is an error if there is no such kind.
func (r *Report) Begin() error {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == r.Kind })
	if i < 0 && r.Kind != "summary" && r.Kind != "top" {
		return fmt.Errorf("no report %q", r.Kind)
	}
	r.ask = *NewSearch()
	r.ask.Compat, r.ask.Success, r.ask.PID, r.ask.Users = r.Compat, event.Yes, 0, r.Names.User
	if r.Interpret {
		r.ask.Machine = 0
	}
	if i >= 0 {
		r.kind = &kinds[i]
		r.askFor(r.kind.ask)
	} else {
		r.askFor("file host term exe comm key auid")
	}
	r.counts, r.weight = counts{hits: map[string]int{}}, 1
	r.totals.begin()
	if r.Kind == "top" {
		return r.chooseTop()
	}
	return nil
}

// askFor makes the extract take what a report needs of the records.
func (r *Report) askFor(fields string) {
	const any = "any"
	a := &r.ask
	for f := range strings.FieldsSeq(fields) {
		switch f {
		case "comm":
			a.Comm = any
		case "exe":
			a.Exe = any
		case "host":
			a.Host = any
		case "term":
			a.Term = any
		case "file":
			a.File = any
		case "key":
			a.Key = any
		case "subj":
			a.Subject = any
		case "obj":
			a.Object = any
		case "uid":
			a.UID.ID = 1
		case "auid":
			a.AUID = User{ID: 1, Name: any}
		case "ses":
			a.Session = 1
		}
	}
}

// Take takes an event, and returns the rows it makes in a table of rows.
func (r *Report) Take(e *Event) []Row {
	x := &r.found
	x.reset(&r.ask, e)
	if e.Records == nil {
		x.fromFacts(e.Facts)
	} else {
		x.syscallZero()
		if !x.all(e) {
			return nil
		}
	}
	if len(r.Nodes) > 0 && !slices.Contains(r.Nodes, e.Node) ||
		r.Success != event.Unknown && x.success != r.Success || !r.configured(e.Type()) {
		return nil
	}
	if r.kind == nil {
		r.totals.add(r, e, x)
		return nil
	}
	if !r.kind.wants(r, e, x) {
		return nil
	}
	if r.Summary {
		for _, key := range r.kind.keys(r, e, x) {
			r.counts.add(key, r.weight)
		}
		return nil
	}
	return r.rows(e, x)
}

func (r *Report) rows(e *Event, x *extract) []Row {
	var rows []Row
	date, clock := e.localTime().Format("01/02/06"), e.localTime().Format("15:04:05")
	for _, columns := range r.kind.tables(r, e, x) {
		r.line++
		rows = append(rows, append(Row{strconv.Itoa(r.line) + ".", date, clock}, columns...))
	}
	return rows
}

// tables are the rows of an event: one, but for AVCs.
func (k *kind) tables(r *Report, e *Event, x *extract) [][]string {
	if k.name == "avc" {
		return r.avcRows(e, x)
	}
	if columns := k.row(r, e, x); columns != nil {
		return [][]string{columns}
	}
	return nil
}

// configured applies --add, --delete and --no-config.
func (r *Report) configured(t event.Type) bool {
	added := map[event.Type]bool{1114: true, 1116: true, 1407: true, 1409: true, 1411: true, 1413: true, 1416: true}
	gone := map[event.Type]bool{1115: true, 1117: true, 1408: true, 1410: true, 1412: true, 1414: true, 1417: true}
	return !(t == typeConfig && r.NoConfig || r.Del && added[t] || r.Add && gone[t])
}

// Title is what stands above the table.
func (r *Report) Title() string {
	which := map[event.Tristate]string{event.Yes: "Success ", event.No: "Failed "}[r.Success]
	if r.kind == nil {
		return "\n" + which + "Summary Report\n======================\n"
	}
	k := r.kind
	if r.top != nil {
		rule := strings.Repeat("=", 24)
		return fmt.Sprintf("\n%sTop by %s\n%s\ntotal  %s\n%s\n", which, k.count, rule, k.count, rule)
	}
	if r.Summary {
		rule := strings.Repeat("=", k.sumRule)
		return fmt.Sprintf("\n%s%s Summary Report\n%s\ntotal  %s\n%s\n", which, k.sums, rule, k.count, rule)
	}
	header := "# date time " + k.columns
	rule := strings.Repeat("=", cmp.Or(k.rule, len(header)))
	end := rule
	if k.name == "comm" {
		end += "=" // aureport's own
	}
	return fmt.Sprintf("\n%s Report\n%s\n%s\n%s\n", k.title, rule, header, end)
}

// Columns are the names of a row's columns, or of a summary's.
func (r *Report) Columns() []string {
	switch {
	case r.kind == nil:
		return []string{"what", "number"}
	case r.Summary:
		return []string{"total", r.kind.count}
	}
	return append([]string{"#", "date", "time"}, strings.Fields(r.kind.columns)...)
}

// End returns the rows of a summary: the most frequent first. For the summary
// of everything they are what is counted, and how many there are.
func (r *Report) End() []Row {
	if r.kind == nil {
		return r.totals.rows()
	}
	if !r.Summary {
		return nil
	}
	var rows []Row
	if r.ByName {
		slices.Sort(r.counts.order)
	}
	for _, key := range r.counts.sorted(r.kind.name == "pid" || isTyped(r.kind.name)) {
		rows = append(rows, Row{strconv.Itoa(r.counts.hits[key]), r.summaryKey(key)})
		if r.Limit > 0 && len(rows) == r.Limit {
			break
		}
	}
	return rows
}

// isTyped says whether a summary counts record types.
func isTyped(name string) bool {
	return slices.Contains([]string{"mac", "integrity", "virt", "config", "mods", "event", "anomaly", "response", "crypto"}, name)
}

func (r *Report) summaryKey(key string) string {
	if isTyped(r.kind.name) && r.Interpret {
		n, _ := strconv.Atoi(key) // made of one
		return event.Type(n).String()
	}
	return string(appendEscaped(nil, []byte(key), r.Escape))
}

// counts count how often each key comes, and remember the order.
type counts struct {
	hits    map[string]int
	order   []string
	bytes   int // of the keys
	dropped int // how often others came, for which there was no room
}

// maxCounted bounds the bytes of a summary's keys.
const maxCounted = 32 << 20

func (c *counts) add(key string, weight int) {
	if n := c.hits[key]; n > 0 {
		c.hits[key] = n + weight
		return
	}
	const each = 128 // beside the text
	if c.bytes += len(key) + each; c.bytes > maxCounted {
		c.bytes -= len(key) + each
		c.dropped += weight
		return
	}
	c.hits[key] = weight
	c.order = append(c.order, key)
}

// Left says what the report could not count, for lack of room; empty if nothing.
func (r *Report) Left() string {
	switch {
	case r.counts.dropped > 0:
		return fmt.Sprintf("the summary lacks %d entries: it holds %d MiB of different ones", r.counts.dropped, maxCounted>>20)
	case r.totals.dropped > 0:
		return fmt.Sprintf("numbers of users, terminals, host names, executables, commands, files, keys and process IDs are at least as great: %d different ones are told apart", maxDistinct)
	}
	return ""
}

// sorted returns the keys, the most frequent first; those alike in the order in
// which they came, numbers by their value.
func (c *counts) sorted(numbers bool) []string {
	keys := slices.Clone(c.order)
	if numbers {
		slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(atoi(a), atoi(b)) })
	}
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(c.hits[b], c.hits[a]) })
	return keys
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s) // made of one
	return n
}
