package logstest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// parsePattern makes a predicate of a filter pattern: plain terms (all must be
// in the message; -term must not; of ?terms one must), or comparisons of JSON
// fields with &&, || and parentheses. Of the service's syntax it lacks regular
// expressions and space-delimited patterns, and says so.
func parsePattern(text string) (func(message string) bool, error) {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > 1024:
		return nil, invalid("filter pattern of %d characters, at most 1,024", len(text))
	case strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}"):
		return parseJSONPattern(text[1 : len(text)-1])
	case strings.HasPrefix(text, "[") || strings.Contains(text, "%"):
		return nil, invalid("Invalid filter pattern %q: this endpoint knows terms and JSON fields", text)
	}
	return parseTerms(text)
}

func parseTerms(text string) (func(string) bool, error) {
	var all, none, some []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		list := &all
		switch text[0] {
		case '-':
			list, text = &none, text[1:]
		case '?':
			list, text = &some, text[1:]
		}
		term, rest, err := parseTerm(text)
		if err != nil {
			return nil, err
		}
		*list, text = append(*list, term), rest
	}
	return func(m string) bool {
		has := func(term string) bool { return strings.Contains(m, term) }
		lacks := func(term string) bool { return !has(term) }
		return !slices.ContainsFunc(all, lacks) && !slices.ContainsFunc(none, has) && (len(some) == 0 || slices.ContainsFunc(some, has))
	}, nil
}

// parseTerm reads a quoted or a bare term, which is alphanumeric.
func parseTerm(text string) (term, rest string, err error) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", invalid("Invalid filter pattern: %s", text)
		}
		term, err := strconv.Unquote(quoted)
		return term, text[len(quoted):], err
	}
	n := strings.IndexByte(text+" ", ' ')
	term = text[:n]
	if term == "" || strings.ContainsFunc(term, func(r rune) bool { return !isWord(r) }) {
		return "", "", invalid("Invalid character(s) in term '%s'", term)
	}
	return term, text[n:], nil
}

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

// A jsonParser reads `$.a = "b" && ($.n > 3 || $.c.d NOT EXISTS)`.
type jsonParser struct{ tokens []string }

func parseJSONPattern(text string) (func(string) bool, error) {
	tokens, err := jsonTokens(text)
	if err != nil {
		return nil, err
	}
	p := &jsonParser{tokens}
	match, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = invalid("Invalid filter pattern at %q", p.tokens[0])
	}
	if err != nil {
		return nil, err
	}
	return func(m string) bool {
		var doc any
		return json.Unmarshal([]byte(m), &doc) == nil && match(doc)
	}, nil
}

func jsonTokens(text string) ([]string, error) {
	var tokens []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := jsonToken(text)
		if n == 0 {
			return nil, invalid("Invalid filter pattern at %q", text)
		}
		tokens, text = append(tokens, text[:n]), text[n:]
	}
	return tokens, nil
}

// jsonToken returns the length of text's first token.
func jsonToken(text string) int {
	for _, op := range []string{"&&", "||", "(", ")", "!=", "<=", ">=", "=", "<", ">"} {
		if strings.HasPrefix(text, op) {
			return len(op)
		}
	}
	if text[0] == '"' {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return 0
		}
		return len(quoted)
	}
	n := strings.IndexAny(text, " \t()=!<>&|\"")
	if n < 0 {
		n = len(text)
	}
	return n
}

type predicate = func(doc any) bool

func (p *jsonParser) take() string {
	if len(p.tokens) == 0 {
		return ""
	}
	t := p.tokens[0]
	p.tokens = p.tokens[1:]
	return t
}

func (p *jsonParser) peek(t string) bool { return len(p.tokens) > 0 && p.tokens[0] == t }

func (p *jsonParser) or() (predicate, error) {
	left, err := p.and()
	for err == nil && p.peek("||") {
		p.take()
		var right predicate
		l := left
		right, err = p.and()
		left = func(doc any) bool { return l(doc) || right(doc) }
	}
	return left, err
}

func (p *jsonParser) and() (predicate, error) {
	left, err := p.one()
	for err == nil && p.peek("&&") {
		p.take()
		var right predicate
		l := left
		right, err = p.one()
		left = func(doc any) bool { return l(doc) && right(doc) }
	}
	return left, err
}

func (p *jsonParser) one() (predicate, error) {
	if p.peek("(") {
		p.take()
		match, err := p.or()
		if err == nil && p.take() != ")" {
			err = invalid("Invalid filter pattern: ) missing")
		}
		return match, err
	}
	path, ok := strings.CutPrefix(p.take(), "$.")
	if !ok || path == "" {
		return nil, invalid("Invalid filter pattern: a selector $.name wanted")
	}
	keys := strings.Split(path, ".")
	return p.compare(func(doc any) any { return lookUp(doc, keys) })
}

func lookUp(doc any, keys []string) any {
	for _, k := range keys {
		m, ok := doc.(map[string]any)
		if !ok {
			return nil
		}
		if doc, ok = m[k]; !ok {
			return nil
		}
	}
	return doc
}

// compare reads the operator and the value after a selector.
func (p *jsonParser) compare(field func(doc any) any) (predicate, error) {
	op, value := p.take(), p.take()
	switch {
	case op == "NOT" && value == "EXISTS":
		return func(doc any) bool { return field(doc) == nil }, nil
	case op == "IS" && (value == "TRUE" || value == "FALSE"):
		return func(doc any) bool { return field(doc) == (value == "TRUE") }, nil
	case value == "":
		return nil, invalid("Invalid filter pattern: a value wanted after %q", op)
	}
	number, err := strconv.ParseFloat(value, 64)
	isNumber := err == nil
	if value[0] == '"' {
		if value, err = strconv.Unquote(value); err != nil {
			return nil, invalid("Invalid filter pattern: %v", err)
		}
	}
	switch op {
	case "=":
		return func(doc any) bool { return equal(field(doc), value, number, isNumber) }, nil
	case "!=":
		return func(doc any) bool { f := field(doc); return f != nil && !equal(f, value, number, isNumber) }, nil
	case "<", "<=", ">", ">=":
		if !isNumber {
			return nil, invalid("Invalid filter pattern: %s needs a number", op)
		}
		return func(doc any) bool { f, ok := field(doc).(float64); return ok && ordered(op, f, number) }, nil
	}
	return nil, invalid("Invalid filter pattern: operator %q", op)
}

func ordered(op string, a, b float64) bool {
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// equal compares a field with a value, in which * stands for anything.
func equal(field any, value string, number float64, isNumber bool) bool {
	switch f := field.(type) {
	case float64:
		return isNumber && f == number
	case string:
		return wildcard(value, f)
	case bool:
		return fmt.Sprint(f) == value
	}
	return false
}

func wildcard(pattern, s string) bool {
	head, rest, any := strings.Cut(pattern, "*")
	if !any {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, head)
	for ok && any && rest != "" {
		head, rest, any = strings.Cut(rest, "*")
		if !any {
			return strings.HasSuffix(s, head)
		}
		_, s, ok = strings.Cut(s, head)
	}
	return ok
}
