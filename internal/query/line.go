package query

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A line is one of audit.log, and where its parts are.
type line struct {
	bytes     []byte // without the newline
	typ       event.Type
	id        event.ID
	node      []byte
	stream    string // of the log group that it is from
	text, end int    // where "audit(" begins, and where what the kernel sent ends
}

// enrichment is the byte after which auditd appends its readable copies of
// numeric fields (log_format = ENRICHED).
const enrichment = 0x1d

// maxName bounds the name of a node, which no host exceeds, and of the types
// that are remembered.
const maxName = 255

// parse finds the parts of l.bytes; false if it is no record. A type of our own notes
// becomes its foreign one: anybody may have written the line.
func (l *line) parse(types *typeNames) bool {
	b := l.bytes
	node, name, text, ok := cutHead(b)
	if !ok {
		return false
	}
	l.node, l.text = node, text
	id, _, err := event.ParseHeader(b[l.text:])
	if err != nil {
		return false
	}
	l.id, l.typ = id, types.of(name).Foreign()
	kept, _ := event.CutEnrichment(l.typ, b[l.text:])
	l.end = l.text + len(kept)
	return true
}

// cutHead finds the parts of a line in front of the record's text: the node, nil for none,
// the type's name, and where "audit(" begins. ok is false if it is no record.
func cutHead(b []byte) (node, name []byte, text int, ok bool) {
	at := 0
	if bytes.HasPrefix(b, []byte("node=")) {
		i := bytes.IndexByte(b, ' ')
		if i < 0 {
			return nil, nil, 0, false
		}
		if node, at = b[len("node="):i], i+1; len(node) > maxName {
			return nil, nil, 0, false
		}
	}
	if !bytes.HasPrefix(b[at:], []byte("type=")) {
		return nil, nil, 0, false
	}
	at += len("type=")
	i := bytes.IndexByte(b[at:], ' ')
	if i < 0 {
		return nil, nil, 0, false
	}
	name = b[at : at+i]
	at += i + 1
	if !bytes.HasPrefix(b[at:], []byte("msg=audit(")) {
		return nil, nil, 0, false
	}
	return node, name, at + len("msg="), true
}

// typeNames remembers the types of names, so that each is looked up once.
type typeNames map[string]event.Type

// of returns the type with a name, 0 if nobody knows it.
func (t *typeNames) of(name []byte) event.Type {
	typ, ok := (*t)[string(name)]
	if ok {
		return typ
	}
	typ, ok = event.ParseType(string(name))
	if !ok {
		typ = 0
	}
	if *t == nil {
		*t = typeNames{}
	}
	if len(*t) < 1<<12 && len(name) <= maxName {
		(*t)[string(name)] = typ
	}
	return typ
}
