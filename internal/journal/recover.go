package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
)

// recover takes up what an earlier process left in the directory, or begins
// anew. It finds the end of the last segment and cuts off what is behind it.
func (j *Journal) recover() error {
	bases, foreign, err := listSegments(j.fs)
	if err != nil {
		return err
	}
	for _, name := range foreign {
		j.found(Damage{Segment: name, Reason: ReasonForeign})
	}
	last, err := j.readLast()
	if err != nil {
		return err
	}
	slot, err := j.readCursor()
	if err != nil {
		return err
	}
	if err := j.readSegments(bases); err != nil {
		return err
	}
	if err := j.recoverTail(max(last, j.place.last)); err != nil {
		return err
	}
	j.written.Store(j.last.Load())
	return j.settleCursor(slot, last > 0)
}

// found adds d to what Recovered returns. Unless it says otherwise, no record
// is missing.
func (j *Journal) found(d Damage) {
	if d.To == 0 {
		d.From = 1
	}
	j.recovered = append(j.recovered, d)
}

// readLast opens the file of the last sequence and returns what it says, 0 if
// that is nothing.
func (j *Journal) readLast() (uint64, error) {
	b, err := readFile(j.fs, lastName, lastLen, nil)
	if err != nil {
		return 0, err
	}
	last, millis, ok := parseLast(b)
	if !ok && !blank(b) {
		j.found(Damage{Segment: lastName, Reason: ReasonLast})
	}
	j.millis.Store(millis)
	j.latest = millis
	f, err := j.fs.open(lastName, os.O_RDWR|os.O_CREATE)
	if err != nil {
		if isFull(err) {
			return last, nil
		}
		return 0, err
	}
	j.lastFile = f
	if len(b) == 0 {
		err = f.allocate(lastLen)
	}
	if err != nil && !isFull(err) {
		return 0, err
	}
	return last, nil
}

// readCursor fills in place and salt from the cursor files, and returns which
// of them it was, -1 for none.
func (j *Journal) readCursor() (slot int, err error) {
	p, slot, damaged, err := readPlace(j.fs)
	if err != nil {
		return -1, err
	}
	for _, name := range damaged {
		j.found(Damage{Segment: name, Reason: ReasonCursor})
	}
	j.place, j.salt = p, p.salt
	j.latest = max(j.latest, p.millis)
	return slot, nil
}

// readSegments fills the list of segments from their headers, and chooses the
// salt if no cursor file had it.
func (j *Journal) readSegments(bases []uint64) error {
	var headless []*segment
	for _, base := range bases {
		s, err := statSegment(j.fs, base)
		if errors.Is(err, errHead) {
			headless = append(headless, s)
		} else if err != nil {
			return err
		}
		if j.salt == 0 {
			j.salt = s.salt
		}
		s.sealed.Store(true)
		j.segs = append(j.segs, s)
		j.bytes.Add(s.bytes.Load())
		j.latest = max(j.latest, s.millis, s.latest)
	}
	if j.salt == 0 {
		j.salt = newSalt()
	}
	for _, s := range headless {
		s.salt = j.salt
		j.found(Damage{Segment: s.name(), Reason: ReasonHead})
	}
	return nil
}

// statSegment reads the header and size of a segment. If the error is errHead,
// the rest is right.
func statSegment(fs filer, base uint64) (*segment, error) {
	f, err := fs.open(segmentName(base), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.size()
	if err != nil {
		return nil, err
	}
	h, err := readHead(f, base)
	if err != nil && !errors.Is(err, errHead) {
		return nil, err
	}
	s := &segment{head: h, synced: size}
	s.bytes.Store(size)
	return s, err
}

// newSalt returns a random number that is not 0, which stands for none.
func newSalt() uint32 {
	var b [4]byte
	for {
		rand.Read(b[:]) // never fails
		if salt := binary.LittleEndian.Uint32(b[:]); salt != 0 {
			return salt
		}
	}
}

// recoverTail finds the last record and makes the last segment ready to be
// appended to, if it can be. known is the highest sequence that anything outside
// the segments knows of.
func (j *Journal) recoverTail(known uint64) error {
	j.last.Store(known)
	if len(j.segs) == 0 {
		if j.place.low > 0 && known >= j.place.low {
			j.found(Damage{From: j.place.low, To: known, Reason: ReasonMissing})
		}
		return nil
	}
	s := j.segs[len(j.segs)-1]
	f, err := j.fs.open(s.name(), os.O_RDWR)
	if err != nil {
		return err
	}
	t, err := scanTail(f, s)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return j.reuse(s, f, t)
}

// A tail is how a segment ends.
type tail struct {
	last       uint64 // base-1 if there is no record
	millis     int64
	end        int64 // of the last record
	junk       bool  // there are bytes behind it
	unreadable bool  // the medium refused some
}

func scanTail(f file, s *segment) (tail, error) {
	var sc scanner
	sc.reset(f, s.head)
	sc.extend(s.bytes.Load(), 0)
	t := tail{last: s.base - 1, end: headLen}
	for {
		fr, ok, err := sc.peek()
		if !ok || err != nil {
			t.junk, t.unreadable = s.bytes.Load() > t.end, sc.unreadable
			return t, err
		}
		sc.take(fr)
		t.last, t.millis, t.end = fr.seq, fr.millis, sc.off
	}
}

// reuse goes on in the last segment, if its end is known for certain. Otherwise
// it stays as it is and the next Append begins another.
func (j *Journal) reuse(s *segment, f file, t tail) error {
	// Of a segment without its header the salt may be wrong.
	sure := s.millis != 0 && !t.unreadable
	j.last.Store(max(j.last.Load(), t.last))
	if !sure && t.last < s.base {
		if s.bytes.Load() <= headLen && j.Next() == s.base {
			j.forget(s)
			return f.Close()
		}
		j.last.Store(max(j.last.Load(), s.base)) // there must have been something
	}
	if t.millis != 0 && j.last.Load() == t.last {
		j.millis.Store(t.millis)
	}
	j.latest = max(j.latest, t.millis)
	j.reportTail(s, t)
	if !sure {
		return f.Close() // nothing is cut off that might yet be read by hand
	}
	if t.junk {
		if err := f.Truncate(t.end); err != nil {
			return errors.Join(err, f.Close())
		}
		j.bytes.Add(t.end - s.bytes.Load())
		s.bytes.Store(t.end)
	}
	if j.last.Load() > t.last {
		return f.Close() // within a segment sequences have no holes
	}
	s.file, j.active = f, s
	s.sealed.Store(false)
	return nil
}

func (j *Journal) reportTail(s *segment, t tail) {
	d := Damage{From: t.last + 1, To: j.last.Load(), Segment: s.name(), Offset: t.end, After: moment(t.millis)}
	switch {
	case d.Missing() > 0 && t.junk:
		d.Reason = ReasonUnreadable
	case d.Missing() > 0:
		d.Reason = ReasonMissing
	case t.junk:
		d.Reason = ReasonUnfinished
	default:
		return
	}
	j.found(d)
}

// forget takes the last segment from the list because it was just being made.
// Its file stays, for the name tells the last sequence, until the same segment
// is made again.
func (j *Journal) forget(s *segment) {
	j.segs = j.segs[:len(j.segs)-1]
	j.bytes.Add(-s.bytes.Load())
}

// settleCursor makes the cursor ready to be moved. Without one delivery begins
// with the oldest record, for twice is better than never.
func (j *Journal) settleCursor(slot int, used bool) error {
	j.cursor = cursorStore{fs: j.fs, latest: -1, durable: -1}
	if slot >= 0 {
		j.cursor.adopt(j.place, slot)
	} else {
		j.place = place{low: j.Next()}
		if len(j.segs) > 0 {
			j.place.low = j.segs[0].base
		}
		if used || len(j.segs) > 0 {
			j.found(Damage{Reason: ReasonNoCursor})
		}
	}
	j.syncedLow.Store(j.place.low)
	if err := j.makeCursor(); err != nil && !isFull(err) {
		return err
	}
	return j.cursor.sync()
}

// makeCursor makes the files of the cursor that are missing, to stay, and writes
// it if it never was.
func (j *Journal) makeCursor() error {
	if err := j.cursor.make(); err != nil {
		return err
	}
	if err := j.fs.syncDir(); err != nil {
		return err
	}
	if j.cursor.latest < 0 {
		low, extra := j.cursorNow()
		if err := j.writePlace(low, extra); err != nil {
			return err
		}
	}
	j.cursorReady.Store(true)
	return nil
}
