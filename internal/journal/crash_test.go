package journal

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
)

// A ledger is what a journal has promised so far.
type ledger struct {
	content [][]byte // by sequence, from 1 on; nil if known to be lost
	taken   uint64   // records for which Append returned

	low    uint64 // of the SetCursor that returned last
	moving uint64 // of the one in progress, or low

	syncedTaken, syncedLow uint64 // when Sync returned last
}

func (l *ledger) clone() *ledger {
	c := *l
	c.content = slices.Clone(l.content)
	return &c
}

// check opens what a crash left and requires every promise to be kept. power
// says that it was a power cut rather than a kill.
func (l *ledger) check(t *testing.T, fs *memFS, power bool) *Journal {
	t.Helper()
	j := mustOpen(t, fs, crashOptions)
	low, extra := j.Cursor()
	sure, least := l.taken, l.low
	if power {
		sure, least = l.syncedTaken, l.syncedLow
	}
	if low < least || low > l.moving {
		t.Errorf("cursor at %d, want %d to %d", low, least, l.moving)
	}
	if low > 1 && string(extra) != fmt.Sprint("extra ", low) {
		t.Errorf("cursor at %d with %q", low, extra)
	}
	if j.Next() <= sure {
		t.Errorf("next is %d, but %d records are sure", j.Next(), sure)
	}
	l.checkRecords(t, j.Reader(0), low, j.Next(), sure)
	return j
}

// checkRecords requires that every record from low on is returned or reported
// missing, and those that are sure returned.
func (l *ledger) checkRecords(t *testing.T, r *Reader, low, next, sure uint64) {
	t.Helper()
	defer r.Close()
	want := low
	for {
		seq, rec, err := r.Next()
		var d *Damage
		switch {
		case errors.Is(err, io.EOF):
			if want != next {
				t.Errorf("ended before record %d, want %d", want, next)
			}
			return
		case errors.As(err, &d):
			for ; want <= d.To; want++ {
				if want < d.From || want <= sure && l.content[want-1] != nil {
					t.Errorf("at record %d, %d sure: %v", want, sure, d)
				}
			}
		case err != nil:
			t.Fatal(err)
		case seq != want || seq > uint64(len(l.content)) || string(rec) != string(l.content[seq-1]):
			t.Fatalf("record %d = %q, want %d", seq, rec, want)
		default:
			want++
		}
	}
}

var crashOptions = Options{SegmentBytes: 400, KeepDelivered: 500}

// A driver does random things to a journal and keeps the ledger.
type driver struct {
	*ledger
	t   *testing.T
	rnd *rand.Rand
	fs  *memFS
	j   *Journal
	r   *Reader
	at  uint64 // the reader has had this one
}

func (d *driver) open(fs *memFS) {
	d.fs = fs
	d.j = mustOpen(d.t, fs, crashOptions)
	d.r = d.j.Reader(0)
	low, _ := d.j.Cursor()
	d.low, d.moving, d.at = low, low, low-1
	d.taken = d.j.Next() - 1
	d.mourn()
}

// mourn strikes from the ledger what the last crash has cost.
func (d *driver) mourn() {
	d.content = d.content[:min(d.taken, uint64(len(d.content)))]
	for uint64(len(d.content)) < d.taken {
		d.content = append(d.content, nil)
	}
	for r := d.j.Reader(0); ; {
		_, _, err := r.Next()
		var lost *Damage
		if errors.As(err, &lost) {
			clear(d.content[lost.From-1 : lost.To])
		} else if err != nil {
			return
		}
	}
}

func (d *driver) do() {
	switch n := d.rnd.IntN(10); {
	case n < 5:
		d.append()
	case n < 7:
		d.read()
	case n < 9:
		d.moveCursor()
	default:
		d.sync()
	}
}

func (d *driver) append() {
	var recs [][]byte
	for range 1 + d.rnd.IntN(5) {
		rec := make([]byte, d.rnd.IntN(90))
		for i := range rec {
			rec[i] = byte(d.rnd.IntN(256))
		}
		recs = append(recs, rec)
	}
	d.content = append(d.content, recs...)
	if n, err := d.j.Append(recs); n != len(recs) || err != nil {
		d.t.Fatalf("append: %d, %v", n, err)
	}
	d.taken = d.j.Next() - 1
}

func (d *driver) read() {
	for range d.rnd.IntN(20) {
		seq, _, err := d.r.Next()
		var damage *Damage
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.As(err, &damage):
			d.at = damage.To
		case err != nil:
			d.t.Fatal(err)
		default:
			d.at = seq
		}
	}
}

func (d *driver) moveCursor() {
	if d.at+1 < d.low {
		return
	}
	d.moving = d.low + uint64(d.rnd.Int64N(int64(d.at+2-d.low)))
	if err := d.j.SetCursor(d.moving, []byte(fmt.Sprint("extra ", d.moving))); err != nil {
		d.t.Fatal(err)
	}
	d.low = d.moving
}

func (d *driver) sync() {
	if err := d.j.Sync(); err != nil {
		d.t.Fatal(err)
	}
	d.syncedTaken, d.syncedLow = d.taken, d.low
}

// TestCrashAnywhere crashes a journal in the middle of everything it asks of
// the file system, by a kill and by several power cuts each time, and requires
// its promises to be kept.
func TestCrashAnywhere(t *testing.T) {
	for seed := range uint64(4) {
		d := &driver{ledger: &ledger{syncedLow: 1}, t: t, rnd: rand.New(rand.NewPCG(seed, 1))}
		d.open(newMemFS())
		crashes := 0
		d.fs.step = func() {
			crashes++
			d.clone().check(t, d.fs.clone(), false)
			for range 3 {
				d.clone().check(t, d.fs.powerCut(d.rnd), true)
			}
			if t.Failed() {
				t.Fatalf("seed %d, crash %d", seed, crashes)
			}
		}
		for range 120 {
			d.do()
		}
		if crashes < 150 {
			t.Errorf("only %d crashes", crashes)
		}
	}
}

// TestRestarts lets a journal live through many crashes, one after the other.
func TestRestarts(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		d := &driver{ledger: &ledger{syncedLow: 1}, t: t, rnd: rnd}
		d.open(newMemFS())
		for range 20 {
			for range rnd.IntN(40) {
				d.do()
			}
			fs, power := d.fs.clone(), rnd.IntN(2) == 0
			if power {
				fs = d.fs.powerCut(rnd)
			}
			d.check(t, fs.clone(), power)
			if t.Failed() {
				t.Fatalf("seed %d", seed)
			}
			d.open(fs)
			d.syncedTaken, d.syncedLow = min(d.syncedTaken, d.taken), d.low
			if power {
				d.syncedTaken = d.taken
			}
		}
	}
}
