package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// Statuses of ausearch about checkpoint files.
const (
	exitBadCheckpoint = 10
	exitNoSaving      = 11
)

// A checkpoint is how far an earlier search printed: with nothing asked for, it
// lets everything pass. The file is like ausearch's.
type checkpoint struct {
	path     string
	timeOnly bool

	was    event.ID // the last event printed before, zero for none
	node   string
	passed bool // it was met

	last     event.ID
	lastNode string
}

func openCheckpoint(s *searchWords) (*checkpoint, error) {
	c := &checkpoint{path: s.check, timeOnly: s.fromCheck}
	if s.check == "" {
		return c, nil
	}
	text, err := safefile.ReadFile(s.check)
	if errors.Is(err, os.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, withStatus(exitBadCheckpoint, err)
	}
	if err := c.read(string(text)); err != nil {
		return nil, withStatus(exitBadCheckpoint, fmt.Errorf("checkpoint %s: %w", s.check, err))
	}
	return c, nil
}

func (c *checkpoint) read(text string) error {
	for line := range strings.Lines(text) {
		name, val, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch {
		case !ok:
			return fmt.Errorf("malformed line %q", line)
		case name == "dev", name == "inode":
		case name == "output":
			node, id, ok := strings.Cut(val, " ")
			if !ok {
				return fmt.Errorf("malformed line %q", line)
			}
			id, _, _ = strings.Cut(id, " ")
			var err error
			if c.was, err = event.ParseID(id); err != nil {
				return fmt.Errorf("malformed line %q", line)
			}
			if node != "-" {
				c.node = node
			}
			c.last, c.lastNode = c.was, c.node
		default:
			return fmt.Errorf("unknown line %q", line)
		}
	}
	return nil
}

// passes reports whether an event comes after the checkpoint. Events come in
// the order of their time, so a later one also tells that it was passed.
func (c *checkpoint) passes(e *query.Event) bool {
	if c.path == "" || c.was == (event.ID{}) {
		return true
	}
	if c.passed {
		return true
	}
	if e.ID == c.was && e.Node == c.node && !c.timeOnly {
		c.passed = true
		return false
	}
	was, is := c.was.UnixMilli(), e.ID.UnixMilli()
	c.passed = is > was || is == was && (c.timeOnly || e.ID.Serial > c.was.Serial)
	return c.passed
}

func (c *checkpoint) printed(e *query.Event) { c.last, c.lastNode = e.ID, e.Node }

// save writes how far this search came.
func (c *checkpoint) save() error {
	if c.path == "" || c.last == (event.ID{}) {
		return nil
	}
	node := c.lastNode
	if node == "" {
		node = "-"
	}
	err := safefile.WriteFile(c.path, 0o640, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "dev=0x0\ninode=0\noutput=%s %s 0x0\n", node, c.last)
		return err
	})
	if err != nil {
		return withStatus(exitNoSaving, fmt.Errorf("checkpoint not saved: %w", err))
	}
	return nil
}
