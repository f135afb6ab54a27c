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
	l.Type = l.Type.Foreign()
	l.Text, l.Extra = CutEnrichment(l.Type, text)
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
		return TypeSyscall, true
	case "PATH":
		return TypePath, true
	case "CWD":
		return TypeCWD, true
	case "PROCTITLE":
		return TypeProctitle, true
	case "EOE":
		return TypeEOE, true
	}
	return ParseType(string(name))
}

// CutEnrichment splits a line's text from what auditd appended to it. A program may put
// the byte between the two into its own text, which the kernel ends with an apostrophe:
// auditd appends nothing that ends so.
func CutEnrichment(typ Type, text []byte) (kernel, extra []byte) {
	i := bytes.IndexByte(text, enrichment)
	if i >= 0 && typ.IsUser() {
		if i = bytes.LastIndexByte(text, enrichment); text[len(text)-1] == '\'' {
			return text, nil
		}
	}
	if i < 0 {
		return text, nil
	}
	return text[:i], text[i+1:]
}

// AppendLine appends a record as a line of audit.log, without a newline, whatever its text
// holds. node may be empty.
func AppendLine(dst []byte, typ Type, text, node []byte) []byte {
	if len(node) > 0 {
		dst = append(dst, "node="...)
		dst = append(dst, node...)
		dst = append(dst, ' ')
	}
	return AppendText(appendLineHead(dst, typ), text)
}

func appendLineHead(dst []byte, typ Type) []byte {
	dst = append(dst, "type="...)
	dst = append(dst, typ.String()...)
	return append(dst, " msg="...)
}

// Clean says whether AppendText would change none of the event's records, as is so of all
// that the kernel writes itself. One look at all of them costs less than one at each.
func (e *Event) Clean() bool {
	return bytes.IndexByte(e.buf, '\n') < 0 && bytes.IndexByte(e.buf, enrichment) < 0
}

// AppendCleanLine is AppendLine for a record of an event that is Clean.
func AppendCleanLine(dst []byte, typ Type, text []byte) []byte {
	return append(appendLineHead(dst, typ), text...)
}

// AppendText appends a record's text as auditd does, with spaces for newlines, and for
// the byte that would make the rest look like what auditd appends.
func AppendText(dst, text []byte) []byte {
	start := len(dst)
	dst = append(dst, text...)
	for _, c := range [...]byte{'\n', enrichment} {
		for b := dst[start:]; ; {
			i := bytes.IndexByte(b, c)
			if i < 0 {
				break
			}
			b[i] = ' '
			b = b[i+1:]
		}
	}
	return dst
}

// AppendExtra appends to a line what auditd appends to it, if anything.
func AppendExtra(dst, extra []byte) []byte {
	if len(extra) == 0 {
		return dst
	}
	return append(append(dst, enrichment), extra...)
}
