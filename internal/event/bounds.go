package event

import "unsafe"

// Bytes is about how much memory the events have that are open or held.
func (a *Assembler) Bytes() int { return a.bytes }

// Weigh takes an event on account as it is now, if it is held or open.
func (a *Assembler) Weigh(e *Event) {
	size := e.Size()
	a.bytes += size - e.weight
	e.weight = size
}

// unweigh takes it off.
func (a *Assembler) unweigh(e *Event) {
	a.bytes -= e.weight
	e.weight = 0
}

// What one event may have in text. Arguments of a program's start have a bound of
// their own, since what comes behind them tells more: the service takes no longer
// message than this.
const (
	maxArgBytes  = 1 << 20
	maxTextBytes = 4 << 20
)

// Size is about how much memory the event has. Names are as long as whoever is on the
// host makes them, so what is kept is bounded in bytes.
func (e *Event) Size() int {
	n := int(unsafe.Sizeof(*e)) + cap(e.buf) + cap(e.decoded) + cap(e.Built) +
		cap(e.records)*int(unsafe.Sizeof(record{})) + cap(e.Items)*int(unsafe.Sizeof(Item{})) + cap(e.fields)*int(unsafe.Sizeof(Field{}))
	if e.Work != nil {
		n += e.Work.Size()
	}
	return n
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
