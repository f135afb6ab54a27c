package journal

import (
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
	"time"
)

// A source says what there is to be read, which changes all the time.
type source interface {
	// high returns the highest sequence known to have been written. What is asked
	// afterwards knows of all that was written up to there.
	high() (uint64, error)

	// low returns the sequence below which segments may be given back.
	low() (uint64, error)

	// segments returns all segments, oldest first. It is not to be changed.
	segments() ([]*segment, error)

	// open opens a segment for reading and completes its head.
	open(s *segment) (file, error)

	// extent returns how far s may be read, and the base of the segment that
	// follows it, 0 if s may still grow.
	extent(s *segment, f file) (end int64, next uint64, err error)
}

// A walk returns records in order, over all segments, and what is missing among
// them.
type walk struct {
	src source

	seg  *segment // being read, nil before the first
	file file
	scan scanner

	at       uint64 // base of the segment tried last
	want     uint64 // the sequence to return next
	met      int64  // when the last record met was appended, milliseconds
	damage   Damage // where the damage in front of want began, if Reason is set
	returned frame  // the last one
}

// next returns the next record. At the end of what there is the error is
// io.EOF; later there may be more. A *Damage stands for the records missing in
// front of the next one. After any other error the same record is tried again.
func (w *walk) next() (uint64, []byte, error) {
	for {
		if w.file != nil {
			fr, ok, err := w.scan.peek()
			if err != nil {
				return 0, nil, err
			}
			if ok {
				switch err := w.meet(fr); {
				case err != nil:
					return 0, nil, err
				case fr.seq >= w.want:
					w.want = fr.seq + 1
					return fr.seq, fr.rec, nil
				}
				continue
			}
		}
		if err := w.more(); err != nil {
			return 0, nil, err
		}
	}
}

// meet takes fr, unless records in front of it are missing.
func (w *walk) meet(fr frame) error {
	w.noteJunk()
	if fr.seq > w.want {
		return w.missing(fr.seq-1, fr.millis)
	}
	w.damage = Damage{}
	w.scan.take(fr)
	w.met, w.returned = fr.millis, fr
	return nil
}

// noteJunk remembers where the bytes that are no frame began, for the Damage.
func (w *walk) noteJunk() {
	if w.scan.bad != 0 && w.damage.Reason == "" {
		w.damage = Damage{Segment: w.seg.name(), Offset: w.scan.bad, Reason: ReasonUnreadable}
	}
	w.scan.bad = 0
}

// missing returns the Damage of the records from want to the given one.
func (w *walk) missing(to uint64, before int64) *Damage {
	d := w.damage
	if d.Reason == "" {
		d.Reason = ReasonMissing
	}
	d.From, d.To = w.want, to
	d.After, d.Before = moment(w.met), moment(before)
	w.want, w.damage = to+1, Damage{}
	return &d
}

// more finds further bytes to read: in the segment at hand, or in the next one.
func (w *walk) more() error {
	high, err := w.src.high()
	if err != nil {
		return err
	}
	if w.file != nil {
		end, next, err := w.src.extent(w.seg, w.file)
		if err != nil {
			return err
		}
		if end != w.scan.end || next != w.scan.next {
			w.again(end, next)
			return nil
		}
	}
	if w.file == nil || w.scan.next != 0 {
		moved, err := w.advance()
		if moved || err != nil {
			return err
		}
	}
	if high >= w.want {
		w.leave(high + 1)
		return w.missing(high, 0)
	}
	return io.EOF
}

// again reads on in the same segment, from the bytes that made no frame if
// there are any: one may have been written by halves.
func (w *walk) again(end int64, next uint64) {
	bad := w.scan.bad
	w.scan.extend(end, next)
	if bad != 0 {
		w.scan.seek(bad)
	}
}

// advance goes to the next segment, and returns false if there is none.
func (w *walk) advance() (bool, error) {
	s, err := w.pick()
	if s == nil || err != nil {
		return false, err
	}
	f, err := w.src.open(s)
	if errors.Is(err, os.ErrNotExist) {
		w.at = s.base
		return true, nil // given back a moment ago, or taken: what is missing will show
	}
	if err != nil {
		return false, err
	}
	w.at = s.base
	w.leave(s.base)
	err = w.close()
	w.seg, w.file = s, f
	w.scan.reset(f, s.head)
	if err != nil || s.base <= w.want {
		return true, err
	}
	return true, w.skipFreed(s)
}

// skipFreed goes over the records in front of s if they were given back: they
// lie below low, and no segment in front of s is left.
func (w *walk) skipFreed(s *segment) error {
	all, err := w.src.segments()
	if err != nil || len(all) > 0 && all[0].base < s.base {
		return err
	}
	low, err := w.src.low()
	w.want = max(w.want, min(low, s.base))
	return err
}

// pick returns the segment to read next, nil if there is none.
func (w *walk) pick() (*segment, error) {
	all, err := w.src.segments()
	if err != nil {
		return nil, err
	}
	i, _ := slices.BinarySearchFunc(all, w.at+1, func(s *segment, base uint64) int { return cmp.Compare(s.base, base) })
	if w.at == 0 {
		for i+1 < len(all) && all[i+1].base <= w.want {
			i++
		}
	}
	if i == len(all) {
		return nil, nil
	}
	return all[i], nil
}

// leave remembers where in the segment at hand records are missing, if any are
// in front of the next one.
func (w *walk) leave(next uint64) {
	if w.file == nil {
		return
	}
	w.noteJunk()
	if w.damage.Reason == "" && next > w.want {
		w.damage = Damage{Segment: w.seg.name(), Offset: w.scan.off, Reason: ReasonMissing}
	}
}

func (w *walk) time() time.Time { return moment(w.returned.millis) }

func (w *walk) close() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.Close()
}
