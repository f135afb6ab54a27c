package logstest

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A statement is a query in Logs Insights QL: commands in the order in which
// they apply. It knows the part of the language that the documentation
// describes and auditshipper uses; anything else is refused.
type statement struct {
	commands []command
	limit    int // of the limit command, 0 if there is none
}

// A command is one step of a query.
type command struct {
	name   string // fields, filter, filterIndex, stats, sort
	fields []string
	where  expression
	aggs   []aggregate
	orders []order
}

// An aggregate is one column of stats.
type aggregate struct{ function, field, as string }

// An order is one column of sort.
type order struct {
	field string
	desc  bool
}

// An expression is a condition of filter.
type expression interface{ holds(record) bool }

// A record is a log event's fields, or a row of stats.
type record map[string]string

type (
	both    struct{ a, b expression }
	either  struct{ a, b expression }
	not     struct{ a expression }
	present struct{ field string }
	compare struct {
		op   string
		a, b operand
	}
	contains struct {
		a    operand
		text string
	}
	matches struct {
		a  operand
		re *regexp.Regexp
	}
	among struct {
		a    operand
		list []operand
	}
)

// An operand is a field, a constant, or the milliseconds of a time.
type operand struct {
	field    string // empty for a constant
	millis   bool   // toMillis(field)
	constant string
}

func (o operand) value(r record) (string, bool) {
	if o.field == "" {
		return o.constant, true
	}
	v, ok := r[o.field]
	if ok && o.millis {
		return strconv.FormatInt(parseTime(v), 10), true
	}
	return v, ok
}

func (e both) holds(r record) bool    { return e.a.holds(r) && e.b.holds(r) }
func (e either) holds(r record) bool  { return e.a.holds(r) || e.b.holds(r) }
func (e not) holds(r record) bool     { return !e.a.holds(r) }
func (e present) holds(r record) bool { _, ok := r[e.field]; return ok }

func (e compare) holds(r record) bool {
	a, okA := e.a.value(r)
	b, okB := e.b.value(r)
	if !okA || !okB {
		return false
	}
	switch c := compareValues(a, b); e.op {
	case "=":
		return c == 0
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return compareValues(a, b) >= 0
}

func (e contains) holds(r record) bool {
	v, ok := e.a.value(r)
	return ok && strings.Contains(v, e.text)
}

func (e matches) holds(r record) bool {
	v, ok := e.a.value(r)
	return ok && e.re.MatchString(v)
}

func (e among) holds(r record) bool {
	v, ok := e.a.value(r)
	return ok && slices.ContainsFunc(e.list, func(o operand) bool { return compareValues(v, o.constant) == 0 })
}

// compareValues compares numbers as numbers and all else as text.
func compareValues(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}

// run applies the commands after the events were turned into records.
func (c *command) run(rows []record) []record {
	switch c.name {
	case "filter", "filterIndex":
		return slices.DeleteFunc(rows, func(r record) bool { return !c.where.holds(r) })
	case "stats":
		return c.aggregated(rows)
	case "sort":
		slices.SortStableFunc(rows, c.compare)
	}
	return rows
}

func (c *command) compare(a, b record) int {
	for _, o := range c.orders {
		n := compareValues(a[o.field], b[o.field])
		if o.desc {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

// aggregated makes one row of each combination of the fields that stats groups by.
func (c *command) aggregated(rows []record) []record {
	groups := map[string]record{}
	var out []record
	for _, r := range rows {
		var id strings.Builder
		for _, f := range c.fields {
			v, ok := r[f]
			id.WriteString(strconv.FormatBool(ok) + strconv.Quote(v))
		}
		g := groups[id.String()]
		if g == nil {
			g = record{}
			for _, f := range c.fields {
				if v, ok := r[f]; ok {
					g[f] = v
				}
			}
			groups[id.String()] = g
			out = append(out, g)
		}
		for _, a := range c.aggs {
			a.add(g, r)
		}
	}
	if len(out) == 0 && len(c.fields) == 0 {
		empty := record{}
		for _, a := range c.aggs {
			if a.function == "count" {
				empty[a.as] = "0"
			}
		}
		return []record{empty}
	}
	return out
}

// add takes a record into a row's column.
func (a *aggregate) add(row, r record) {
	v, ok := r[a.field]
	before, begun := row[a.as]
	switch a.function {
	case "count":
		n, _ := strconv.Atoi(before) // empty before the first
		if a.field == "*" || ok {
			n++
		}
		row[a.as] = strconv.Itoa(n)
	case "sum":
		n, _ := strconv.ParseFloat(before, 64) // likewise
		if x, err := strconv.ParseFloat(v, 64); err == nil {
			row[a.as] = strconv.FormatFloat(n+x, 'f', -1, 64)
		}
	case "min":
		if ok && (!begun || compareValues(v, before) < 0) {
			row[a.as] = v
		}
	case "max":
		if ok && (!begun || compareValues(v, before) > 0) {
			row[a.as] = v
		}
	}
}
