package journal

import (
	"errors"
	"io"
	"testing"
	"time"
)

func typicalBatch() [][]byte {
	batch := make([][]byte, 64)
	for i := range batch {
		batch[i] = make([]byte, 200+i*2) // about 270 on average
	}
	return batch
}

// TestAllocations pins what a record costs the garbage collector: nothing.
func TestAllocations(t *testing.T) {
	j, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	batch := typicalBatch()
	r := j.Reader(0)
	n := testing.AllocsPerRun(200, func() {
		if _, err := j.Append(batch); err != nil {
			t.Fatal(err)
		}
		for range batch {
			if _, _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("a batch costs %v allocations, want 0", n)
	}
	if err := errors.Join(r.Close(), j.Close()); err != nil {
		t.Error(err)
	}
}

// BenchmarkAppendRead is the way of a batch of records through the journal,
// reported per record.
func BenchmarkAppendRead(b *testing.B) {
	j, err := Open(b.TempDir(), Options{MaxBytes: 256 << 20})
	if err != nil {
		b.Fatal(err)
	}
	batch := typicalBatch()
	r := j.Reader(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := j.Append(batch); err != nil {
			b.Fatal(err)
		}
		for range batch {
			if _, _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
		}
		if i%100 == 0 {
			if err := j.SetCursor(j.Next(), nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/record")
	if err := errors.Join(r.Close(), j.Close()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 7, 64} {
		b.Run(map[int]string{1: "1", 7: "7", 64: "64"}[size], func(b *testing.B) {
			j, err := Open(b.TempDir(), Options{MaxBytes: 256 << 20})
			if err != nil {
				b.Fatal(err)
			}
			batch := typicalBatch()[:size]
			for i := 0; b.Loop(); i++ {
				if _, err := j.Append(batch); err != nil {
					b.Fatal(err)
				}
				if i%100 == 0 {
					if err := j.SetCursor(j.Next(), nil); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/record")
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkSetCursor moves the cursor without giving anything back.
func BenchmarkSetCursor(b *testing.B) {
	j, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	extra := make([]byte, 200)
	for b.Loop() {
		if err := j.SetCursor(1, extra); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpen opens a journal of 1 GiB of which nothing is delivered.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	j, err := Open(dir, Options{MaxBytes: 2 << 30})
	if err != nil {
		b.Fatal(err)
	}
	batch := typicalBatch()
	for j.Stat().Bytes < 1<<30 {
		if _, err := j.Append(batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	var worst time.Duration
	for b.Loop() {
		start := time.Now()
		j, err := Open(dir, Options{MaxBytes: 2 << 30})
		if err != nil {
			b.Fatal(err)
		}
		worst = max(worst, time.Since(start))
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(worst.Milliseconds()), "worst-ms")
}
