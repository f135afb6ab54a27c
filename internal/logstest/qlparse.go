package logstest

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxStatement is how long a query may be.
const maxStatement = 10_000

// parseStatement reads a query.
func parseStatement(text string) (*statement, error) {
	if text == "" || len(text) > maxStatement {
		return nil, malformed("a query of %d characters", len(text))
	}
	p := &qlParser{}
	if err := p.split(text); err != nil {
		return nil, err
	}
	st := &statement{}
	stats := 0
	for {
		c, err := p.command(st)
		if err != nil {
			return nil, err
		}
		if c.name == "stats" {
			if stats++; stats > 2 {
				return nil, malformed("more than two stats")
			}
		}
		st.commands = append(st.commands, c)
		switch {
		case p.done():
			return st, nil
		case !p.take("|"):
			return nil, malformed("unexpected %q", p.peek())
		}
	}
}

func malformed(format string, args ...any) error {
	return &apiError{code: "MalformedQueryException", message: fmt.Sprintf(format, args...), violation: true}
}

// A qlParser goes over a query's tokens. Strings and regular expressions keep
// their delimiter in front.
type qlParser struct {
	tokens []string
}

var qlToken = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|/(?:[^/\\]|\\.)*/|` + "`[^`]+`" + `|[@A-Za-z_][\w.@]*|-?\d+(?:\.\d+)?|<=|>=|!=|=~|[=<>()\[\],|*])`)

func (p *qlParser) split(text string) error {
	for {
		text = strings.TrimLeft(text, " \t\n")
		if text == "" {
			return nil
		}
		t := qlToken.FindString(text)
		if t == "" {
			return malformed("unexpected %.20q", text)
		}
		p.tokens = append(p.tokens, t)
		text = text[len(t):]
	}
}

func (p *qlParser) done() bool { return len(p.tokens) == 0 }

func (p *qlParser) peek() string {
	if p.done() {
		return ""
	}
	return p.tokens[0]
}

func (p *qlParser) next() string {
	t := p.peek()
	if t != "" {
		p.tokens = p.tokens[1:]
	}
	return t
}

// take drops the next token if it is the one given; keywords in any case.
func (p *qlParser) take(t string) bool {
	if !strings.EqualFold(p.peek(), t) {
		return false
	}
	p.next()
	return true
}

func (p *qlParser) command(st *statement) (c command, err error) {
	switch c.name = p.next(); c.name {
	case "fields", "display":
		c.fields, err = p.list()
	case "filter":
		c.where, err = p.or()
	case "filterIndex":
		c.where, err = p.indexed()
	case "stats":
		err = p.stats(&c)
	case "sort":
		err = p.sort(&c)
	case "limit":
		if st.limit, err = strconv.Atoi(p.next()); err != nil || st.limit < 1 || st.limit > maxRows {
			return c, malformed("limit must be between 1 and %d", maxRows)
		}
	default:
		return c, malformed("unknown command %q", c.name)
	}
	return c, err
}

// indexed reads the condition of filterIndex, which knows equality only.
func (p *qlParser) indexed() (expression, error) {
	e, err := p.comparison()
	if err != nil {
		return nil, err
	}
	if c, ok := e.(compare); ok && c.op == "=" {
		return e, nil
	}
	if _, ok := e.(among); ok {
		return e, nil
	}
	return nil, malformed("filterIndex takes = and in only")
}

func (p *qlParser) list() (fields []string, err error) {
	for {
		f, ok := fieldName(p.next())
		if !ok {
			return nil, malformed("a field's name is missing")
		}
		fields = append(fields, f)
		if !p.take(",") {
			return fields, nil
		}
	}
}

func fieldName(t string) (string, bool) {
	switch {
	case t == "":
		return "", false
	case t[0] == '`':
		return strings.Trim(t, "`"), true
	}
	return t, t[0] == '@' || t[0] == '_' || t[0] >= 'A' && t[0] <= 'Z' || t[0] >= 'a' && t[0] <= 'z'
}

func (p *qlParser) stats(c *command) (err error) {
	for {
		a := aggregate{function: strings.ToLower(p.next())}
		if !slices.Contains([]string{"count", "sum", "min", "max"}, a.function) || !p.take("(") {
			return malformed("unknown function %q", a.function)
		}
		if a.field = p.next(); a.field == "" {
			return malformed("stats ends early")
		}
		a.as = a.function + "(" + a.field + ")"
		if f, ok := fieldName(a.field); ok {
			a.field = f
		} else if a.function != "count" || a.field != "*" {
			return malformed("%s(%s)", a.function, a.field)
		}
		if !p.take(")") {
			return malformed("a ) is missing")
		}
		if p.take("as") {
			a.as = p.next()
		}
		c.aggs = append(c.aggs, a)
		if !p.take(",") {
			break
		}
	}
	if p.take("by") {
		c.fields, err = p.list()
	}
	return err
}

func (p *qlParser) sort(c *command) error {
	for {
		f, ok := fieldName(p.next())
		if !ok {
			return malformed("sort by what?")
		}
		o := order{field: f, desc: true} // as the documentation's default
		if p.take("asc") {
			o.desc = false
		} else {
			p.take("desc")
		}
		c.orders = append(c.orders, o)
		if !p.take(",") {
			return nil
		}
	}
}

func (p *qlParser) or() (expression, error) {
	a, err := p.and()
	for err == nil && p.take("or") {
		var b expression
		b, err = p.and()
		a = either{a, b}
	}
	return a, err
}

func (p *qlParser) and() (expression, error) {
	a, err := p.unary()
	for err == nil && p.take("and") {
		var b expression
		b, err = p.unary()
		a = both{a, b}
	}
	return a, err
}

func (p *qlParser) unary() (expression, error) {
	switch {
	case p.take("not"):
		a, err := p.unary()
		return not{a}, err
	case p.take("("):
		a, err := p.or()
		if err == nil && !p.take(")") {
			err = malformed("a ) is missing")
		}
		return a, err
	case p.take("ispresent"):
		return p.ispresent()
	}
	return p.comparison()
}

func (p *qlParser) ispresent() (expression, error) {
	if !p.take("(") {
		return nil, malformed("ispresent wants a field")
	}
	f, ok := fieldName(p.next())
	if !ok || !p.take(")") {
		return nil, malformed("ispresent wants a field")
	}
	return present{f}, nil
}

func (p *qlParser) comparison() (expression, error) {
	a, err := p.operand()
	if err != nil {
		return nil, err
	}
	negated := p.take("not")
	e, err := p.relation(a, strings.ToLower(p.next()))
	if negated && err == nil {
		e = not{e}
	}
	return e, err
}

func (p *qlParser) relation(a operand, op string) (expression, error) {
	switch op {
	case "like", "=~":
		return p.pattern(a)
	case "in":
		return p.among(a)
	case "=", "!=", "<", "<=", ">", ">=":
		b, err := p.operand()
		return compare{op, a, b}, err
	}
	return nil, malformed("unknown operator %q", op)
}

func (p *qlParser) pattern(a operand) (expression, error) {
	t := p.next()
	if strings.HasPrefix(t, "/") {
		re, err := regexp.Compile(strings.ReplaceAll(t[1:len(t)-1], `\/`, "/"))
		if err != nil {
			return nil, malformed("%v", err)
		}
		return matches{a, re}, nil
	}
	text, ok := constant(t)
	if !ok {
		return nil, malformed("like %s", t)
	}
	return contains{a, text}, nil
}

func (p *qlParser) among(a operand) (expression, error) {
	e := among{a: a}
	if !p.take("[") {
		return nil, malformed("in wants a list")
	}
	for {
		text, ok := constant(p.next())
		if !ok {
			return nil, malformed("in wants constants")
		}
		e.list = append(e.list, operand{constant: text})
		if !p.take(",") {
			break
		}
	}
	if !p.take("]") {
		return nil, malformed("a ] is missing")
	}
	return e, nil
}

func (p *qlParser) operand() (operand, error) {
	t := p.next()
	if text, ok := constant(t); ok {
		return operand{constant: text}, nil
	}
	f, ok := fieldName(t)
	switch {
	case !ok:
		return operand{}, malformed("unexpected %q", t)
	case p.peek() != "(":
		return operand{field: f}, nil
	case f != "toMillis":
		return operand{}, malformed("unknown function %q", f)
	}
	p.next()
	f, ok = fieldName(p.next())
	if !ok || !p.take(")") {
		return operand{}, malformed("toMillis wants a field")
	}
	return operand{field: f, millis: true}, nil
}

var escapedCharacter = regexp.MustCompile(`\\(.)`)

// constant is a string or a number.
func constant(t string) (string, bool) {
	switch {
	case t == "":
		return "", false
	case t[0] == '"' || t[0] == '\'':
		return escapedCharacter.ReplaceAllString(t[1:len(t)-1], "$1"), true
	}
	_, err := strconv.ParseFloat(t, 64)
	return t, err == nil
}
