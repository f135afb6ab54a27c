package query

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

//go:embed page.html
var pageText string

// maxPage bounds how many events a page lists. Its numbers are of all.
const maxPage = 50_000

// A Page is a report for a browser: one file that needs no network.
type Page struct {
	Title string
	From  string // where the events are from

	rows    [][]any
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
	p.actions[f.Action]++
	if len(p.rows) >= maxPage {
		return
	}
	who := name(f.AUIDName, f.AUID)
	as := name(f.UIDName, f.UID)
	if who == "" {
		who = as
	} else if as != "" && as != who {
		who += " as " + as
	}
	result := map[event.Tristate]string{event.Yes: "yes", event.No: "no"}[f.Success]
	if f.Errno != "" {
		result = f.Errno
	}
	detail := f.shown()
	if detail == "" {
		detail = strings.TrimSpace(fieldsOf(f.Fields, "op", "cause", "count", "from", "to", "detail", "added", "removed"))
	}
	p.rows = append(p.rows, []any{e.ID.UnixMilli(), e.Node, f.Action, result, detail, f.shownDest(), who, f.Exe, strings.Join(f.Cmd, " "), f.Key, e.ID.String()})
}

// Write writes the page. Names of files are data there, never markup.
func (p *Page) Write(w io.Writer) error {
	data, err := json.Marshal(map[string]any{
		"title": p.Title, "from": p.From, "total": p.total, "listed": len(p.rows), "rows": p.rows,
		"actions": p.actions, "first": p.first.Time(), "last": p.last.Time(),
	})
	if err != nil {
		return err
	}
	// json.Marshal escapes <, > and &, so that no name ends the script.
	before, after, ok := strings.Cut(pageText, "/*DATA*/null")
	if !ok {
		return fmt.Errorf("page.html has no place for the data")
	}
	for _, part := range []string{before, string(data), after} {
		if _, err := io.WriteString(w, part); err != nil {
			return err
		}
	}
	return nil
}
