package journal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"testing"
)

func sum32(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli))
}

// extents returns where each record lies in which file.
type extent struct {
	name       string
	from, upto int
}

func extentsOf(t *testing.T, fs *memFS) map[uint64]extent {
	t.Helper()
	where := map[uint64]extent{}
	for name, d := range fs.files {
		base, ok := parseSegmentName(name)
		if !ok {
			continue
		}
		for at := headLen; at < len(d.now); base++ {
			end := at + frameSize(d.now[at:])
			where[base] = extent{name, at, end}
			at = end
		}
	}
	return where
}

// killed returns a journal of n records in segments of a few, never synced.
func killed(t *testing.T, n int) *memFS {
	t.Helper()
	fs := newMemFS()
	fill(t, mustOpen(t, fs, small), n)
	return fs
}

// closed returns a journal of n records in segments of a few, closed.
func closed(t *testing.T, n int) *memFS {
	t.Helper()
	fs := newMemFS()
	j := mustOpen(t, fs, small)
	fill(t, j, n)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
}

// segmentNames returns the segments of fs in order.
func segmentNames(fs *memFS) (names []string) {
	for name := range fs.files {
		if _, ok := parseSegmentName(name); ok {
			names = append(names, name)
		}
	}
	return slices.Sorted(slices.Values(names))
}

// requireLost opens fs in every way there is and requires that exactly the
// given records are missing out of n, and that the journal goes on behind them.
func requireLost(t *testing.T, fs *memFS, n int, want []uint64) {
	t.Helper()
	v, err := newView(fs)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, v); !slices.Equal(got.missing, want) || len(got.seqs) != n-len(want) {
		t.Fatalf("view: missing %v, want %v", got.missing, want)
	}
	j := mustOpen(t, fs, small)
	r := j.Reader(0)
	if got := read(t, r); !slices.Equal(got.missing, want) || len(got.seqs) != n-len(want) {
		t.Fatalf("missing %v, want %v; recovered %v", got.missing, want, j.Recovered())
	}
	if j.Next() != uint64(n)+1 {
		t.Fatalf("next is %d, want %d", j.Next(), n+1)
	}
	fill(t, j, 3)
	if got := read(t, r); len(got.seqs) != 3 || got.seqs[0] != uint64(n)+1 {
		t.Fatalf("read on: %v, missing %v", got.seqs, got.missing)
	}
	again := mustOpen(t, fs, small)
	if got := read(t, again.Reader(0)); !slices.Equal(got.missing, want) || len(got.seqs) != n-len(want)+3 {
		t.Fatalf("second time: missing %v, want %v", got.missing, want)
	}
}

// TestFlipAnyBit flips every bit of a journal, one at a time, and requires that
// exactly the record it belongs to is missing, and is reported.
func TestFlipAnyBit(t *testing.T) {
	const n = 7
	whole := closed(t, n)
	where := extentsOf(t, whole)
	if len(where) != n || len(segmentNames(whole)) < 3 {
		t.Fatalf("%d records in %d segments", len(where), len(segmentNames(whole)))
	}
	for name, d := range whole.files {
		for at := range d.now {
			var want []uint64
			for seq, e := range where {
				if e.name == name && e.from <= at && at < e.upto {
					want = []uint64{seq}
				}
			}
			for bit := range 8 {
				fs := whole.clone()
				fs.files[name].now[at] ^= 1 << bit
				requireLost(t, fs, n, want)
				if t.Failed() {
					t.Fatalf("%s byte %d bit %d", name, at, bit)
				}
			}
		}
	}
}

// TestCutAnywhere cuts every segment at every byte and requires that exactly
// the records that were not complete before the cut are missing, at a boundary
// too, and also when the writer was killed.
func TestCutAnywhere(t *testing.T) {
	const n = 12
	for _, whole := range []*memFS{closed(t, n), killed(t, n)} {
		where := extentsOf(t, whole)
		for _, name := range segmentNames(whole) {
			for cut := range whole.files[name].now {
				var want []uint64
				for _, seq := range slices.Sorted(maps.Keys(where)) {
					if e := where[seq]; e.name == name && cut < e.upto {
						want = append(want, seq)
					}
				}
				fs := whole.clone()
				fs.files[name].now = fs.files[name].now[:cut]
				requireLost(t, fs, n, want)
				if t.Failed() {
					t.Fatalf("%s cut at %d", name, cut)
				}
			}
		}
	}
}

// TestHoleAnywhere zeroes every stretch of a segment and requires that exactly
// the records it touches are missing.
func TestHoleAnywhere(t *testing.T) {
	const n = 12
	whole := closed(t, n)
	where := extentsOf(t, whole)
	for _, name := range segmentNames(whole) {
		size := len(whole.files[name].now)
		for from := 0; from < size; from += 3 {
			for upto := from + 1; upto <= size; upto += 17 {
				fs := whole.clone()
				b := fs.files[name].now[from:upto]
				clear(b)
				var want []uint64
				for _, seq := range slices.Sorted(maps.Keys(where)) {
					e := where[seq]
					if e.name == name && !slices.Equal(fs.files[name].now[e.from:e.upto], whole.files[name].now[e.from:e.upto]) {
						want = append(want, seq)
					}
				}
				requireLost(t, fs, n, want)
				if t.Failed() {
					t.Fatalf("%s zeroed from %d to %d", name, from, upto)
				}
			}
		}
	}
}

// TestMissingFiles removes every set of files and requires that what is missing
// is known exactly, as long as anything knows it.
func TestMissingFiles(t *testing.T) {
	const n = 12
	whole := closed(t, n)
	where := extentsOf(t, whole)
	names := slices.Sorted(maps.Keys(whole.files))
	for set := range 1 << len(names) {
		fs := whole.clone()
		cursors := 0
		for i, name := range names {
			if set&(1<<i) != 0 {
				delete(fs.files, name)
			} else if slices.Contains(cursorNames[:], name) && !blank(fs.files[name].now) {
				cursors++
			}
		}
		if cursors == 0 {
			requireNoCursor(t, fs)
			continue
		}
		var want []uint64
		for _, seq := range slices.Sorted(maps.Keys(where)) {
			if fs.files[where[seq].name] == nil {
				want = append(want, seq)
			}
		}
		p, _, _, err := readPlace(fs)
		if err != nil {
			t.Fatal(err)
		}
		if fs.files[lastName] == nil && p.last < n && fs.files[where[n].name] == nil {
			continue // nothing that is left knows how many there were
		}
		requireLost(t, fs, n, want)
		if t.Failed() {
			t.Fatalf("files removed: %b of %v", set, names)
		}
	}
}

// requireNoCursor requires that a journal without a cursor says so and begins
// at its oldest record.
func requireNoCursor(t *testing.T, fs *memFS) {
	t.Helper()
	segs := segmentNames(fs)
	_, marked := fs.files[lastName]
	j := mustOpen(t, fs, small)
	said := slices.ContainsFunc(j.Recovered(), func(d Damage) bool { return d.Reason == ReasonNoCursor })
	if said != (len(segs) > 0 || marked) {
		t.Errorf("%d segments, %v: recovered %v", len(segs), marked, j.Recovered())
	}
	if len(segs) > 0 {
		low, _ := j.Cursor()
		if base, _ := parseSegmentName(segs[0]); low != base {
			t.Errorf("cursor at %d, want %d", low, base)
		}
	}
}

// TestForgedFrame puts frames inside records. As long as the record around one
// is whole it is never looked at, and when it is damaged the salt tells.
func TestForgedFrame(t *testing.T) {
	for _, known := range []bool{false, true} {
		fs := newMemFS()
		j := mustOpen(t, fs, Options{SegmentBytes: 1 << 20})
		var salt uint32
		if known {
			salt = j.salt
		}
		var forged []byte
		for seq := range uint64(50) {
			forged = appendFrame(forged, []byte("forged"), seq, 0, salt)
		}
		for range 10 {
			if _, err := j.Append([][]byte{forged}); err != nil {
				t.Fatal(err)
			}
		}
		requireForged(t, fs.clone(), 10, 0)
		for seq := range 10 {
			broken := fs.clone()
			broken.files[segmentName(1)].now[headLen+seq*(len(forged)+frameLen)] ^= 1
			if known {
				// The teeth of this test: whoever knows the salt can forge.
				if n := forgeries(t, broken); n == 0 && seq > 0 {
					t.Errorf("record %d: no forgery with the right salt", seq+1)
				}
				continue
			}
			requireForged(t, broken, 9, 1)
		}
	}
}

func requireForged(t *testing.T, fs *memFS, records, missing int) {
	t.Helper()
	var lost int
	sum, err := verify(fs, func(d *Damage) { lost += int(d.Missing()) })
	if err != nil || int(sum.Records) != records || lost != missing {
		t.Errorf("%d records, %d missing, %v; want %d and %d", sum.Records, lost, err, records, missing)
	}
	if n := forgeries(t, fs); n > 0 {
		t.Errorf("%d forged records were read", n)
	}
}

func forgeries(t *testing.T, fs *memFS) (n int) {
	t.Helper()
	v, err := newView(fs)
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, rec, err := v.Next()
		if _, damaged := err.(*Damage); !damaged && err != nil {
			return n
		}
		if string(rec) == "forged" {
			n++
		}
	}
}

// TestMisplacedFrame writes whole frames where others belong, as a disk that
// mixes up its sectors would, and requires that none is returned out of its
// place or twice.
func TestMisplacedFrame(t *testing.T) {
	const n = 12
	whole := newMemFS()
	j := mustOpen(t, whole, Options{SegmentBytes: 200, KeepDelivered: 1 << 20})
	for range n {
		if _, err := j.Append([][]byte{fmt.Appendf(nil, "%020d", j.Next())}); err != nil {
			t.Fatal(err)
		}
	}
	where := extentsOf(t, whole)
	for from, e := range where {
		for to, g := range where {
			if e.name == g.name && from > to {
				continue // a sequence that could be there, with more missing in front of it
			}
			fs := whole.clone()
			copy(fs.files[g.name].now[g.from:g.upto], whole.files[e.name].now[e.from:e.upto])
			lost := uint64(0)
			sum, err := verify(fs, func(d *Damage) { lost = d.From })
			if want := to; err != nil || from != to && (sum.Records != n-1 || lost != want) {
				t.Errorf("record %d written over %d: %d records left, %d lost, %v", from, to, sum.Records, lost, err)
			}
		}
	}
	names := segmentNames(whole)
	fs := whole.clone()
	end := fs.files[names[len(names)-1]]
	end.now = appendFrame(end.now, []byte("from nowhere"), 1<<40, 0, j.salt)
	if sum, err := verify(fs, func(d *Damage) { t.Error(d) }); err != nil || sum.Records != n {
		t.Errorf("a sequence that cannot be there: %d records, %v", sum.Records, err)
	}
	for seq, next := range where {
		fs := whole.clone()
		first := fs.files[segmentName(1)]
		first.now = append(first.now, whole.files[next.name].now[next.from:next.upto]...)
		if sum, err := verify(fs, func(d *Damage) { t.Error(d) }); err != nil || sum.Records != n {
			t.Errorf("record %d behind the first segment: %d records, %v", seq, sum.Records, err)
		}
	}
}

// TestBadBlocks makes blocks of the medium unreadable and requires that exactly
// the records in them are missing.
func TestBadBlocks(t *testing.T) {
	const n = 3000
	whole := newMemFS()
	j := mustOpen(t, whole, Options{SegmentBytes: 1 << 20})
	fill(t, j, n)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	where := extentsOf(t, whole)
	name := segmentName(1)
	blocks := len(whole.files[name].now)/mediaBlock + 1
	for _, bad := range [][]int{{0}, {1}, {5, 6}, {blocks - 1}, {0, 3, blocks - 2}} {
		fs := whole.clone()
		fs.files[name].bad = map[int]bool{}
		for _, block := range bad {
			fs.files[name].bad[block] = true
		}
		var want []uint64
		for _, seq := range slices.Sorted(maps.Keys(where)) {
			for block := where[seq].from / mediaBlock; block <= (where[seq].upto-1)/mediaBlock; block++ {
				if fs.files[name].bad[block] {
					want = append(want, seq)
					break
				}
			}
		}
		requireLost(t, fs, n, want)
	}
}
