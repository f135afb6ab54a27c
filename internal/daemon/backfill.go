package daemon

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A backfiller looks in auditd's log for events that the kernel numbered and
// that never came to us. The receive loop owns it; reading files, which may take
// long, has a goroutine of its own.
type backfiller struct {
	path string // of audit.log; those rotated away lie beside it
	wake func() // the receive loop
	log  *zap.Logger
	now  func() time.Time

	searching chan found // what the search under way will find, nil if there is none
	vain      int        // searches since something was found
	next      time.Time  // not before that
	events    uint64     // found for the gap that is due

	taken map[event.ID]bool // found of an absence, see absence.wants
}

// found is what a search found: whole events, by serial.
type found struct {
	recs   [][]byte
	events []event.ID
	vain   bool // nobody has written to the log since
	err    error
}

// auditd may be behind the kernel, so what it has not yet written is looked for
// again.
const (
	searches    = 3
	searchEvery = time.Second
)

// maxBackfill bounds what one search returns, in bytes. What is left over is for
// the next one.
const maxBackfill = 8 << 20

// fill moves what is missing from auditd's log into the journal. It reports true
// while there may be more to find: the gap is to be told later.
func (r *receiver) fill() (more bool, err error) {
	b := r.backfill
	if b == nil {
		return false, nil
	}
	if b.searching != nil {
		select {
		case f := <-b.searching:
			if err := r.take(f); err != nil {
				return false, err
			}
		default:
			return true, nil
		}
	}
	sought := r.account.sought()
	if len(sought) == 0 || b.vain >= searches {
		return false, nil
	}
	if b.now().Before(b.next) {
		return true, nil
	}
	b.search(sought, *r.account.away)
	return true, nil
}

// take puts what a search found into the journal. Only then it has come: a
// process killed in between looks for it again.
func (r *receiver) take(f found) error {
	b := r.backfill
	b.searching = nil
	b.vain++
	b.next = b.now().Add(searchEvery)
	if f.vain {
		b.vain = searches
	}
	if f.err != nil {
		b.log.Warn("auditd's log not read for what is missing", zap.Error(f.err))
	}
	if len(f.events) == 0 {
		return nil
	}
	b.vain, b.next = 0, time.Time{}
	b.events += uint64(len(f.events))
	r.backfilled.Add(uint64(len(f.events)))
	if r.account.away.Boot != 0 {
		if b.taken == nil {
			b.taken = map[event.ID]bool{}
		}
		for _, id := range f.events {
			b.taken[id] = true
		}
	}
	if err := r.append(f.recs); err != nil {
		return err
	}
	r.account.came(f.recs)
	return nil
}

// found is how many events were found for the gap that is due.
func (b *backfiller) found() uint64 {
	if b == nil {
		return 0
	}
	return b.events
}

// finish makes ready for the next gap.
func (b *backfiller) finish() {
	if b != nil {
		b.events, b.vain, b.next, b.taken = 0, 0, time.Time{}, nil
	}
}

// search begins to look for serials. Not even asking when the log was last written to
// is for the receive loop: it may be on a disk that does not answer.
func (b *backfiller) search(all []sought, away absence) {
	since := slices.MinFunc(all, func(x, y sought) int { return x.from.Compare(y.from) }).from
	slices.SortFunc(all, func(x, y sought) int { return cmp.Compare(x.First, y.First) })
	s := &search{sought: all, away: away, taken: maps.Clone(b.taken), since: since, events: map[event.ID]*[][]byte{}}
	result := make(chan found, 1)
	b.searching = result
	go func() {
		st, err := os.Stat(b.path)
		if err != nil || st.ModTime().Before(since) {
			result <- found{vain: true}
		} else {
			err := s.files(b.path)
			recs, events := s.found()
			result <- found{recs: recs, events: events, err: err}
		}
		b.wake()
	}()
}

// A search reads files for records with certain serials, of a certain time:
// serials begin anew with every boot.
type search struct {
	sought []sought // by serial
	away   absence
	taken  map[event.ID]bool
	since  time.Time
	events map[event.ID]*[][]byte
	order  []event.ID // of events
	size   int
}

// files reads the log and what was rotated away meanwhile, the oldest first.
func (s *search) files(path string) error {
	all, err := rotated(path)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range all {
		st, err := os.Stat(name)
		if err == nil && st.ModTime().Before(s.since) {
			continue
		}
		errs = append(errs, s.file(name))
	}
	return errors.Join(errs...)
}

func (s *search) file(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil // rotated meanwhile
	}
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxLine)
	for {
		line, err := in.ReadSlice('\n')
		if err == nil {
			s.line(line)
		}
		switch {
		case errors.Is(err, io.EOF): // a line that is being written is for the next search
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

func (s *search) line(line []byte) {
	i := bytes.Index(line, []byte("audit("))
	if i < 0 {
		return
	}
	id, _, err := event.ParseHeader(line[i:])
	if err != nil || !s.wants(id) {
		return
	}
	l, err := event.ParseLine(line)
	if err != nil {
		return
	}
	if l.Type >= firstDaemon && l.Type <= lastDaemon {
		return
	}
	recs := s.events[id]
	if recs == nil {
		if s.size > maxBackfill {
			return
		}
		recs = new([][]byte)
		s.events[id], s.order = recs, append(s.order, id)
	}
	rec := append(binary.LittleEndian.AppendUint16(nil, uint16(l.Type)), l.Text...)
	*recs = append(*recs, rec)
	s.size += len(rec)
}

// Types of auditd's own records (AUDIT_FIRST_DAEMON, AUDIT_LAST_DAEMON). Their
// serials are of auditd's numbering, not the kernel's.
const (
	firstDaemon event.Type = 1200
	lastDaemon  event.Type = 1299
)

func (s *search) wants(id event.ID) bool {
	if s.away.wants(id) {
		return !s.taken[id]
	}
	if s.away.before(id) {
		return false // serials of the present boot are sought below
	}
	i, ok := slices.BinarySearchFunc(s.sought, id.Serial, func(w sought, serial uint64) int { return cmp.Compare(w.First, serial) })
	if !ok {
		i--
	}
	at := time.UnixMilli(id.UnixMilli())
	return i >= 0 && id.Serial <= s.sought[i].Last && !at.Before(s.sought[i].from) && !at.After(s.sought[i].to)
}

// found returns the events' records, each event's behind each other, in the order
// in which the events began.
func (s *search) found() (recs [][]byte, events []event.ID) {
	slices.SortStableFunc(s.order, func(x, y event.ID) int {
		if c := cmp.Compare(x.UnixMilli(), y.UnixMilli()); c != 0 {
			return c
		}
		return cmp.Compare(x.Serial, y.Serial)
	})
	for _, id := range s.order {
		recs = append(recs, *s.events[id]...)
	}
	return recs, s.order
}
