package query

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A Printer writes events. What it needs of them, Needs says.
type Printer struct {
	Format string // raw, default, interpret, csv, text or json
	Extras Extras
	Escape string // raw, tty, shell or shell_quote: of names that are printed
	Compat bool   // print as ausearch does where it is wrong
	Names  Interpreter

	out    *bufio.Writer
	begun  bool
	buf    []byte
	a0, a1 uint64 // of the system call printed last
	normal normalizer
}

// NewPrinter writes to w. Flush must be called at the end.
func NewPrinter(w io.Writer) *Printer { return &Printer{Format: "default", out: bufio.NewWriter(w)} }

// Flush writes what is buffered.
func (p *Printer) Flush() error { return p.out.Flush() }

// Needs says which of Options the format cannot do without.
func (p *Printer) Needs() (facts, json bool) {
	switch p.Format {
	case "json":
		return true, true
	case "interpret", "csv", "text":
		return !p.Compat, false
	}
	return false, false
}

// Print writes an event.
func (p *Printer) Print(e *Event) error {
	switch p.Format {
	case "raw":
		return p.raw(e)
	case "interpret":
		return p.interpret(e)
	case "csv":
		return p.csv(e)
	case "text":
		return p.text(e)
	case "json":
		p.buf = append(appendSafeJSON(p.buf[:0], e.JSON), '\n')
		_, err := p.out.Write(p.buf)
		return err
	}
	return p.plain(e)
}

// raw writes the lines as they were read.
func (p *Printer) raw(e *Event) error {
	for i := range e.Records {
		r := &e.Records[i]
		b := append(p.buf[:0], r.Line...)
		if e.Enriched { // as ausearch does, also where nothing stands behind it
			b = append(append(b, enrichment), r.Extra...)
		}
		p.buf = append(b, '\n')
		if _, err := p.out.Write(p.buf); err != nil {
			return err
		}
	}
	return nil
}

// plain writes ausearch's default: the time, then the records, the last first.
func (p *Printer) plain(e *Event) error {
	b := append(p.buf[:0], "----\ntime->"...)
	b = e.ID.Time().Local().AppendFormat(b, "Mon Jan _2 15:04:05 2006\n")
	for i := len(e.Records) - 1; i >= 0; i-- {
		start := len(b)
		b = p.line(appendEscaped(b, e.Records[i].Line, p.Escape), start)
		if isDaemon(e.Records[i].Type) {
			break
		}
	}
	p.buf = b
	_, err := p.out.Write(b)
	return err
}

// line ends the line that begins at start in b. Unless ausearch's bytes or raw
// ones are asked for, no character of it drives a terminal or ends the line.
func (p *Printer) line(b []byte, start int) []byte {
	if !p.Compat && p.Escape != "raw" && !isPlain(b[start:]) {
		b = appendSafe(b[:start], bytes.Clone(b[start:]))
	}
	return append(b, '\n')
}

// isDaemon says whether auditd wrote the record about itself.
func isDaemon(t event.Type) bool { return t >= 1200 && t < typeFirstEvent }

// The bytes that mean something to a shell, and those that do between quotes.
const (
	shellBytes = "\"'`$\\!()| "
	quoteBytes = shellBytes + ";#&*?[]<>{}"
)

// appendEscaped appends text such that it cannot drive a terminal, or means
// itself to a shell.
func appendEscaped(dst, text []byte, mode string) []byte {
	if !needsEscape(text, mode) {
		return append(dst, text...)
	}
	special := specialBytes(mode)
	for _, c := range text {
		switch {
		case c < ' ':
			dst = fmt.Appendf(dst, `\%03o`, c)
		case strings.IndexByte(special, c) >= 0:
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func needsEscape(text []byte, mode string) bool {
	if mode == "raw" {
		return false
	}
	for _, c := range text {
		if c < ' ' {
			return true
		}
	}
	special := specialBytes(mode)
	return special != "" && bytes.ContainsAny(text, special)
}

func specialBytes(mode string) string {
	switch mode {
	case "shell":
		return shellBytes
	case "shell_quote":
		return quoteBytes
	}
	return ""
}

// localTime is when an event happened, as people at the host say it.
func (e *Event) localTime() time.Time { return e.ID.Time().Local() }
