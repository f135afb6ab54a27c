package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mustOpen opens a journal that is closed with the test.
func mustOpen(t testing.TB, fs filer, o Options) *Journal {
	t.Helper()
	o.fs = fs
	j, err := Open("mem", o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// small makes segments of a few records each.
var small = Options{SegmentBytes: 160, KeepDelivered: 1 << 20}

// record is what the tests append with a sequence: its length varies, and it
// says which it is.
func record(seq uint64) []byte {
	return fmt.Appendf(nil, "%d:%s", seq, strings.Repeat("x", int(seq*7%31)))
}

// fill appends n records, one by one.
func fill(t testing.TB, j *Journal, n int) {
	t.Helper()
	for range n {
		if _, err := j.Append([][]byte{record(j.Next())}); err != nil {
			t.Fatal(err)
		}
	}
}

// A reading is what came out of a journal until its end.
type reading struct {
	seqs    []uint64
	missing []uint64
	damages []*Damage
}

type nexter interface {
	Next() (uint64, []byte, error)
}

// read reads to the end and requires that what comes is in order and is what
// record made, and that the damages fill exactly the holes.
func read(t testing.TB, r nexter) (got reading) {
	t.Helper()
	var at uint64
	for {
		seq, rec, err := r.Next()
		var d *Damage
		switch {
		case errors.Is(err, io.EOF):
			return got
		case errors.As(err, &d):
			if d.Missing() == 0 || at != 0 && d.From != at+1 {
				t.Fatalf("after record %d: %v", at, d)
			}
			for seq := d.From; seq <= d.To; seq++ {
				got.missing = append(got.missing, seq)
			}
			got.damages = append(got.damages, d)
			at = d.To
		case err != nil:
			t.Fatal(err)
		case at != 0 && seq != at+1:
			t.Fatalf("record %d follows %d", seq, at)
		case !bytes.Equal(rec, record(seq)):
			t.Fatalf("record %d = %q, want %q", seq, rec, record(seq))
		default:
			got.seqs = append(got.seqs, seq)
			at = seq
		}
	}
}

func TestAppendReadReopen(t *testing.T) {
	dir := t.TempDir()
	o := Options{SegmentBytes: 4096}
	for round := range 3 {
		j, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(j.Recovered()) > 0 {
			t.Errorf("round %d: recovered %v", round, j.Recovered())
		}
		r := j.Reader(0)
		if n := len(read(t, r).seqs); n != round*200 {
			t.Errorf("round %d: read %d records, want %d", round, n, round*200)
		}
		fill(t, j, 200)
		if got := read(t, r); len(got.seqs) != 200 || len(got.missing) > 0 {
			t.Errorf("round %d: read %d more and %d missing, want 200 and none", round, len(got.seqs), len(got.missing))
		}
		if err := errors.Join(r.Close(), j.Close()); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := Verify(dir, func(d *Damage) { t.Error(d) })
	if err != nil || sum.Records != 600 || sum.Oldest != 1 || sum.Newest != 600 {
		t.Errorf("verify: %+v, %v", sum, err)
	}
	requireModes(t, dir)
}

// TestLatest reads the end of the journal, from the middle of whatever record is there.
func TestLatest(t *testing.T) {
	for _, o := range []Options{{}, small} {
		j := mustOpen(t, newMemFS(), o)
		for n := range uint64(60) {
			for _, room := range []int64{0, 1, 23, 24, 100, 1 << 20} {
				var got [][]byte
				if err := j.Latest(room, func(rec []byte) { got = append(got, bytes.Clone(rec)) }); err != nil {
					t.Fatal(err)
				}
				size := int64(0)
				for i, rec := range got {
					size += frameLen + int64(len(rec))
					if seq := n - uint64(len(got)-1-i); !bytes.Equal(rec, record(seq)) {
						t.Fatalf("%d records, of %d bytes the one at %d is %q, want %q", n, room, i, rec, record(seq))
					}
				}
				if size > room || o.SegmentBytes == 0 && room == 1<<20 && len(got) != int(n) {
					t.Fatalf("%d records: %d of them in %d bytes", n, len(got), room)
				}
			}
			fill(t, j, 1)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func requireModes(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, fi.Mode())
		}
	}
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	j, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("second Open: %v, want ErrLocked that names process %d", err, os.Getpid())
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j, err = Open(dir, Options{})
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCursor(t *testing.T) {
	fs := newMemFS()
	j := mustOpen(t, fs, small)
	fill(t, j, 20)
	for low := uint64(2); low <= 21; low++ {
		if err := j.SetCursor(low, []byte(fmt.Sprint("extra ", low))); err != nil {
			t.Fatal(err)
		}
		again := mustOpen(t, fs.clone(), small)
		if got, extra := again.Cursor(); got != low || string(extra) != fmt.Sprint("extra ", low) {
			t.Fatalf("cursor = %d %q, want %d", got, extra, low)
		}
		if got := read(t, again.Reader(0)); len(got.seqs) != 21-int(low) || len(got.missing) > 0 {
			t.Fatalf("cursor %d: read %v, missing %v", low, got.seqs, got.missing)
		}
	}
	if err := j.SetCursor(20, nil); err == nil {
		t.Error("the cursor went back")
	}
	if err := j.SetCursor(22, nil); err == nil {
		t.Error("the cursor went beyond the end")
	}
}

// TestKeepDelivered requires that delivered segments go, but for the history
// that is to be kept.
func TestKeepDelivered(t *testing.T) {
	for _, keep := range []int64{0, 500, 1 << 20} {
		fs := newMemFS()
		j := mustOpen(t, fs, Options{SegmentBytes: 160, KeepDelivered: keep})
		fill(t, j, 100)
		all := j.Stat().Bytes
		if err := j.SetCursor(101, nil); err != nil {
			t.Fatal(err)
		}
		st := j.Stat()
		least, most := min(keep, all), min(keep+2*400, all)
		if st.Bytes < least || st.Bytes > most || st.Undelivered != 0 || st.Low != 101 {
			t.Errorf("keep %d: %d of %d bytes left, want %d to %d: %+v", keep, st.Bytes, all, least, most, st)
		}
		v, err := newView(fs)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, v); len(got.missing) > 0 || got.seqs[0] != st.Oldest {
			t.Errorf("keep %d: view reads from %d with %d missing, want from %d", keep, got.seqs[0], len(got.missing), st.Oldest)
		}
	}
}

// TestFull requires that a full journal keeps the earliest, refuses whole
// records, gives history back first, and recovers.
func TestFull(t *testing.T) {
	j := mustOpen(t, newMemFS(), Options{MaxBytes: 2000, SegmentBytes: 300, KeepDelivered: 1 << 20})
	batch := func() (recs [][]byte) {
		for i := range uint64(7) {
			recs = append(recs, record(j.Next()+i))
		}
		return recs
	}
	var took int
	for {
		n, err := j.Append(batch())
		took += n
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	st := j.Stat()
	if st.Bytes > 2000 || st.Bytes < 1900 || st.FullSince.IsZero() {
		t.Errorf("full at %+v", st)
	}
	if n, err := j.Append([][]byte{{}}); n != 0 || !errors.Is(err, ErrFull) {
		t.Errorf("a full journal took %d records, %v", n, err)
	}
	if got := read(t, j.Reader(0)); len(got.seqs) != took || len(got.missing) > 0 {
		t.Errorf("read %d, missing %v, want %d", len(got.seqs), got.missing, took)
	}

	if err := j.SetCursor(uint64(took)+1, nil); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if n, err := j.Append(batch()); n != 7 || err != nil {
			t.Fatalf("with room: %d, %v", n, err)
		}
		if err := j.SetCursor(j.Next(), nil); err != nil {
			t.Fatal(err)
		}
		if err := j.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if st := j.Stat(); !st.FullSince.IsZero() || st.Bytes > 2000 {
		t.Errorf("afterwards %+v", st)
	}
}

// TestTooLong requires that one record too long costs only itself.
func TestTooLong(t *testing.T) {
	j := mustOpen(t, newMemFS(), Options{})
	n, err := j.Append([][]byte{[]byte("a"), make([]byte, MaxRecord+1), []byte("b")})
	if n != 1 || !errors.Is(err, ErrTooLong) {
		t.Errorf("Append = %d, %v", n, err)
	}
	if n, err = j.Append([][]byte{make([]byte, MaxRecord)}); n != 1 || err != nil {
		t.Errorf("Append = %d, %v", n, err)
	}
	r := j.Reader(0)
	for _, want := range []int{1, MaxRecord} {
		if _, rec, err := r.Next(); err != nil || len(rec) != want {
			t.Errorf("read %d bytes, %v, want %d", len(rec), err, want)
		}
	}
}

// TestTimes requires that records know when they were appended, and that a
// View finds its way by time even when the clock was set back.
func TestTimes(t *testing.T) {
	fs := newMemFS()
	now := time.UnixMilli(1_000_000_000_000)
	o := small
	o.now = func() time.Time { return now }
	j := mustOpen(t, fs, o)
	var times []time.Time
	for i := range 60 {
		step := time.Second
		if i == 30 {
			step = -20 * time.Second
		}
		now = now.Add(step)
		times = append(times, now)
		fill(t, j, 1)
	}
	v, err := newView(fs)
	if err != nil {
		t.Fatal(err)
	}
	skipped := 0
	for i, at := range times {
		if err := v.SeekTime(at); err != nil {
			t.Fatal(err)
		}
		first, _, err := v.Next()
		if err != nil {
			t.Fatal(err)
		}
		skipped += int(first) - 1
		for k, other := range times[:first-1] {
			if !other.Before(at) {
				t.Errorf("seek to time %d begins at %d and skips %d", i, first, k+1)
			}
		}
		if !v.Time().Equal(times[first-1]) {
			t.Errorf("record %d has time %v, want %v", first, v.Time(), times[first-1])
		}
	}
	if skipped < 500 {
		t.Errorf("skipped only %d records", skipped)
	}
}

// TestNewerVersion requires that a journal of a later format is left alone.
func TestNewerVersion(t *testing.T) {
	fs := newMemFS()
	j := mustOpen(t, fs, small)
	fill(t, j, 3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	b := fs.files[segmentName(1)].now
	b[8] = formatVersion + 1
	copy(b[44:], sum32(b[:44]))
	if _, err := Open("mem", Options{fs: fs}); !errors.Is(err, ErrVersion) {
		t.Errorf("Open: %v", err)
	}
}

// TestMissingDirectory requires that a reader does not make one.
func TestMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	if _, err := OpenReadOnly(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenReadOnly: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory: %v", err)
	}
}
