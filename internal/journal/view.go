package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// pollEvery is how often a View looks for something new.
const pollEvery = 100 * time.Millisecond

// A View reads a journal that another process may be writing, and changes
// nothing. It begins with the oldest record. One goroutine may use it.
type View struct {
	src  *viewSource
	walk walk

	release func() error // the directory
}

// OpenReadOnly opens the journal in dir for reading. The error is
// os.ErrNotExist if there is no such directory.
func OpenReadOnly(dir string) (*View, error) {
	fs, err := openDirectory(dir, false)
	if err != nil {
		return nil, fmt.Errorf("read journal %s: %w", dir, err)
	}
	v, err := newView(fs)
	if err != nil {
		return nil, fmt.Errorf("read journal %s: %w", dir, errors.Join(err, fs.Close()))
	}
	v.release = fs.Close
	return v, nil
}

func newView(fs filer) (*View, error) {
	src := &viewSource{fs: fs}
	v := &View{src: src, walk: walk{src: src}, release: func() error { return nil }}
	return v, v.Seek(0)
}

// Seek goes to the given record, or to the oldest there is if that is later.
func (v *View) Seek(seq uint64) error {
	segs, err := v.src.segments()
	if err != nil {
		return err
	}
	low, err := v.src.low()
	if err != nil {
		return err
	}
	last, err := v.src.high()
	if err != nil {
		return err
	}
	oldest := min(low, last+1)
	if len(segs) > 0 {
		oldest = min(low, segs[0].base)
	}
	return v.start(max(seq, oldest))
}

// SeekTime goes to a place before which no record was appended at t or later,
// as near to t as the headers of the segments tell.
func (v *View) SeekTime(t time.Time) error {
	segs, err := v.src.segments()
	if err != nil {
		return err
	}
	for i := len(segs) - 1; i > 0; i-- {
		h, err := v.src.head(segs[i].base)
		if errors.Is(err, errHead) || errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if h.latest != 0 && moment(h.latest).Before(t) {
			return v.start(h.base)
		}
	}
	return v.Seek(0)
}

func (v *View) start(seq uint64) error {
	err := v.walk.close()
	v.walk = walk{src: v.src, want: seq, scan: scanner{buf: v.walk.scan.buf}}
	return err
}

// Next is as Reader.Next. What the writer gave back before it was read is not
// reported.
func (v *View) Next() (seq uint64, rec []byte, err error) { return v.walk.next() }

// Time returns when the record that Next returned last was appended.
func (v *View) Time() time.Time { return v.walk.time() }

// Wait returns a moment later, when it is worth to call Next again after
// io.EOF, or when ctx is done.
func (v *View) Wait(ctx context.Context) error {
	t := time.NewTimer(pollEvery)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Cursor returns what the writer set last; low is 0 if nothing tells.
func (v *View) Cursor() (low uint64, extra []byte, err error) {
	p, _, err := v.src.place()
	return p.low, p.extra, err
}

// Stat measures the journal as it is now. MaxBytes and FullSince are the
// writer's and are left zero.
func (v *View) Stat() (Stat, error) {
	last, millis, err := v.src.lastKnown()
	if err != nil {
		return Stat{}, err
	}
	list, err := v.src.segments()
	if err != nil {
		return Stat{}, err
	}
	segs := make([]*segment, 0, len(list))
	for _, s := range list {
		t, err := statSegment(v.src.fs, s.base)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil && !errors.Is(err, errHead) {
			return Stat{}, err
		}
		segs = append(segs, t)
		last = max(last, t.base-1)
	}
	low, err := v.src.low()
	if err != nil {
		return Stat{}, err
	}
	st := measure(segs, max(low, 1), last)
	st.NewestTime = moment(millis)
	return st, nil
}

// Close closes the file being read.
func (v *View) Close() error { return errors.Join(v.walk.close(), v.release()) }

// A viewSource is a directory as the source of a walk.
type viewSource struct {
	fs filer
}

func (v *viewSource) high() (uint64, error) {
	last, _, err := v.lastKnown()
	return last, err
}

// lastKnown returns the highest sequence that anything outside the segments
// knows of, and when it was appended if that is known.
func (v *viewSource) lastKnown() (last uint64, millis int64, err error) {
	b, err := readFile(v.fs, lastName, lastLen, nil)
	if err != nil {
		return 0, 0, err
	}
	last, millis, _ = parseLast(b)
	p, _, err := v.place()
	if p.last > last {
		return p.last, 0, err
	}
	return last, millis, err
}

func (v *viewSource) low() (uint64, error) {
	p, slot, err := v.place()
	if slot < 0 {
		return ^uint64(0), err // whatever is gone from the front may have been given back
	}
	return p.low, err
}

// place returns the newest place. While the writer renews a cursor file, it may
// look damaged for a moment; when none does, what was newest at the beginning,
// or something newer, is among those read.
func (v *viewSource) place() (p place, slot int, err error) {
	for range 10 {
		var damaged []string
		p, slot, damaged, err = readPlace(v.fs)
		if len(damaged) == 0 || err != nil {
			break
		}
	}
	return p, slot, err
}

func (v *viewSource) segments() ([]*segment, error) {
	bases, _, err := listSegments(v.fs)
	segs := make([]*segment, len(bases))
	for i, base := range bases {
		segs[i] = &segment{head: head{base: base}}
	}
	return segs, err
}

func (v *viewSource) head(base uint64) (head, error) {
	f, err := v.fs.open(segmentName(base), os.O_RDONLY)
	if err != nil {
		return head{}, err
	}
	defer f.Close()
	return readHead(f, base)
}

func (v *viewSource) open(s *segment) (file, error) {
	f, err := v.fs.open(s.name(), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	s.head, err = readHead(f, s.base)
	if errors.Is(err, errHead) {
		s.salt, err = v.salt()
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// salt returns the salt for a segment whose header is damaged.
func (v *viewSource) salt() (uint32, error) {
	p, slot, err := v.place()
	if slot >= 0 || err != nil {
		return p.salt, err
	}
	segs, err := v.segments()
	for _, s := range segs {
		if h, err := v.head(s.base); err == nil {
			return h.salt, nil
		}
	}
	return 0, err
}

func (v *viewSource) extent(s *segment, f file) (end int64, next uint64, err error) {
	segs, err := v.segments()
	if err != nil {
		return 0, 0, err
	}
	for _, t := range segs {
		if t.base > s.base {
			next = t.base
			break
		}
	}
	end, err = f.size()
	return end, next, err
}

// A Summary is what Verify found.
type Summary struct {
	Segments int
	Records  uint64 // that can be read
	Bytes    int64  // in them, without frames
	Missing  uint64 // records that cannot
	Damages  int

	Oldest, Newest         uint64 // records; 0 if there is none
	OldestTime, NewestTime time.Time
	Low                    uint64 // first record still needed
}

// Verify reads all of the journal in dir, in bounded memory, and calls report
// for each damage. The writer may be at work meanwhile.
func Verify(dir string, report func(*Damage)) (Summary, error) {
	fs, err := openDirectory(dir, false)
	if err != nil {
		return Summary{}, fmt.Errorf("verify journal %s: %w", dir, err)
	}
	sum, err := verify(fs, report)
	if err = errors.Join(err, fs.Close()); err != nil {
		return sum, fmt.Errorf("verify journal %s: %w", dir, err)
	}
	return sum, nil
}

func verify(fs filer, report func(*Damage)) (sum Summary, err error) {
	count := func(d *Damage) {
		sum.Damages++
		sum.Missing += d.Missing()
		report(d)
	}
	v, err := newView(fs)
	if err != nil {
		return sum, err
	}
	defer v.Close()
	if sum.Low, _, err = v.Cursor(); err != nil {
		return sum, err
	}
	if sum.Segments, err = verifyFiles(fs, count); err != nil {
		return sum, err
	}
	for {
		seq, rec, err := v.Next()
		d, damaged := errors.AsType[*Damage](err)
		switch {
		case damaged:
			count(d)
		case errors.Is(err, io.EOF):
			return sum, nil
		case err != nil:
			return sum, err
		default:
			sum.add(seq, rec, v.Time())
		}
	}
}

func (s *Summary) add(seq uint64, rec []byte, t time.Time) {
	if s.Records == 0 {
		s.Oldest, s.OldestTime = seq, t
	}
	s.Records++
	s.Bytes += int64(len(rec))
	s.Newest, s.NewestTime = seq, t
}

// verifyFiles looks at the files and headers that hold no records.
func verifyFiles(fs filer, report func(*Damage)) (segments int, err error) {
	bases, foreign, err := listSegments(fs)
	if err != nil {
		return 0, err
	}
	note := func(name, reason string) { report(&Damage{From: 1, Segment: name, Reason: reason}) }
	for _, name := range foreign {
		note(name, ReasonForeign)
	}
	for _, base := range bases {
		_, err := statSegment(fs, base)
		switch {
		case errors.Is(err, errHead):
			note(segmentName(base), ReasonHead)
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return 0, err
		}
	}
	_, slot, damaged, err := readPlace(fs)
	for _, name := range damaged {
		note(name, ReasonCursor)
	}
	if slot < 0 && len(bases) > 0 {
		note("", ReasonNoCursor)
	}
	b, failed := readFile(fs, lastName, lastLen, nil)
	if _, _, ok := parseLast(b); !ok && !blank(b) {
		note(lastName, ReasonLast)
	}
	return len(bases), errors.Join(err, failed)
}
