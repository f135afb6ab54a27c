package daemon

import (
	"bytes"
	"sync/atomic"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
)

// maxLine is the longest line of audit.log that is taken: auditd's own limit
// (MAX_AUDIT_MESSAGE_LENGTH) is below 9 KiB, enriched lines are twice as long.
const maxLine = 256 << 10

// lines makes records of lines as auditd writes them.
type lines struct {
	log  *zap.Logger
	recs [][]byte
	text []byte // that recs lie in

	strange uint64 // lines that are no records
}

// split makes records of the lines in text. They are valid until the next call.
// A line that is no record is counted, and said once.
func (l *lines) split(text []byte) [][]byte {
	l.recs, l.text = l.recs[:0], l.text[:0]
	for line := range bytes.Lines(text) {
		rec, err := event.ParseLine(line)
		if err == nil {
			l.add(rec)
			continue
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if l.strange++; l.strange == 1 {
			l.log.Warn("a line is no audit record and is left out", zap.ByteString("line", line[:min(len(line), 200)]))
		}
	}
	return l.recs
}

// add appends a record. Growing moves what comes, not what is there: earlier
// records stay in the old array.
func (l *lines) add(rec event.Line) {
	at := len(l.text)
	l.text = event.AppendRecord(l.text, rec)
	if len(l.text)-at > journal.MaxRecord { // better without what auditd appended than not at all
		rec.Extra = nil
		l.text = event.AppendRecord(l.text[:at], rec)
	}
	l.recs = append(l.recs, l.text[at:len(l.text):len(l.text)])
}

// A waker ends a wait in poll(2), once or for good.
type waker struct {
	fd      int // eventfd
	stopped atomic.Bool
}

func newWaker() (*waker, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return &waker{fd: fd}, err
}

// Wake ends the present wait, or the next.
func (w *waker) Wake() {
	_, _ = unix.Write(w.fd, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // EAGAIN: it is awake already
}

// Stop ends all waits.
func (w *waker) Stop() {
	w.stopped.Store(true)
	w.Wake()
}

// wait returns when fd has something to read, after ms milliseconds (-1: never),
// or when woken.
func (w *waker) wait(fd, ms int) (woken bool, err error) {
	fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(fd), Events: unix.POLLIN}}
	_, err = unix.Poll(fds, ms)
	if err == unix.EINTR {
		return true, nil
	}
	if fds[0].Revents != 0 {
		var n [8]byte
		_, _ = unix.Read(w.fd, n[:]) // EAGAIN: somebody else did
		return true, err
	}
	return false, err
}

func (w *waker) Close() error { return unix.Close(w.fd) }
