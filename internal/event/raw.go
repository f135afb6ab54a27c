package event

// AppendRaw appends an event's records as lines of audit.log, each with its
// newline, so that ausearch reads them.
func (enc *Encoder) AppendRaw(dst []byte, e *Event) []byte {
	for i := range e.records {
		typ, text := e.Record(i)
		if typ >= TypeGap { // whose text does not know its serial
			dst = append(dst, "type="...)
			dst = append(dst, typ.String()...)
			dst = append(dst, " msg=audit("...)
			dst = e.ID.append(dst)
			dst = append(dst, "): "...)
			dst = append(dst, e.body(i)...)
		} else {
			dst = AppendLine(dst, typ, text, nil)
		}
		dst = append(dst, '\n')
	}
	if e.whole && e.hasCall {
		dst = append(dst, "type=EOE msg=audit("...)
		dst = e.ID.append(dst)
		dst = append(dst, "): \n"...)
	}
	return dst
}
