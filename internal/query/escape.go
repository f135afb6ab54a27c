package query

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

// Text of the host reaches terminals, tables, spreadsheets, pages and logs. A
// hazard in it could drive a terminal, begin a line of its own, or make names
// look like others. The functions here take it away, one for each medium.

// hazard says whether the character at b's start is one that no output may have
// as it is, and its length: C0 and C1 controls, DEL, bytes that are not
// UTF-8, controls of direction, and separators of lines and paragraphs.
func hazard(b []byte) (size int, bad bool) {
	if c := b[0]; c < utf8.RuneSelf {
		return 1, c < ' ' || c == 0x7f
	}
	r, n := utf8.DecodeRune(b)
	switch {
	case r == utf8.RuneError && n == 1:
		return 1, true
	case r < 0xa0,
		r == 0x061c, r == 0x200e, r == 0x200f, r == 0x2028, r == 0x2029,
		r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
		return n, true
	}
	return n, false
}

// isPlain says whether text needs no look: it is printable ASCII.
func isPlain[T string | []byte](text T) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// appendSafe appends text for terminals and tables: each byte of a hazard as
// ausearch writes control characters, \ooo.
func appendSafe(dst, text []byte) []byte {
	if isPlain(text) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		n, bad := hazard(text)
		if !bad {
			dst = append(dst, text[:n]...)
		} else {
			for _, c := range text[:n] {
				dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			}
		}
		text = text[n:]
	}
	return dst
}

// Safe is text made safe for a terminal and for a line of a table.
func Safe(text string) string {
	if isPlain(text) {
		return text
	}
	return string(appendSafe(nil, []byte(text)))
}

// Cell is text made safe for a cell of a spreadsheet, without the quotes of csv:
// as Safe does, and with an apostrophe in front of what would be a formula.
func Cell(text string) string {
	formula := text != "" && bytes.IndexByte([]byte("=+-@\t\r"), text[0]) >= 0 && !isNumber(text)
	text = Safe(text)
	if formula {
		return "'" + text
	}
	return text
}

// isNumber says whether text is a number, a time or an offset, which no
// spreadsheet takes for a formula with effects.
func isNumber(text string) bool {
	for i := range len(text) {
		if c := text[i]; c-'0' > 9 && c != ':' && c != '.' && (i > 0 || c != '-' && c != '+') {
			return false
		}
	}
	return len(text) > 1
}

// appendSafeJSON appends JSON of one value as one line: outside strings nothing
// is a hazard but white space, and inside them all have an escape.
func appendSafeJSON(dst, text []byte) []byte {
	if isPlain(text) {
		return append(dst, text...)
	}
	for len(text) > 0 {
		n, bad := hazard(text)
		switch r, _ := utf8.DecodeRune(text); {
		case !bad:
			dst = append(dst, text[:n]...)
		case r == '\t' || r == '\n' || r == '\r':
			dst = append(dst, ' ')
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[n:]
	}
	return dst
}

// SafeJSON is JSON of one value as one line that is safe for a terminal.
func SafeJSON(text []byte) []byte { return appendSafeJSON(nil, text) }

// A LogWriter writes lines of a log, each with one Write, in which text of the
// host stands quoted as in JSON. Hazards are escaped so, too.
type LogWriter struct{ W io.Writer }

// Write implements io.Writer.
func (l LogWriter) Write(line []byte) (int, error) {
	body, end := bytes.CutSuffix(line, []byte("\n"))
	if isPlain(body) {
		return l.W.Write(line)
	}
	var safe []byte
	for i, part := range bytes.Split(body, []byte("\t")) { // which part the columns of a console
		if i > 0 {
			safe = append(safe, '\t')
		}
		safe = appendSafeJSON(safe, part)
	}
	if end {
		safe = append(safe, '\n')
	}
	if _, err := l.W.Write(safe); err != nil {
		return 0, err
	}
	return len(line), nil
}

// A TerminalWriter writes to a terminal whatever is printed, lines as lines and
// hazards escaped.
type TerminalWriter struct {
	W    io.Writer
	part []byte // the beginning of a character that the last Write cut
	buf  []byte
}

// Write implements io.Writer.
func (t *TerminalWriter) Write(text []byte) (int, error) {
	all := append(t.part, text...)
	t.buf = t.buf[:0]
	for len(all) > 0 && (utf8.FullRune(all) || len(all) >= utf8.UTFMax) {
		n, bad := hazard(all)
		if all[0] == '\n' || !bad {
			t.buf = append(t.buf, all[:n]...)
		} else {
			t.buf = appendSafe(t.buf, all[:n])
		}
		all = all[n:]
	}
	t.part = append(t.part[:0:0], all...)
	if _, err := t.W.Write(t.buf); err != nil {
		return 0, err
	}
	return len(text), nil
}
