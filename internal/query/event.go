package query

import (
	"slices"

	"github.com/auditshipper/auditshipper/internal/event"
)

// An Event is what one thing that happened left in a source. It is valid until
// the next call of its source's Next.
type Event struct {
	ID      event.ID
	Node    string // the host's name, where the source has one
	Records []Record
	Facts   *Facts // nil unless Options asked for them
	JSON    []byte // as DESIGN.md's one line, if Options asked for it

	// Enriched says that auditd appended names to at least one record.
	Enriched bool

	buf      []byte // the lines, one after the other
	marks    []mark // where in buf they are
	first    event.Type
	whole    bool // EOE was seen
	order    uint64
	building bool
}

// A Record is one line of audit.log.
type Record struct {
	Type  event.Type // 0 if nobody knows the type's name
	Line  []byte     // without its newline and without Extra
	Text  []byte     // the part of Line from audit( on, as the kernel sent it
	Extra []byte     // what auditd appended to an ENRICHED line, after the byte 0x1d
}

// A mark is where in an Event's buf a record is.
type mark struct {
	typ                   event.Type
	line, text, end, last int // end is that of Line, last that of Extra
}

// Type is the type of the event's first record, which says what it is about.
func (e *Event) Type() event.Type { return e.first }

// add takes a line; text and end are offsets in it.
func (e *Event) add(l *line) {
	start := len(e.buf)
	e.buf = append(e.buf, l.bytes...)
	e.marks = append(e.marks, mark{l.typ, start, start + l.text, start + l.end, len(e.buf)})
	if l.end < len(l.bytes) {
		e.Enriched = true
	}
	if l.typ == typeEOE {
		e.whole = true
	}
}

// finish makes the records from what add took.
func (e *Event) finish() {
	e.Records = e.Records[:0]
	for _, m := range e.marks {
		r := Record{Type: m.typ, Line: e.buf[m.line:m.end:m.end], Text: e.buf[m.text:m.end:m.end]}
		if m.end < m.last {
			r.Extra = e.buf[m.end+1 : m.last : m.last]
		}
		e.Records = append(e.Records, r)
	}
}

// turn puts the records into the kernel's order, where a search had printed
// them the last first: no event begins with its PROCTITLE.
func (e *Event) turn() {
	if len(e.Records) > 1 && e.first == typeProctitle {
		slices.Reverse(e.Records)
		e.first = e.Records[0].Type
	}
}

func (e *Event) reset() {
	*e = Event{buf: e.buf[:0], marks: e.marks[:0], Records: e.Records[:0]}
}

// Types that say how records belong together, from linux/audit.h.
const (
	typeFirstEvent event.Type = 1300
	typeSyscall    event.Type = 1300
	typePath       event.Type = 1302
	typeEOE        event.Type = 1320
	typeProctitle  event.Type = 1327
	typeUringop    event.Type = 1336
	typeFirstAnom  event.Type = 1700
	typeKernel     event.Type = 2000
	typeUnlblAllow event.Type = 1406
	typeCalipsoDel event.Type = 1419
)

// alone says whether an event that begins with a record of this type has no other.
func alone(t event.Type) bool {
	return t < typeFirstEvent || t >= typeFirstAnom || t >= typeUnlblAllow && t <= typeCalipsoDel
}
