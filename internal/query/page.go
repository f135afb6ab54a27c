package query

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

//go:embed page.html
var pageText string

// maxPage and maxPageBytes bound the events that a page lists. Its numbers are
// of all.
const (
	maxPage      = 50_000
	maxPageBytes = 16 << 20
)

// A Page is a report for a browser: one file that needs no network.
type Page struct {
	Title string
	From  string // where the events are from

	rows    bytes.Buffer // JSON arrays with a comma between two
	listed  int
	total   int
	first   event.ID
	last    event.ID
	actions map[string]int
}

// Add takes an event that has facts.
func (p *Page) Add(e *Event) {
	f := e.Facts
	if f == nil {
		return
	}
	if p.total++; p.total == 1 {
		p.first = e.ID
	}
	p.last = e.ID
	if p.actions == nil {
		p.actions = map[string]int{}
	}
	p.actions[Safe(f.Action)]++
	if p.listed >= maxPage || p.rows.Len() > maxPageBytes {
		return
	}
	who := name(f.AUIDName, f.AUID)
	as := name(f.UIDName, f.UID)
	if who == "" {
		who = as
	} else if as != "" && as != who {
		who += " as " + as
	}
	if f.LoginAddr != "" {
		who += " from " + f.LoginAddr
	}
	if f.SSMSession != "" {
		who += " in " + f.SSMSession
	}
	result := map[event.Tristate]string{event.Yes: "yes", event.No: "no"}[f.Success]
	if f.Errno != "" {
		result = f.Errno
	}
	detail := f.shown()
	if detail == "" {
		detail = strings.TrimSpace(fieldsOf(f.Fields, "op", "cause", "count", "from", "to", "detail", "added", "removed"))
	}
	row := []any{e.ID.UnixMilli()}
	for _, text := range []string{e.Node, f.Action, result, detail, f.shownDest(), who, f.Exe, strings.Join(f.Cmd, " "), f.Key, e.ID.String()} {
		row = append(row, Safe(text))
	}
	p.list(row)
}

// list lists an event. json.Marshal escapes <, > and &, so that no name ends the script.
func (p *Page) list(row []any) {
	text, err := json.Marshal(row)
	if err != nil {
		panic(err) // of numbers and strings
	}
	if p.listed++; p.listed > 1 {
		p.rows.WriteByte(',')
	}
	p.rows.Write(text)
}

// Write writes the page. Names of files are data there, never markup.
func (p *Page) Write(w io.Writer) error {
	before, after, ok := strings.Cut(pageText, "/*DATA*/null")
	if !ok {
		return fmt.Errorf("page.html has no place for the data")
	}
	if _, err := io.WriteString(w, before); err != nil {
		return err
	}
	if err := p.data(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, after)
	return err
}

// data writes the numbers and the events as JSON.
func (p *Page) data(w io.Writer) error {
	head, err := json.Marshal(map[string]any{
		"title": p.Title, "from": p.From, "total": p.total, "listed": p.listed,
		"actions": p.actions, "first": p.first.Time(), "last": p.last.Time(),
	})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	out.Write(head[:len(head)-1])
	out.WriteString(`,"rows":[`)
	out.Write(p.rows.Bytes())
	out.WriteString("]}")
	return out.Flush() // with the error of the writes before
}
