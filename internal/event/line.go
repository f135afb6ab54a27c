package event

import (
	"bytes"
	"errors"
)

var errLine = errors.New("not a line of audit.log")

// enrichment is the byte after which auditd appends its readable copies of
// numeric fields (log_format = ENRICHED).
const enrichment = 0x1d

// A Line is the parts of a line of audit.log, whose memory they share.
type Line struct {
	Type  Type
	Text  []byte // as the kernel sent it
	Extra []byte // what auditd appended to an enriched line, nil if nothing
	Node  []byte // the host's name, where auditd wrote one
}

// ParseLine splits a line of audit.log.
func ParseLine(line []byte) (l Line, err error) {
	line = bytes.TrimRight(line, "\r\n")
	if after, ok := bytes.CutPrefix(line, []byte("node=")); ok {
		l.Node, line, ok = bytes.Cut(after, []byte(" "))
		if !ok {
			return Line{}, errLine
		}
	}

	line, ok := bytes.CutPrefix(line, []byte("type="))
	if !ok {
		return Line{}, errLine
	}
	name, text, ok := bytes.Cut(line, []byte(" msg="))
	if !ok {
		return Line{}, errLine
	}
	l.Type, ok = parseTypeName(name)
	if !ok {
		return Line{}, errLine
	}
	l.Text, l.Extra, _ = bytes.Cut(text, []byte{enrichment})
	if _, _, err := ParseHeader(l.Text); err != nil {
		return Line{}, err
	}
	return l, nil
}

// parseTypeName is ParseType without a conversion for the names that make up
// nearly all of a log.
func parseTypeName(name []byte) (Type, bool) {
	switch string(name) {
	case "SYSCALL":
		return typeSyscall, true
	case "PATH":
		return typePath, true
	case "CWD":
		return typeCWD, true
	case "PROCTITLE":
		return typeProctitle, true
	case "EOE":
		return typeEOE, true
	}
	return ParseType(string(name))
}

// AppendLine appends a record as a line of audit.log, without a newline. node may be empty.
func AppendLine(dst []byte, typ Type, text, node []byte) []byte {
	if len(node) > 0 {
		dst = append(dst, "node="...)
		dst = append(dst, node...)
		dst = append(dst, ' ')
	}
	dst = append(dst, "type="...)
	dst = append(dst, typ.String()...)
	dst = append(dst, " msg="...)
	return append(dst, text...)
}

// AppendExtra appends to a line what auditd appends to it, if anything.
func AppendExtra(dst, extra []byte) []byte {
	if len(extra) == 0 {
		return dst
	}
	return append(append(dst, enrichment), extra...)
}
