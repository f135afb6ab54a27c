package journal

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// SetCursor says that records below low are not needed any more. extra is the
// caller's, at most MaxExtra bytes, and comes back with Cursor. Both survive
// this process at once, and the machine's death after Sync. Segments that are
// wholly below low are given back, but for KeepDelivered bytes. low never falls.
func (j *Journal) SetCursor(low uint64, extra []byte) error {
	j.cursorMu.Lock()
	defer j.cursorMu.Unlock()
	if err := j.moveCursor(low, extra); err != nil {
		return fmt.Errorf("set cursor to %d: %w", low, err)
	}
	return nil
}

func (j *Journal) moveCursor(low uint64, extra []byte) error {
	old, _ := j.cursorNow()
	switch written := j.written.Load(); {
	case low < old:
		return fmt.Errorf("it is at %d already", old)
	case low > written+1:
		return fmt.Errorf("the last record is %d", written)
	case len(extra) > MaxExtra:
		return fmt.Errorf("%d bytes are more than %d", len(extra), MaxExtra)
	}
	if err := j.writePlace(low, extra); err != nil {
		return err
	}
	j.mu.Lock()
	j.place.low = low
	j.place.extra = append(j.place.extra[:0], extra...)
	j.mu.Unlock()
	return j.trim(low)
}

// writePlace writes the cursor. On a disk so full that even that is refused, a
// segment which the new cursor leaves behind makes room.
func (j *Journal) writePlace(low uint64, extra []byte) error {
	p := place{salt: j.salt, low: low, last: j.written.Load(), millis: j.opt.now().UnixMilli(), extra: extra}
	for {
		err := j.cursor.write(p)
		if !isFull(err) {
			return err
		}
		if freed, failed := j.freeOldest(low); !freed {
			return errors.Join(err, failed)
		}
	}
}

// trim gives back history beyond KeepDelivered. Before that, and when the
// appender waits for room, the cursor goes to the medium: if it did not, a power
// cut could bring it back behind what is gone.
func (j *Journal) trim(low uint64) error {
	if !j.tooMuchHistory(low) && j.fullSince.Load() == 0 {
		return nil
	}
	if err := j.syncCursor(low); err != nil {
		return err
	}
	for j.tooMuchHistory(low) {
		if freed, err := j.freeOldest(low); !freed {
			return err
		}
	}
	return nil
}

// syncCursor brings the cursor, which is at low, to the medium.
func (j *Journal) syncCursor(low uint64) error {
	if err := j.cursor.sync(); err != nil {
		return err
	}
	j.syncedLow.Store(low)
	return nil
}

// tooMuchHistory says whether the oldest segment is delivered, and what is
// delivered without it at least KeepDelivered.
func (j *Journal) tooMuchHistory(low uint64) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	var sum int64
	for i := 0; i+1 < len(j.segs) && j.segs[i+1].base <= low; i++ {
		if i > 0 {
			sum += j.segs[i].bytes.Load()
		}
	}
	return len(j.segs) > 1 && j.segs[1].base <= low && sum >= j.opt.KeepDelivered
}

// freeOldest removes the oldest segment if it is wholly below low, and returns
// false if it is not. Segments go one after the other, so that whoever finds one
// without its predecessors knows that those were given back.
func (j *Journal) freeOldest(low uint64) (bool, error) {
	j.freeMu.Lock()
	defer j.freeMu.Unlock()
	s, f := j.unlist(low)
	if s == nil {
		return false, nil
	}
	if f != nil {
		if err := f.Close(); err != nil {
			return false, err
		}
	}
	if err := j.fs.remove(s.name()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	j.bytes.Add(-s.bytes.Load())
	j.freed.Add(s.bytes.Load())
	return true, nil
}

// unlist takes the oldest segment and its open file, if any, from the list.
func (j *Journal) unlist(low uint64) (*segment, file) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.segs) == 0 {
		return nil, nil
	}
	s := j.segs[0]
	end := j.last.Load() + 1
	if len(j.segs) > 1 {
		end = j.segs[1].base
	} else if !s.sealed.Load() {
		return nil, nil
	}
	if end > low {
		return nil, nil
	}
	f := s.file
	s.file = nil
	j.segs = slices.Delete(j.segs, 0, 1)
	return s, f
}

// Cursor returns what SetCursor was last given, 1 and nothing in a new journal.
func (j *Journal) Cursor() (low uint64, extra []byte) {
	low, extra = j.cursorNow()
	return low, slices.Clone(extra)
}

func (j *Journal) cursorNow() (low uint64, extra []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.place.low, j.place.extra
}

// Sync brings everything appended so far to the medium, and the cursor. It may
// take long; nobody but Close and SetCursor waits for it.
func (j *Journal) Sync() error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	errs := []error{j.syncSegments()}
	if j.newNames.Swap(false) {
		if err := j.fs.syncDir(); err != nil {
			j.newNames.Store(true)
			errs = append(errs, err)
		}
	}
	errs = append(errs, j.syncPlace())
	if err := j.markError.Swap(nil); err != nil {
		errs = append(errs, fmt.Errorf("note last sequence: %w", err.error))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	return nil
}

// syncSegments syncs what was written since the last time, and closes the files
// of segments that are finished.
func (j *Journal) syncSegments() error {
	var errs []error
	segs, err := j.segments()
	if err != nil {
		return err
	}
	for _, s := range segs {
		j.mu.Lock()
		f := s.file
		j.mu.Unlock()
		if f != nil {
			errs = append(errs, j.syncSegment(s, f))
		}
	}
	return errors.Join(errs...)
}

func (j *Journal) syncSegment(s *segment, f file) error {
	sealed, bytes := s.sealed.Load(), s.bytes.Load()
	if bytes > s.synced {
		if err := f.Sync(); err != nil && !errors.Is(err, os.ErrClosed) { // closed: given back meanwhile
			return err
		}
		s.synced = bytes
	}
	if !sealed {
		return nil
	}
	j.mu.Lock()
	open := s.file != nil
	s.file = nil
	j.mu.Unlock()
	if !open {
		return nil
	}
	return f.Close()
}

// syncPlace brings the cursor and the last sequence to the medium.
func (j *Journal) syncPlace() error {
	j.cursorMu.Lock()
	defer j.cursorMu.Unlock()
	if !j.cursorReady.Load() {
		if err := j.makeCursor(); isFull(err) {
			return nil // there is no segment either
		} else if err != nil {
			return err
		}
	}
	low, extra := j.cursorNow()
	if j.written.Load() != j.cursor.last {
		if err := j.writePlace(low, extra); err != nil && !isFull(err) {
			return err
		}
	}
	return j.syncCursor(low)
}
