package event

import "unsafe"

// What the stream holds is bounded in bytes: names are as long as whoever is on the
// host makes them. An event counts from its first record until it is ready to be
// returned; when there is more than Options.Bytes, the oldest goes as it is.

// What one event may have in text. Arguments of a program's start have a bound of
// their own, since what comes behind them tells more: the service takes no longer
// message than this.
const (
	maxArgBytes  = 1 << 20
	maxTextBytes = 4 << 20
)

// size is about how much memory the event has.
func (e *Event) size() int {
	return int(unsafe.Sizeof(*e)) + cap(e.buf) + cap(e.decoded) + cap(e.built) +
		cap(e.records)*int(unsafe.Sizeof(record{})) + cap(e.paths)*int(unsafe.Sizeof(item{})) + cap(e.fields)*int(unsafe.Sizeof(Field{}))
}

// takes says whether the event has room for a record of a type and length. One that
// it has no room for it only counts as missing.
func (e *Event) takes(typ Type, length int) bool {
	most := maxTextBytes
	if typ == TypeExecve {
		most = maxArgBytes
	}
	return len(e.buf)+length <= most && len(e.records) < maxRecordsEach
}

// leave counts a record that the event has no room for.
func (e *Event) leave(seq uint64, text []byte) {
	e.Last, e.Truncated = seq, true
	e.LeftOut.Records, e.LeftOut.Bytes = e.LeftOut.Records+1, e.LeftOut.Bytes+len(text)
}

// weigh takes an event on account as it is now, if it is held or open.
func (s *Stream) weigh(e *Event) {
	size := e.size()
	s.bytes += size - e.weight
	e.weight = size
}

// unweigh takes it off.
func (s *Stream) unweigh(e *Event) {
	s.bytes -= e.weight
	e.weight = 0
}

// lighten lets the oldest events go as they are while all have more than their bytes:
// those that wait for a name first, then those whose end has not come.
func (s *Stream) lighten() {
	for s.bytes > s.maxBytes {
		switch {
		case s.held.head != nil:
			s.release(s.held.head)
		case s.oldest() != nil:
			s.close(s.oldest())
		default:
			return
		}
	}
}
