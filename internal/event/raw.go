package event

import "strconv"

// AppendRaw appends an event's records as lines of audit.log, each with its
// newline, so that ausearch reads them. Of one that is longer than the service takes,
// whole lines are left out, arguments of a program's start first, and a last line of
// ours says how many records and bytes that are.
func (enc *Encoder) AppendRaw(dst []byte, e *Event) []byte {
	start, limit := len(dst), enc.limit()
	dst, out := enc.appendLines(dst, e, 0)
	if excess := len(dst) - start - limit; excess > 0 {
		dst, out = enc.appendLines(dst[:start], e, excess+cutRoom)
	}
	if out.records > 0 {
		dst = enc.appendOwn(dst, e, TypeCut)
		dst = append(dst, "records="...)
		dst = strconv.AppendInt(dst, int64(out.records), 10)
		dst = append(dst, " bytes="...)
		dst = append(strconv.AppendInt(dst, int64(out.bytes), 10), '\n')
	}
	if e.whole && e.hasCall {
		dst = append(dst, "type=EOE msg=audit("...)
		dst = e.ID.append(dst)
		dst = append(dst, "): \n"...)
	}
	return dst
}

// cutRoom is more than the lines take that stand behind an event's records.
const cutRoom = 256

// leftOut counts records that an event had and its text has not.
type leftOut struct{ records, bytes int }

// appendLines appends the event's records but for as many bytes of lines as are too
// many: those with arguments from the last one on, then others.
func (enc *Encoder) appendLines(dst []byte, e *Event, excess int) ([]byte, leftOut) {
	out := e.leftOut
	args, excess := e.tail(excess, func(t Type) bool { return t == typeExecve })
	rest, _ := e.tail(excess, func(t Type) bool { return t != typeExecve })
	for i := range e.records {
		typ, text := e.Record(i)
		if typ == typeExecve && i >= args || typ != typeExecve && i >= rest {
			out.records, out.bytes = out.records+1, out.bytes+len(text)
			continue
		}
		if typ.IsNote() { // whose text does not know its serial
			dst = enc.appendOwn(dst, e, typ)
			dst = append(dst, e.body(i)...)
		} else {
			dst = AppendLine(dst, typ, text, nil)
		}
		dst = append(dst, '\n')
	}
	return dst, out
}

// tail finds from which record on those of some types have so many bytes, and how many
// they lack of it. The first record always stays.
func (e *Event) tail(bytes int, of func(Type) bool) (from, left int) {
	from = len(e.records)
	for i := from - 1; i > 0 && bytes > 0; i-- {
		if r := &e.records[i]; of(r.typ) {
			from, bytes = i, bytes-int(r.end-r.off)
		}
	}
	return from, max(0, bytes)
}

// appendOwn appends the beginning of a line of a type of ours.
func (enc *Encoder) appendOwn(dst []byte, e *Event, typ Type) []byte {
	dst = append(dst, "type="...)
	dst = append(dst, typ.String()...)
	dst = append(dst, " msg=audit("...)
	dst = e.ID.append(dst)
	return append(dst, "): "...)
}
