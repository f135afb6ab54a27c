package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// numbered returns a record that is told apart by its sequence and is of
// varying length.
func numbered(buf []byte, seq uint64) []byte {
	buf = binary.LittleEndian.AppendUint64(buf[:0], seq)
	return buf[:8+seq%300]
}

// TestEverybodyAtOnce has one append, one read and deliver, one sync, one watch
// from outside and one ask, on real files that come and go all the while. More
// journals than processors make for odd moments.
func TestEverybodyAtOnce(t *testing.T) {
	for i := range 6 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			everybodyAtOnce(t, 40_000)
		})
	}
}

func everybodyAtOnce(t *testing.T, records uint64) {
	dir := t.TempDir()
	j, err := Open(dir, Options{SegmentBytes: 64 << 10, MaxBytes: 1 << 20, KeepDelivered: 128 << 10})
	if err != nil {
		t.Fatal(err)
	}
	ctx, done := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var refused atomic.Int64
	wg.Go(func() { watch(t, dir, records) })
	wg.Go(func() {
		for ctx.Err() == nil {
			if err := j.Sync(); err != nil {
				t.Error(err)
				return
			}
			if st := j.Stat(); st.Bytes > 1<<20 || st.Newest+1 < st.Low {
				t.Errorf("%+v", st)
				return
			}
		}
	})
	wg.Go(func() {
		defer done()
		deliverAll(t, j, records)
	})
	appendAll(t, j, records, &refused)
	wg.Wait()
	t.Logf("refused %d times", refused.Load())
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// appendAll appends records in batches of every size, again when refused.
func appendAll(t *testing.T, j *Journal, records uint64, refused *atomic.Int64) {
	var bufs [64][512]byte
	var recs [][]byte
	for j.Next() <= records {
		recs = recs[:0]
		for i := range min(j.Next()%64+1, records+1-j.Next()) {
			recs = append(recs, numbered(bufs[i][:], j.Next()+i))
		}
		if _, err := j.Append(recs); errors.Is(err, ErrFull) {
			refused.Add(1)
		} else if err != nil {
			t.Error(err)
			return
		}
	}
}

// deliverAll reads all records and moves the cursor behind them.
func deliverAll(t *testing.T, j *Journal, records uint64) {
	r := j.Reader(0)
	defer r.Close()
	for want := uint64(1); want <= records; {
		seq, rec, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := j.SetCursor(want, nil); err != nil {
				t.Error(err)
			}
			<-j.C()
			continue
		case err != nil || seq != want || binary.LittleEndian.Uint64(rec) != seq || len(rec) != int(8+seq%300):
			t.Errorf("record %d of %d bytes, %v, want %d", seq, len(rec), err, want)
			return
		}
		want++
		if want%500 == 0 {
			if err := j.SetCursor(want, nil); err != nil {
				t.Error(err)
			}
		}
	}
}

// watch follows from outside. What was given back too early for it may be
// skipped, but nothing may be called damaged.
func watch(t *testing.T, dir string, records uint64) {
	v, err := OpenReadOnly(dir)
	if err != nil {
		t.Error(err)
		return
	}
	defer v.Close()
	for last := uint64(0); last < records; {
		seq, rec, err := v.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := v.Wait(t.Context()); err != nil {
				t.Error(err)
				return
			}
			continue
		case err != nil || seq <= last || binary.LittleEndian.Uint64(rec) != seq:
			t.Errorf("view: record %d behind %d, %v", seq, last, err)
			return
		}
		last = seq
	}
}

// TestViewSeesHalves looks from outside in the middle of every change, and
// requires that records come when they are whole, and nothing is called damaged.
func TestViewSeesHalves(t *testing.T) {
	fs := newMemFS()
	j := mustOpen(t, fs, small)
	fill(t, j, 1)
	v, err := newView(fs)
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	look := func() {
		r := read(t, v)
		got = append(got, r.seqs...)
		if len(r.missing) > 0 {
			t.Fatalf("%d is missing", r.missing)
		}
	}
	fs.step = look
	for range 50 {
		fill(t, j, 1)
		look()
		if len(got) != int(j.Next())-1 {
			t.Fatalf("%d records seen, want %d", len(got), j.Next()-1)
		}
		if err := errors.Join(j.SetCursor(j.Next(), nil), j.Sync()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSmallTmpfs fills a real file system of 4 MiB with the default options.
func TestSmallTmpfs(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("cannot mount a tmpfs: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	j, err := Open(dir+"/journal", Options{KeepDelivered: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r := j.Reader(0)
	rec := make([]byte, 270)
	batch := make([][]byte, 64)
	for i := range batch {
		batch[i] = rec
	}
	for range 3 {
		taken, err := 0, error(nil)
		for n := 0; err == nil; taken += n {
			n, err = j.Append(batch)
		}
		if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		if taken < 10_000 {
			t.Errorf("took %d records until full", taken)
		}
		got := 0
		for err = nil; err == nil; got++ {
			_, _, err = r.Next()
		}
		if got--; got != taken || !errors.Is(err, io.EOF) {
			t.Errorf("read %d of %d: %v", got, taken, err)
		}
		if err := errors.Join(j.SetCursor(j.Next(), nil), j.Sync()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/ballast", make([]byte, 4<<20), 0o600); err == nil {
		t.Error("the disk is not full")
	}
	j, err = Open(dir+"/journal", Options{})
	if err != nil {
		t.Fatalf("on a full disk: %v", err)
	}
	if len(j.Recovered()) > 0 {
		t.Errorf("recovered %v", j.Recovered())
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
