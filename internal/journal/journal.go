// Package journal keeps an ordered log of byte records on disk and remembers
// how far its reader has got.
//
// Records are opaque here: the journal does not know what they mean, so it can
// be read, tested and repaired without the system they come from. Each record
// gets the next sequence number, starting at 1, for the life of the directory.
//
// # Guarantees
//
// A record which Append has taken survives the death of this process. It
// survives the death of the machine once Sync has returned. A Reader returns
// records in the order they were appended, and again after a restart until the
// cursor has passed them. Whatever happens to the files, a record comes back as
// it was appended or not at all; one that does not is reported as a Damage, in
// its place, and costs no other. A sequence is never given to two records that
// a reader could have met.
//
// A full journal, or a full disk, refuses the newest and keeps the earliest.
//
// # Goroutines
//
// One may append, one may read and move the cursor, one may sync, all at the
// same time; Stat, Next and Cursor are for any. Append waits for none of the
// others: it shares with them a few atomic numbers, and a mutex that is held for
// the changing of a list. Only when it must remove a segment to have room, and
// another is just being removed, it waits for that.
//
// # Not here
//
// No compression, no encryption, one writer, one reader that moves the cursor.
// The format of the files is in docs/journal-format.md.
package journal

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrLocked is returned by Open while another process has the journal open.
	ErrLocked = errors.New("journal is in use")

	// ErrFull is returned by Append when there is no room, in the journal or on
	// the disk. It passes by itself when the cursor moves or the disk has room.
	ErrFull = errors.New("journal is full")

	// ErrTooLong is returned by Append for a record longer than MaxRecord.
	ErrTooLong = errors.New("record is too long")

	// ErrVersion is returned for a journal of a later format.
	ErrVersion = errors.New("unknown journal format version")
)

const (
	defaultMax   = 1 << 30
	mostSegment  = 16 << 20
	leastSegment = 16 << 10
)

// Options bound a journal. The zero value is a journal of 1 GiB which gives
// back what was delivered as soon as it can.
type Options struct {
	// MaxBytes is how much all segments together may hold. 0 is 1 GiB.
	MaxBytes int64

	// KeepDelivered is how much of what the cursor has passed is kept. It yields
	// before a record is refused.
	KeepDelivered int64

	// SegmentBytes is when the next segment is begun. 0 is a sixteenth of MaxBytes
	// or of the file system, whichever is smaller, between 16 KiB and 16 MiB.
	SegmentBytes int64

	fs  filer
	now func() time.Time
}

// A Journal is the one writer of a directory. See the package's comment for
// what may be called from where.
type Journal struct {
	opt       Options
	fs        filer
	unlock    func() error
	salt      uint32
	recovered []Damage

	// The appender's.
	active   *segment // nil when the next Append begins one
	buf      []byte
	lastFile file
	lastBuf  []byte
	latest   int64 // latest time of append so far
	refusal  refusal

	// The sequence of the last record. The Reader may meet a record when it is
	// in written but not yet in last, and never one that is not in written.
	written, last atomic.Uint64

	millis    atomic.Int64  // when it was appended
	bytes     atomic.Int64  // in all segments
	freed     atomic.Int64  // given back since Open
	syncedLow atomic.Uint64 // what a power cut leaves of low
	fullSince atomic.Int64  // milliseconds, 0 when not full
	fullWhy   atomic.Pointer[keptError]
	wake      chan struct{}

	freeMu sync.Mutex // held while a segment is removed

	mu    sync.Mutex // held for the moment of a change, never while waiting
	segs  []*segment // oldest first
	place place      // low and extra

	glimpse scanner // of Latest

	cursorMu    sync.Mutex // held while cursor files are written and synced
	cursor      cursorStore
	cursorReady atomic.Bool // its files have been made

	syncMu    sync.Mutex
	newNames  atomic.Bool // a segment was made since the directory was synced
	markError atomic.Pointer[keptError]
}

// Open opens the journal in dir, making it if need be, and repairs what a
// crash left. It reads the last segment and the headers of the others; damage
// further back is met by the Reader. A full disk does not keep it from opening.
func Open(dir string, o Options) (*Journal, error) {
	j, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w", dir, err)
	}
	return j, nil
}

func open(dir string, o Options) (*Journal, error) {
	j := &Journal{opt: o, fs: o.fs, wake: make(chan struct{}, 1)}
	if j.opt.now == nil {
		j.opt.now = time.Now
	}
	j.unlock = func() error { return nil }
	if j.fs == nil {
		fs, err := openDirectory(dir, true)
		if err != nil {
			return nil, err
		}
		unlock, err := lock(fs)
		if err != nil {
			return nil, errors.Join(err, fs.Close())
		}
		j.unlock, j.fs = func() error { return errors.Join(unlock(), fs.Close()) }, fs
	}
	if err := j.prepare(); err != nil {
		return nil, errors.Join(err, j.release())
	}
	return j, nil
}

func (j *Journal) prepare() error {
	if err := j.size(); err != nil {
		return err
	}
	return j.recover()
}

// size fills in the options' zero values.
func (j *Journal) size() error {
	if j.opt.MaxBytes <= 0 {
		j.opt.MaxBytes = defaultMax
	}
	if j.opt.SegmentBytes > 0 {
		return nil
	}
	room, err := j.fs.capacity()
	if err != nil {
		return err
	}
	if room <= 0 {
		room = j.opt.MaxBytes
	}
	j.opt.SegmentBytes = min(max(min(j.opt.MaxBytes, room)/16, leastSegment), mostSegment)
	return nil
}

// Recovered returns what Open found and did, for the log. Records that are
// missing and still needed are reported once more by the Reader, in their
// place; what is made of them belongs there. Not reported by the Reader is
// ReasonUnfinished: an Append that never returned, as far as anything tells.
func (j *Journal) Recovered() []Damage { return slices.Clone(j.recovered) }

// Next returns the sequence of the next record appended.
func (j *Journal) Next() uint64 { return j.last.Load() + 1 }

// C is sent to when something was appended since it was last received from.
func (j *Journal) C() <-chan struct{} { return j.wake }

// A Stat is a journal's state at a moment.
type Stat struct {
	Bytes       int64 // in all segments
	MaxBytes    int64
	Undelivered int64 // estimate of the bytes from Low on
	Segments    int

	Low    uint64 // first record still needed
	Oldest uint64 // first record there may be
	Newest uint64 // last record; below Oldest when there is none

	OldestTime time.Time // when the oldest segment was begun; zero if unknown
	NewestTime time.Time // when Newest was appended; zero if unknown

	FullSince time.Time // zero when not full
	FullWhy   error     // what the file system said; nil when MaxBytes is reached
}

// Stat may be called from any goroutine.
func (j *Journal) Stat() Stat {
	j.mu.Lock()
	defer j.mu.Unlock()
	st := measure(j.segs, j.place.low, j.written.Load())
	st.MaxBytes = j.opt.MaxBytes
	st.NewestTime = moment(j.millis.Load())
	if st.FullSince = moment(j.fullSince.Load()); !st.FullSince.IsZero() {
		if why := j.fullWhy.Load(); why != nil {
			st.FullWhy = why.error
		}
	}
	return st
}

// Room returns how many bytes more the journal takes, as far as MaxBytes goes: what
// is delivered and not given back yet makes room, too. It looks closely only if it
// seems to be less than enough.
func (j *Journal) Room(enough int64) int64 {
	room := j.opt.MaxBytes - j.bytes.Load()
	if room >= enough {
		return room
	}
	needed := j.Needed()
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := 0; i+1 < len(j.segs) && j.segs[i+1].base <= needed; i++ {
		room += j.segs[i].bytes.Load()
	}
	if n := len(j.segs); n > 0 && needed > j.last.Load() {
		room += j.segs[n-1].bytes.Load()
	}
	return room
}

// Needed returns the first record still needed, as a power cut would leave it. What
// is before it may be given back.
func (j *Journal) Needed() uint64 { return j.syncedLow.Load() }

// measure fills in what follows from the segments, the cursor and the last
// sequence.
func measure(segs []*segment, low, last uint64) Stat {
	st := Stat{Segments: len(segs), Low: low, Oldest: last + 1, Newest: last}
	if len(segs) > 0 {
		st.Oldest = segs[0].base
		st.OldestTime = moment(segs[0].millis)
	}
	for i, s := range segs {
		end := last + 1
		if i+1 < len(segs) {
			end = segs[i+1].base
		}
		n := s.bytes.Load()
		st.Bytes += n
		switch {
		case low <= s.base:
			st.Undelivered += n
		case low < end:
			st.Undelivered += int64(float64(n) * float64(end-low) / float64(end-s.base))
		}
	}
	return st
}

// Close syncs and closes the journal. Nothing else may be in progress.
func (j *Journal) Close() error {
	err := j.Sync()
	return errors.Join(err, j.release())
}

// release closes the files and lets go of the lock.
func (j *Journal) release() error {
	var errs []error
	for _, s := range j.segs {
		if s.file != nil {
			errs = append(errs, s.file.Close())
			s.file = nil
		}
	}
	if j.lastFile != nil {
		errs = append(errs, j.lastFile.Close())
	}
	errs = append(errs, j.cursor.close(), j.unlock())
	return errors.Join(errs...)
}
