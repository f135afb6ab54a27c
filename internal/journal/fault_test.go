package journal

import (
	"errors"
	"syscall"
	"testing"
	"time"
)

// TestWriteFails makes the medium fail after every number of bytes and requires
// that what Append said it took is there, and what it did not take is not.
func TestWriteFails(t *testing.T) {
	for _, noCut := range []bool{false, true} {
		for after := int64(1); after < 900; after += 3 {
			fs := newMemFS()
			j := mustOpen(t, fs, small)
			r := j.Reader(0)
			fill(t, j, 5)
			fs.failAfter, fs.noCut = after, noCut
			for range 12 {
				batch := [][]byte{record(j.Next()), record(j.Next() + 1), record(j.Next() + 2)}
				n, err := j.Append(batch)
				if (err == nil) != (n == len(batch)) || err != nil && !errors.Is(err, syscall.EIO) {
					t.Fatalf("after %d bytes: Append = %d, %v", after, n, err)
				}
				if err != nil {
					fs.failAfter, fs.noCut = 0, false
				}
			}
			if err := j.Sync(); err != nil && fs.failAfter == 0 && !errors.Is(err, syscall.EIO) {
				t.Fatalf("after %d bytes: Sync: %v", after, err)
			}
			fs.failAfter, fs.noCut = 0, false
			taken := int(j.Next()) - 1
			if got := read(t, r); len(got.seqs) != taken || len(got.missing) > 0 {
				t.Fatalf("after %d bytes: read %d of %d, missing %v", after, len(got.seqs), taken, got.missing)
			}
			requireLost(t, fs, taken, nil)
		}
	}
}

// TestDiskFull fills a small disk at every size and requires that the earliest
// records are kept, every one that was taken is there, none is there twice, the
// cursor can be moved all the same, and that this makes room.
func TestDiskFull(t *testing.T) {
	const before = 3 * cursorRoom // what goes to the cursor
	for room := int64(before - 50); room < before+2500; room += 13 {
		fs := newMemFS()
		fs.room = room
		now := time.UnixMilli(1e12)
		j := mustOpen(t, fs, Options{SegmentBytes: 300, now: func() time.Time { return now }})
		r := j.Reader(0)
		refused := 0
		for range 60 {
			now = now.Add(time.Second)
			n, err := j.Append([][]byte{record(j.Next()), record(j.Next() + 1)})
			if err != nil && !errors.Is(err, ErrFull) {
				t.Fatalf("room %d: %v", room, err)
			}
			refused += 2 - n
		}
		taken := int(j.Next()) - 1
		if taken+refused != 120 || refused == 0 {
			t.Fatalf("room %d: %d taken, %d refused", room, taken, refused)
		}
		if got := read(t, r); len(got.seqs) != taken || len(got.missing) > 0 {
			t.Fatalf("room %d: read %d of %d, missing %v", room, len(got.seqs), taken, got.missing)
		}
		again := mustOpen(t, fs.clone(), Options{SegmentBytes: 300})
		if got := read(t, again.Reader(0)); len(got.seqs) != taken || len(got.missing) > 0 || int(again.Next()) != taken+1 {
			t.Fatalf("room %d: read %d of %d again, missing %v", room, len(got.seqs), taken, got.missing)
		}
		if taken == 0 {
			if room > before+lastLen+headLen+2*frameLen {
				t.Fatalf("room %d: nothing was taken", room)
			}
			continue
		}
		if err := errors.Join(j.SetCursor(j.Next(), nil), j.Sync()); err != nil {
			t.Fatalf("room %d: %v", room, err)
		}
		now = now.Add(time.Second)
		if n, err := j.Append([][]byte{nil}); n != 1 || err != nil {
			t.Fatalf("room %d, all delivered: Append = %d, %v; %+v", room, n, err, j.Stat())
		}
	}
}

// TestFullDiskAtStart requires that a journal opens on a disk without a byte to
// spare, refuses, and begins to work when there is room.
func TestFullDiskAtStart(t *testing.T) {
	fs := newMemFS()
	fs.room = 1
	now := time.UnixMilli(1e12)
	j := mustOpen(t, fs, Options{now: func() time.Time { return now }})
	for range 3 {
		if n, err := j.Append([][]byte{[]byte("x")}); n != 0 || !errors.Is(err, ErrFull) {
			t.Fatalf("Append = %d, %v", n, err)
		}
		if err := j.Sync(); err != nil {
			t.Errorf("Sync: %v", err)
		}
	}
	if j.Stat().FullSince.IsZero() {
		t.Error("not said to be full")
	}
	fs.room = 0
	now = now.Add(time.Second)
	fill(t, j, 10)
	if err := errors.Join(j.SetCursor(4, nil), j.Sync()); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, fs.clone(), Options{})
	if got := read(t, again.Reader(0)); len(got.seqs) != 7 || len(again.Recovered()) > 0 {
		t.Errorf("read %v, recovered %v", got.seqs, again.Recovered())
	}
}

// TestCursorNeedsRoom requires that the cursor can be moved on a full disk that
// writes nothing in place, as long as that leaves a segment behind.
func TestCursorNeedsRoom(t *testing.T) {
	fs := newMemFS()
	j := mustOpen(t, fs, Options{SegmentBytes: 300, KeepDelivered: 1 << 20})
	fill(t, j, 50)
	fs.room, fs.copies = fs.used(), true
	if err := j.SetCursor(2, nil); !isFull(err) {
		t.Errorf("without a segment to give back: %v", err)
	}
	if err := j.SetCursor(30, nil); err != nil {
		t.Error(err)
	}
	again := mustOpen(t, fs.clone(), Options{})
	if got := read(t, again.Reader(0)); len(got.seqs) != 21 || len(got.missing) > 0 {
		t.Errorf("read %v, missing %v", got.seqs, got.missing)
	}
}
