package event

// AppendRaw appends an event's records as lines of audit.log, each with its
// newline, so that ausearch reads them.
func (enc *Encoder) AppendRaw(dst []byte, e *Event) []byte {
	for i := range e.records {
		typ, text := e.Record(i)
		dst = AppendLine(dst, typ, text, nil)
		dst = append(dst, '\n')
	}
	if e.whole && e.hasCall {
		dst = append(dst, "type=EOE msg=audit("...)
		dst = e.ID.append(dst)
		dst = append(dst, "): \n"...)
	}
	return dst
}
