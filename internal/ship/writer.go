package ship

import (
	"context"
	"io"
)

// A Writer is a Putter that writes lines, for a first try without AWS.
type Writer struct {
	W   io.Writer
	buf []byte
}

// Put implements Putter. Concurrency must be 1.
func (w *Writer) Put(_ context.Context, b *Batch, i, j int) ([]Rejected, error) {
	w.buf = w.buf[:0]
	for ; i < j; i++ {
		w.buf = append(append(w.buf, b.Item(i).Line...), '\n')
	}
	_, err := w.W.Write(w.buf)
	return nil, err
}
