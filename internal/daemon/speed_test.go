package daemon

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/query"
)

// bunch is how many records the kernel hands over at once in a flood.
const bunch = 128

// A replaySource hands over a recorded workload, round and round, without a hole
// in the serials.
type replaySource struct {
	source // none: the receive loop calls nothing but Receive

	recs    [][]byte
	serials []uint64 // of recs
	events  uint64   // in a round
	at      int

	more func() bool // says before each bunch whether there is one
}

func newReplaySource(t testing.TB) *replaySource {
	log, err := query.OpenLog("../event/testdata/truth/debian12-6.18-loadgen.log.gz", query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := new(replaySource)
	for {
		e, err := log.Next()
		if errors.Is(err, io.EOF) {
			return s
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range e.Records {
			s.add(r.Type, r.Text)
		}
		s.add(recordEOE, []byte("audit("+e.ID.String()+"): ")) // which auditd does not log
		s.events++
	}
}

func (s *replaySource) add(typ event.Type, text []byte) {
	s.recs = append(s.recs, slices.Concat(binary.LittleEndian.AppendUint16(nil, uint16(typ)), text))
	s.serials = append(s.serials, 10_000_000+s.events) // of as many digits as the recorded ones, in every round
}

// Receive implements source.
func (s *replaySource) Receive(uint64) ([][]byte, error) {
	if !s.more() {
		return nil, os.ErrClosed
	}
	from, to := s.at, min(s.at+bunch, len(s.recs))
	s.at = to % len(s.recs)
	for i := from; i < to; i++ {
		header := s.recs[i][:typeLen+len("audit(1795491821.043:")]
		strconv.AppendUint(header, s.serials[i], 10) // in place
		s.serials[i] += s.events
	}
	return s.recs[from:to], nil
}

// newReplayReceiver moves a workload to a journal.
func newReplayReceiver(t testing.TB, o journal.Options) (*receiver, *replaySource, *journal.Journal) {
	dir := t.TempDir()
	j, err := journal.Open(filepath.Join(dir, "journal"), o)
	if err != nil {
		t.Fatal(err)
	}
	landing, err := kaudit.OpenLanding(filepath.Join(dir, "landing"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(landing.Close(), j.Close()); err != nil {
			t.Error(err)
		}
	})
	src := newReplaySource(t)
	return receiverOf(t, src, j, landing), src, j
}

// TestReceiveAllocatesNothing pins what records cost on their way from the landing
// to the journal, and what the loop does besides. A new segment, which takes a
// few allocations, is not begun meanwhile.
func TestReceiveAllocatesNothing(t *testing.T) {
	r, src, _ := newReplayReceiver(t, journal.Options{SegmentBytes: 64 << 20})
	left := 0
	src.more = func() bool {
		left--
		return left >= 0
	}
	n := testing.AllocsPerRun(5, func() {
		left = 100
		if err := r.receive(); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations in 100 bunches, want 0", n)
	}
}

// BenchmarkReceive is the way of a bunch of records from the landing to the journal,
// reported per record and per event.
func BenchmarkReceive(b *testing.B) {
	r, src, j := newReplayReceiver(b, journal.Options{MaxBytes: 256 << 20})
	bunches := 0
	src.more = func() bool {
		if bunches++; bunches%100 == 0 {
			if err := j.SetCursor(j.Next(), nil); err != nil {
				b.Fatal(err)
			}
		}
		return b.Loop()
	}
	b.ReportAllocs()
	if err := r.receive(); err != nil {
		b.Fatal(err)
	}
	perRecord := float64(b.Elapsed().Nanoseconds()) / float64(r.records.Load())
	b.ReportMetric(perRecord, "ns/record")
	b.ReportMetric(perRecord*float64(len(src.recs))/float64(src.events), "ns/event")
}
