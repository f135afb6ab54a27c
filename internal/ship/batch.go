package ship

import (
	"cmp"
	"slices"
	"time"
)

// Limits of PutLogEvents, from its API reference.
const (
	MaxBatchBytes  = 1 << 20
	EventOverhead  = 26 // charged for each event, besides its UTF-8 bytes
	MaxBatchEvents = 10_000
	MaxBatchSpan   = 24 * time.Hour
	MaxLineBytes   = MaxBatchBytes - EventOverhead
)

// An Item is one log event.
type Item struct {
	Millis int64  // its time, milliseconds since 1970
	Serial uint64 // orders items of the same time
	Line   []byte // its text
	Mark   uint64 // the caller's, rising; acknowledged when all up to it is safe

	From Identity // whose it is; zero: this host's
}

// A Batch is items that CloudWatch Logs accepts in one call. It copies what is
// added, and keeps its memory for the next batch.
type Batch struct {
	text  []byte
	items []packed
	low   int64 // earliest and latest time
	high  int64
	mark  uint64
	from  Identity // of all items
	order uint64   // of being sent, from 1
}

// A packed is an item without its mark; its line is text[off:end].
type packed struct {
	millis   int64
	serial   uint64
	off, end uint32
}

// Add takes it and reports whether it fits. Its line must be valid UTF-8 of 1
// to MaxLineBytes bytes, of which an empty batch takes any.
func (b *Batch) Add(it Item) bool {
	low, high := it.Millis, it.Millis
	if len(b.items) > 0 {
		low, high = min(low, b.low), max(high, b.high)
	}
	full := len(b.items) == MaxBatchEvents || len(b.items) > 0 && it.From != b.from ||
		b.Bytes()+len(it.Line)+EventOverhead > MaxBatchBytes ||
		high-low >= MaxBatchSpan.Milliseconds()
	if full {
		return false
	}
	off := len(b.text)
	b.text = append(b.text, it.Line...)
	b.items = append(b.items, packed{it.Millis, it.Serial, uint32(off), uint32(len(b.text))})
	b.low, b.high, b.mark, b.from = low, high, it.Mark, it.From
	return true
}

// Len returns the number of items.
func (b *Batch) Len() int { return len(b.items) }

// Bytes returns what the service will count for the batch.
func (b *Batch) Bytes() int { return len(b.text) + len(b.items)*EventOverhead }

// Item returns item i: in the order of adding, or of time once sorted. Its Mark
// is not kept; its Line is the batch's own.
func (b *Batch) Item(i int) Item {
	return Item{Millis: b.items[i].millis, Serial: b.items[i].serial, Line: b.line(i), From: b.from}
}

func (b *Batch) line(i int) []byte {
	p := &b.items[i]
	return b.text[p.off:p.end:p.end]
}

// size returns the bytes of the lines of items i to j.
func (b *Batch) size(i, j int) (n int) {
	for _, p := range b.items[i:j] {
		n += int(p.end - p.off)
	}
	return n
}

// sort puts the items in chronological order, as the service demands. Most
// batches are in order already.
func (b *Batch) sort() {
	earlier := func(x, y packed) int {
		if x.millis == y.millis {
			return cmp.Compare(x.serial, y.serial)
		}
		return cmp.Compare(x.millis, y.millis)
	}
	if !slices.IsSortedFunc(b.items, earlier) {
		slices.SortStableFunc(b.items, earlier)
	}
}

func (b *Batch) reset() { *b = Batch{text: b.text[:0], items: b.items[:0]} }
