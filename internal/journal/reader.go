package journal

import (
	"fmt"
	"os"
	"slices"
	"time"
)

// A Reader returns the records of an open Journal in order. One goroutine may
// use it, while others append and sync.
type Reader struct {
	walk walk
}

// Reader returns a Reader that begins with the given record, or where the
// cursor is if that is further on.
func (j *Journal) Reader(from uint64) *Reader {
	low, _ := j.cursorNow()
	return &Reader{walk{src: j, want: max(from, low)}}
}

// Next returns the next record and its sequence. The record is valid until the
// next call.
//
// When there is none yet, the error is io.EOF: wait for the journal's C. A
// *Damage as the error stands for records that are lost, in their place; the
// next call goes on behind them. After any other error the next call tries
// the same again.
func (r *Reader) Next() (seq uint64, rec []byte, err error) { return r.walk.next() }

// Time returns when the record that Next returned last was appended.
func (r *Reader) Time() time.Time { return r.walk.time() }

// Close closes the file being read.
func (r *Reader) Close() error { return r.walk.close() }

// Latest calls f with the whole records among the last n bytes of the segment that is
// being written, in order. A record is valid during the call. One goroutine may use it.
func (j *Journal) Latest(n int64, f func(rec []byte)) error {
	segs, err := j.segments()
	if err != nil || len(segs) == 0 {
		return err
	}
	s := segs[len(segs)-1]
	file, err := j.open(s)
	if err != nil {
		return fmt.Errorf("read the latest records: %w", err)
	}
	defer file.Close()
	end := s.bytes.Load()
	j.glimpse.reset(file, s.head)
	j.glimpse.extend(end, 0)
	j.glimpse.seek(max(headLen, end-n))
	for {
		fr, ok, err := j.glimpse.peek()
		if !ok || err != nil {
			return err
		}
		j.glimpse.take(fr)
		f(fr.rec)
	}
}

// What follows makes a Journal the source of its Reader's walk.

func (j *Journal) high() (uint64, error) { return j.last.Load(), nil }

func (j *Journal) low() (uint64, error) {
	low, _ := j.cursorNow()
	return low, nil
}

func (j *Journal) segments() ([]*segment, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.segs), nil
}

func (j *Journal) open(s *segment) (file, error) { return j.fs.open(s.name(), os.O_RDONLY) }

func (j *Journal) extent(s *segment, _ file) (end int64, next uint64, err error) {
	if s.sealed.Load() {
		next = j.after(s)
	}
	return s.bytes.Load(), next, nil
}

// after returns the base of the segment that follows s, 0 if there is none yet.
func (j *Journal) after(s *segment) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, t := range j.segs {
		if t.base > s.base {
			return t.base
		}
	}
	return 0
}
