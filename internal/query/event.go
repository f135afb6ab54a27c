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
	Stream  string // of the log group that it is from, where it is from one
	Records []Record
	Facts   *Facts // nil unless Options asked for them
	Why     string // how its paths came about, if Options.Explain asked for it
	JSON    []byte // as DESIGN.md's one line, if Options asked for it

	// Enriched says that auditd appended names to at least one record.
	Enriched bool

	// GivenUp says that the event left before its end was read, Truncated that
	// records are left out, since it has too many.
	GivenUp, Truncated bool

	buf      []byte // the lines, one after the other
	marks    []mark // where in buf they are
	first    event.Type
	at       rank
	order    uint64
	touched  uint64 // how many lines the assembler had read when it took the last
	clock    *clock // of its node
	building bool   // it is not over
	hasCall  bool   // it has a record of a system call
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
	e.hasCall = e.hasCall || l.typ == typeSyscall || l.typ == typeUringop
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
	typeKernel     event.Type = 2000
	typeUser2First event.Type = 2100
	typeUnlblAllow event.Type = 1406
	typeCalipsoDel event.Type = 1419
)

// alone says whether an event that begins with a record of this type is over at
// once, as ausearch has it.
func alone(t event.Type) bool {
	return t < typeFirstEvent || t == typeKernel || t >= typeUser2First || t >= typeUnlblAllow && t <= typeCalipsoDel
}

// joins says whether the kernel writes a record of this type also in front of
// others of the same event, although it may be alone. Type 0 is one that nobody knows.
func joins(t event.Type) bool {
	return t == 0 || t == typeLogin || t >= typeFirstEvent && t < typeKernel
}
