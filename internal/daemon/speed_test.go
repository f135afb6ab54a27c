package daemon

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/paths"
	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/ship"
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

	left int // bunches until it is closed
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
	if s.left == 0 {
		return nil, os.ErrClosed
	}
	s.left--
	from, to := s.at, min(s.at+bunch, len(s.recs))
	s.at = to % len(s.recs)
	for i := from; i < to; i++ {
		header := s.recs[i][:2+len("audit(1795491821.043:")]
		strconv.AppendUint(header, s.serials[i], 10) // in place
		s.serials[i] += s.events
	}
	return s.recs[from:to], nil
}

// A replay is a receive loop between such a source and a journal.
type replay struct {
	t        testing.TB
	src      *replaySource
	receiver *receiver
	journal  *journal.Journal
}

func newReplay(t testing.TB, o journal.Options) *replay {
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
	return &replay{t, src, receiverOf(t, src, j, landing), j}
}

// receive runs the loop until the workload has come so many times.
func (r *replay) receive(rounds int) {
	r.src.left = rounds * ((len(r.src.recs) + bunch - 1) / bunch)
	if err := r.receiver.receive(); err != nil {
		r.t.Fatal(err)
	}
}

// TestReceiveAllocatesNothing pins what records cost on their way from the landing
// to the journal, and what the loop does besides. A new segment, which takes a
// few allocations, is not begun meanwhile.
func TestReceiveAllocatesNothing(t *testing.T) {
	r := newReplay(t, journal.Options{SegmentBytes: 64 << 20})
	if n := testing.AllocsPerRun(5, func() { r.receive(2) }); n != 0 {
		t.Errorf("%v allocations for %d records, want 0", n, 2*len(r.src.recs))
	}
}

// An acceptor accepts every event at once.
type acceptor struct{ cursor *cursor }

func (a acceptor) Add(_ context.Context, it ship.Item) error {
	a.cursor.ack(it.Mark)
	return nil
}

// TestDeliverAllocations pins what an event costs from the journal to the shipper:
// nothing, but that the end of a directory, as each ninth event is, makes a place
// and its name, and that the cursor is moved now and then.
func TestDeliverAllocations(t *testing.T) {
	r := newReplay(t, journal.Options{})
	const runs = 5
	r.receive(1 + runs)
	enc := &encode.Encoder{Host: "host", Names: host.NewNames(new(host.MountTable), nil)}
	d := &deliverer{
		mounts: new(host.MountTable),
		stream: newNodeStreams(paths.NewStream(paths.Options{})), reader: r.journal.Reader(1),
		cursor: &cursor{journal: r.journal, failed: func(err error) { t.Error(err) }},
	}
	defer d.reader.Close()
	d.ship = acceptor{d.cursor}
	d.whose = func(uint64) ship.Identity { return ship.Identity{Host: "host"} }
	d.output.Store(&output{encode: enc.AppendJSON, encoder: enc, names: enc.Names})
	n := testing.AllocsPerRun(runs, func() {
		for range r.src.recs {
			if err := d.read(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	if most := r.src.events / 4; n > float64(most) {
		t.Errorf("%v allocations in %d events, want at most %d", n, r.src.events, most)
	}
}

// BenchmarkReceive is the way of a workload's records from the landing to the journal.
func BenchmarkReceive(b *testing.B) {
	r := newReplay(b, journal.Options{MaxBytes: 256 << 20})
	b.ReportAllocs()
	for b.Loop() {
		r.receive(1)
		if err := r.journal.SetCursor(r.journal.Next(), nil); err != nil {
			b.Fatal(err)
		}
	}
	perRound := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	b.ReportMetric(perRound/float64(len(r.src.recs)), "ns/record")
	b.ReportMetric(perRound/float64(r.src.events), "ns/event")
}
