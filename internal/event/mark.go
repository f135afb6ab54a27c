package event

import (
	"encoding/binary"
	"errors"
)

// AppendMark appends where to go on if all events returned so far are
// delivered, except those in but: what a cursor must hold besides Low.
//
// Reading goes on at Low. Up to the last record pushed, only the events that
// were pending are still to be delivered, so these are what a mark lists; all
// other records there belong to events delivered before. A mark is small: it
// grows with the number of pending events, which Options bound.
func (a *Assembler) AppendMark(dst []byte, but ...*Event) []byte {
	low := a.Low()
	for _, e := range but {
		low = min(low, e.First)
	}
	dst = binary.AppendUvarint(dst, low)
	dst = binary.AppendUvarint(dst, max(a.high, a.resume.high)-low+1)
	dst = binary.AppendUvarint(dst, uint64(a.live.Len+len(but)+a.resume.ahead(a.high)))
	for e := a.live.Head; e != nil; e = e.live.next {
		dst = appendPending(dst, e.ID, e.First-low)
	}
	for _, e := range but {
		dst = appendPending(dst, e.ID, e.First-low)
	}
	for id, first := range a.resume.pending {
		if first > a.high {
			dst = appendPending(dst, id, first-low)
		}
	}
	return dst
}

func appendPending(dst []byte, id ID, first uint64) []byte {
	dst = binary.AppendUvarint(dst, first)
	dst = binary.AppendVarint(dst, id.Sec)
	dst = binary.AppendUvarint(dst, uint64(id.Milli))
	return binary.AppendUvarint(dst, id.Serial)
}

// A resume says which records were delivered before a restart.
type resume struct {
	high    uint64 // up to here, only pending events are still to come
	pending map[ID]uint64
}

// A fate is what becomes of a record that is read again.
type fate uint8

const (
	fateDeliver fate = iota // its event is still to be delivered
	fateLearn               // it was, but what it did to directories must be known
	fateSkip                // it was, and a later one with the same ID is to come
)

// of is the fate of a record.
func (r *resume) of(seq uint64, id ID) fate {
	if seq > r.high {
		r.pending = nil
		return fateDeliver
	}
	switch first, ok := r.pending[id]; {
	case !ok:
		return fateLearn
	case seq < first:
		return fateSkip
	}
	return fateDeliver
}

// ahead is how many events are still to be delivered that begin after high: a
// mark made before all is read again must not forget them, nor those between
// them that were delivered.
func (r *resume) ahead(high uint64) (n int) {
	for _, first := range r.pending {
		if first > high {
			n++
		}
	}
	return n
}

// ErrMark says that a mark is not what AppendMark wrote.
var ErrMark = errors.New("damaged mark")

// Resume lets a new Assembler go on from a mark. It returns the sequence of the
// first record to push.
func (a *Assembler) Resume(mark []byte) (low uint64, err error) {
	d := decoder{rest: mark}
	low = d.uvarint()
	high := low + d.uvarint() - 1
	n := d.uvarint()
	if d.bad || n > uint64(len(d.rest)) {
		return 0, ErrMark
	}
	pending := make(map[ID]uint64, n)
	for range n {
		first := low + d.uvarint()
		id := ID{Sec: d.varint(), Milli: uint16(d.uvarint()), Serial: d.uvarint()}
		if old, ok := pending[id]; !ok || first < old {
			pending[id] = first
		}
	}
	if d.bad || len(d.rest) > 0 {
		return 0, ErrMark
	}
	a.resume = resume{high: high, pending: pending}
	a.high = low - 1
	return low, nil
}

type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	return v + d.took(n)
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	return v + int64(d.took(n))
}

func (d *decoder) took(n int) uint64 {
	if n <= 0 {
		d.bad = true
		d.rest = nil
		return 0
	}
	d.rest = d.rest[n:]
	return 0
}

// GoBack lets an Assembler that was resumed read from an earlier record on: what lies
// before the mark's Low only teaches. It returns where to begin.
func (a *Assembler) GoBack(low uint64) uint64 {
	a.high = min(a.high, low-1)
	return a.high + 1
}
