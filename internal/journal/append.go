package journal

import (
	"errors"
	"fmt"
)

// retryFull is how long, in milliseconds, nothing is tried after the disk was
// found full, unless room was made here.
const retryFull = 100

// A refusal is how things stood before an attempt to append, in case it fails.
type refusal struct {
	freed  int64  // bytes given back so far
	low    uint64 // what could be given back
	millis int64
	disk   bool // it was the disk, not MaxBytes
}

// Append writes recs behind each other and returns how many it took: all of
// them, or those in front of the one that caused the error. They are in the
// operating system's hands then, not yet on the medium. The error is ErrFull,
// ErrTooLong, or the file system's; in any case the next Append may succeed.
func (j *Journal) Append(recs [][]byte) (int, error) {
	now := j.opt.now().UnixMilli()
	if j.stillFull(now) {
		return 0, ErrFull
	}
	before := refusal{freed: j.freed.Load(), low: j.syncedLow.Load(), millis: now}
	tooLong := j.encode(recs, now)
	n, err := j.put(j.buf, now)
	if n > 0 {
		j.mark()
		j.announce()
	}
	switch {
	case err == nil:
		j.fullSince.Store(0)
		return n, tooLong
	case isFull(err) || errors.Is(err, ErrFull):
		before.disk = isFull(err)
		j.fullWhy.Store(nil)
		if before.disk {
			j.fullWhy.Store(&keptError{err})
		}
		j.refuse(before)
		return n, ErrFull
	}
	return n, fmt.Errorf("append to journal: %w", err)
}

// encode frames recs into j.buf, up to the first that is too long.
func (j *Journal) encode(recs [][]byte, now int64) error {
	j.buf = j.buf[:0]
	seq := j.Next()
	for _, rec := range recs {
		if len(rec) > MaxRecord {
			return fmt.Errorf("%w: %d bytes", ErrTooLong, len(rec))
		}
		j.buf = appendFrame(j.buf, rec, seq, now, j.salt)
		seq++
	}
	return nil
}

// put writes the frames in b and returns how many it has written. It gives back
// delivered segments when there is no room otherwise.
func (j *Journal) put(b []byte, now int64) (total int, err error) {
	for len(b) > 0 {
		fit, err := j.fit(b)
		if err != nil {
			return total, err
		}
		if fit == 0 {
			return total, ErrFull
		}
		n, size, err := j.write(b[:fit], now)
		total += n
		b = b[size:]
		if isFull(err) {
			if freed, failed := j.makeRoom(); freed || failed != nil {
				err = failed
			}
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// fit returns the length of the frames at the beginning of b for which MaxBytes
// leaves room.
func (j *Journal) fit(b []byte) (int, error) {
	for {
		room := j.opt.MaxBytes - j.bytes.Load() - headLen
		if int64(len(b)) <= room {
			return len(b), nil
		}
		if freed, err := j.makeRoom(); err != nil {
			return 0, err
		} else if !freed {
			size, _ := wholeFrames(b[:min(max(room, 0), int64(len(b)))])
			return size, nil
		}
	}
}

// wholeFrames returns the length and number of the whole frames b begins with.
func wholeFrames(b []byte) (size, n int) {
	for len(b)-size >= frameLen && len(b)-size >= frameSize(b[size:]) {
		size += frameSize(b[size:])
		n++
	}
	return size, n
}

// write appends the frames in b to the active segment. After an error those
// that got there whole count and the rest is cut off again.
func (j *Journal) write(b []byte, now int64) (n, size int, err error) {
	s, err := j.segmentFor(len(b), now)
	if err != nil {
		return 0, 0, err
	}
	at := s.bytes.Load()
	size, err = s.file.WriteAt(b, at)
	size, n = wholeFrames(b[:size])
	j.commit(s, n, size, now)
	if err != nil {
		cut := s.file.Truncate(at + int64(size))
		if (cut != nil || !isFull(err)) && s.bytes.Load() > headLen {
			j.seal() // nothing is written behind what cannot be trusted
		}
		err = errors.Join(err, cut)
	}
	return n, size, err
}

// commit lets the others see what was written. What the Reader finds in last it
// must find in bytes too, so last comes last.
func (j *Journal) commit(s *segment, n, size int, now int64) {
	if n == 0 {
		return
	}
	j.written.Add(uint64(n))
	s.bytes.Add(int64(size))
	j.bytes.Add(int64(size))
	j.millis.Store(now)
	j.latest = max(j.latest, now)
	j.last.Add(uint64(n))
}

// segmentFor returns the segment to append n bytes to.
func (j *Journal) segmentFor(n int, now int64) (*segment, error) {
	if s := j.active; s != nil {
		size := s.bytes.Load()
		if size == headLen || size+int64(n) <= j.opt.SegmentBytes {
			return s, nil
		}
	}
	if err := j.readyCursor(); err != nil {
		return nil, err
	}
	s, err := createSegment(j.fs, head{salt: j.salt, base: j.Next(), millis: now, latest: j.latest})
	if err != nil {
		return nil, err
	}
	j.newNames.Store(true)
	j.seal()
	j.bytes.Add(headLen)
	j.mu.Lock()
	j.segs = append(j.segs, s)
	j.mu.Unlock()
	j.active = s
	return s, nil
}

// readyCursor makes sure that the cursor has its room before the records take
// it, or they could never be given back.
func (j *Journal) readyCursor() error {
	if j.cursorReady.Load() || !j.cursorMu.TryLock() {
		return nil
	}
	defer j.cursorMu.Unlock()
	return j.makeCursor()
}

// seal ends the active segment. Sync closes its file.
func (j *Journal) seal() {
	if j.active != nil {
		j.active.sealed.Store(true)
		j.active = nil
	}
}

// mark notes the last sequence outside the segment.
func (j *Journal) mark() {
	if j.lastFile == nil {
		return
	}
	j.lastBuf = appendLast(j.lastBuf[:0], j.last.Load(), j.millis.Load())
	if _, err := j.lastFile.WriteAt(j.lastBuf, 0); err != nil && !isFull(err) {
		// The records are safe, so it is for Sync to say.
		j.markError.Store(&keptError{err})
	}
}

// A keptError is an error for another goroutine to tell.
type keptError struct{ error }

// announce wakes the reader, if it has not been woken already.
func (j *Journal) announce() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// makeRoom gives back the oldest segment that is delivered, be it the active
// one, and returns false if there is none.
func (j *Journal) makeRoom() (bool, error) {
	if s := j.active; s != nil && s.bytes.Load() > headLen && j.syncedLow.Load() > j.last.Load() {
		j.mu.Lock()
		alone := len(j.segs) == 1
		j.mu.Unlock()
		if alone {
			j.seal()
		}
	}
	return j.freeOldest(j.syncedLow.Load())
}

// stillFull says whether nothing has changed since a record was refused. So
// what is refused and what fits do not alternate at the limit.
func (j *Journal) stillFull(now int64) bool {
	r := j.refusal
	if j.fullSince.Load() == 0 || j.freed.Load() != r.freed || j.syncedLow.Load() != r.low {
		return false
	}
	return !r.disk || now >= r.millis && now < r.millis+retryFull
}

func (j *Journal) refuse(r refusal) {
	if j.fullSince.Load() == 0 {
		j.fullSince.Store(r.millis)
	}
	j.refusal = r
}
