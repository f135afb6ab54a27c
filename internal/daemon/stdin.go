package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errEnded means that there is nothing more to receive, and no fault in it.
var errEnded = errors.New("the input has ended")

// A piped source reads the lines that auditd hands to a plugin, or any other
// pipe of audit.log lines.
type piped struct {
	*waker
	lines
	fd  int
	buf []byte
	n   int  // bytes of buf in use
	end bool // nothing more will come
}

func openPiped(fd int, l lines) (*piped, error) {
	w, err := newWaker()
	if err != nil {
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	return &piped{waker: w, lines: l, fd: fd, buf: make([]byte, maxLine)}, nil
}

// Receive waits for lines. At the pipe's end it returns errEnded.
func (p *piped) Receive(uint64) ([][]byte, error) {
	if p.stopped.Load() {
		return nil, os.ErrClosed
	}
	if p.end {
		return nil, errEnded
	}
	if woken, err := p.wait(p.fd, -1); woken || err != nil {
		return nil, err
	}
	n, err := unix.Read(p.fd, p.buf[p.n:])
	switch {
	case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	p.n += n
	p.end = n == 0
	return p.whole(), nil
}

// whole takes the whole lines out of the buffer; at the end, and when a line
// does not fit, also what is none.
func (p *piped) whole() [][]byte {
	end := bytes.LastIndexByte(p.buf[:p.n], '\n') + 1
	if p.end || p.n == len(p.buf) && end == 0 {
		end = p.n
	}
	recs := p.split(p.buf[:end])
	p.n = copy(p.buf, p.buf[end:p.n])
	return recs
}
