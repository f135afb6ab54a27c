package event

import (
	"bytes"
	"errors"
)

var errLine = errors.New("not a line of audit.log")

// enrichment is the byte after which auditd appends its readable copies of
// numeric fields (log_format = ENRICHED).
const enrichment = 0x1d

// ParseLine splits a line of audit.log into what the kernel sent: the record's
// type and its text. node is the host's name where auditd wrote one. What
// auditd added to an enriched line is cut off. All results share memory with line.
func ParseLine(line []byte) (typ Type, text, node []byte, err error) {
	line = bytes.TrimRight(line, "\r\n")
	if after, ok := bytes.CutPrefix(line, []byte("node=")); ok {
		node, line, ok = bytes.Cut(after, []byte(" "))
		if !ok {
			return 0, nil, nil, errLine
		}
	}

	line, ok := bytes.CutPrefix(line, []byte("type="))
	if !ok {
		return 0, nil, nil, errLine
	}
	name, text, ok := bytes.Cut(line, []byte(" msg="))
	if !ok {
		return 0, nil, nil, errLine
	}
	typ, ok = parseTypeName(name)
	if !ok {
		return 0, nil, nil, errLine
	}
	if i := bytes.IndexByte(text, enrichment); i >= 0 {
		text = text[:i]
	}
	if _, _, err := ParseHeader(text); err != nil {
		return 0, nil, nil, err
	}
	return typ, text, node, nil
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
