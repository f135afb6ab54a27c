package encode

import (
	"strconv"

	"github.com/auditshipper/auditshipper/internal/event"
)

// AppendRaw appends an event's records as lines of audit.log, each with its
// newline, so that ausearch reads them. Of one that is longer than the service takes,
// whole lines are left out, arguments of a program's start first, and a last line of
// ours says how many records and bytes that are.
func (enc *Encoder) AppendRaw(dst []byte, e *event.Event) []byte {
	start, limit := len(dst), enc.limit()
	dst, out := enc.appendLines(dst, e, 0)
	if excess := len(dst) - start - limit; excess > 0 {
		dst, out = enc.appendLines(dst[:start], e, excess+cutRoom)
	}
	if out.Records > 0 {
		dst = enc.appendOwn(dst, e, event.TypeCut)
		dst = append(dst, "records="...)
		dst = strconv.AppendInt(dst, int64(out.Records), 10)
		dst = append(dst, " bytes="...)
		dst = append(strconv.AppendInt(dst, int64(out.Bytes), 10), '\n')
	}
	if e.Whole && e.HasCall {
		dst = append(dst, "type=EOE msg=audit("...)
		dst = e.ID.Append(dst)
		dst = append(dst, "): \n"...)
	}
	return dst
}

// cutRoom is more than the lines take that stand behind an event's records.
const cutRoom = 256

// appendLines appends the event's records but for as many bytes of lines as are too
// many: those with arguments from the last one on, then others.
func (enc *Encoder) appendLines(dst []byte, e *event.Event, excess int) ([]byte, event.LeftOut) {
	out := e.LeftOut
	args, excess := tail(e, excess, func(t event.Type) bool { return t == event.TypeExecve })
	rest, _ := tail(e, excess, func(t event.Type) bool { return t != event.TypeExecve })
	clean := e.Clean()
	for i := range e.Records() {
		typ, text := e.Record(i)
		if typ == event.TypeExecve && i >= args || typ != event.TypeExecve && i >= rest {
			out.Records, out.Bytes = out.Records+1, out.Bytes+len(text)
			continue
		}
		switch {
		case typ.IsNote(): // whose text does not know its serial
			dst = enc.appendOwn(dst, e, typ)
			dst = append(dst, e.Body(i)...)
		case clean:
			dst = event.AppendCleanLine(dst, typ, text)
		default:
			dst = event.AppendLine(dst, typ, text, nil)
		}
		dst = append(dst, '\n')
	}
	return dst, out
}

// tail finds from which record on those of some types have so many bytes, and how many
// they lack of it. The first record always stays.
func tail(e *event.Event, bytes int, of func(event.Type) bool) (from, left int) {
	from = e.Records()
	for i := from - 1; i > 0 && bytes > 0; i-- {
		if typ, text := e.Record(i); of(typ) {
			from, bytes = i, bytes-len(text)
		}
	}
	return from, max(0, bytes)
}

// appendOwn appends the beginning of a line of a type of ours.
func (enc *Encoder) appendOwn(dst []byte, e *event.Event, typ event.Type) []byte {
	dst = append(dst, "type="...)
	dst = append(dst, typ.String()...)
	dst = append(dst, " msg=audit("...)
	dst = e.ID.Append(dst)
	return append(dst, "): "...)
}
