package daemon

import (
	"os"
	"slices"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// A tightJournal is full for its first append.
type tightJournal struct {
	memoryJournal
	full int
}

func (j *tightJournal) Append(recs [][]byte) (int, error) {
	if j.full > 0 {
		j.full--
		return 0, journal.ErrFull
	}
	return j.memoryJournal.Append(recs)
}

// A scriptedSource gives the results of Receive one after the other, and looks at
// which sequence the records of each would get.
type scriptedSource struct {
	source
	turns []func() ([][]byte, error)
	bases []uint64
}

func (s *scriptedSource) Receive(base uint64) ([][]byte, error) {
	s.bases = append(s.bases, base)
	if len(s.turns) == 0 {
		return nil, os.ErrClosed
	}
	turn := s.turns[0]
	s.turns = s.turns[1:]
	return turn()
}

// TestSeamOfOverrun has the socket overrun: the seam comes before the next records, and
// never between those in the landing and their sequences, which a kill would lose.
func TestSeamOfOverrun(t *testing.T) {
	w := newBackfillWorld(t)
	full := &tightJournal{full: 1}
	w.r.journal = full
	record := func() ([][]byte, error) { return [][]byte{[]byte("\x14\x05audit(1.000:1): ")}, nil }
	src := &scriptedSource{turns: []func() ([][]byte, error){
		func() ([][]byte, error) { return nil, kaudit.ErrOverrun }, record, record,
	}}
	w.r.src = src
	if err := w.r.receive(); err != nil {
		t.Fatal(err)
	}
	var types []event.Type
	for _, rec := range full.recs {
		typ, _ := splitRecord([]byte(rec))
		types = append(types, typ)
	}
	if want := []event.Type{event.TypeSeam, recordSyscall, recordSyscall}; len(types) < 3 || !slices.Equal(types[:3], want) {
		t.Errorf("journal has %v, want %v first", types, want)
	}
	if want := []uint64{1, 2, 3, 4}; !slices.Equal(src.bases, want) {
		t.Errorf("records were to get the sequences %v, want %v", src.bases, want)
	}
}
