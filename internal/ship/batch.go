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
	Line   []byte // its text
	Mark   uint64 // the caller's, rising; acknowledged when all up to it is safe
}

// A Batch is items that CloudWatch Logs accepts in one call. It copies what is
// added, and keeps its memory when it is reset.
type Batch struct {
	text  []byte
	items []packed
	low   int64 // earliest and latest time
	high  int64
	mark  uint64
	born  time.Time // when the first item was added
	order uint64    // of being sealed
}

type packed struct {
	millis   int64
	off, end int
}

// Add takes it and reports whether it fits. An empty batch takes any item.
func (b *Batch) Add(it Item) bool {
	low, high := it.Millis, it.Millis
	if len(b.items) > 0 {
		low, high = min(low, b.low), max(high, b.high)
		full := len(b.items) == MaxBatchEvents ||
			b.Bytes()+len(it.Line)+EventOverhead > MaxBatchBytes ||
			high-low >= MaxBatchSpan.Milliseconds()
		if full {
			return false
		}
	}
	off := len(b.text)
	b.text = append(b.text, it.Line...)
	b.items = append(b.items, packed{it.Millis, off, len(b.text)})
	b.low, b.high, b.mark = low, high, it.Mark
	return true
}

// Len returns the number of items.
func (b *Batch) Len() int { return len(b.items) }

// Bytes returns what the service will count for the batch.
func (b *Batch) Bytes() int { return len(b.text) + len(b.items)*EventOverhead }

// Item returns item i: in the order of adding, or of time once sorted. Its Mark
// is not kept.
func (b *Batch) Item(i int) Item {
	p := b.items[i]
	return Item{Millis: p.millis, Line: b.text[p.off:p.end]}
}

// sort puts the items in chronological order, as the service demands; those of
// one moment keep theirs.
func (b *Batch) sort() {
	slices.SortStableFunc(b.items, func(x, y packed) int { return cmp.Compare(x.millis, y.millis) })
}

// reset empties the batch. One that grew beyond what is usual gives its memory
// back.
func (b *Batch) reset() {
	text, items := b.text[:0], b.items[:0]
	*b = Batch{text: text, items: items}
}
