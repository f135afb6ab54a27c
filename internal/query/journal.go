package query

import (
	"bytes"
	"errors"
	"io"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
)

// OpenJournal reads the journal in dir, which a daemon may be writing: all
// that it still holds, delivered or not, up to what there is now.
func OpenJournal(dir string, opt Options) (Source, error) {
	v, err := journal.OpenReadOnly(dir)
	if err != nil {
		return nil, err
	}
	if !opt.From.IsZero() {
		if err := v.SeekTime(opt.From); err != nil {
			return nil, errors.Join(err, v.Close())
		}
	}
	s := newStream(&journalReader{view: v, opt: opt}, opt)
	// After a kill or a power cut the journal may have the last records twice.
	s.seen, s.asm.unique = newSeen(), true
	return s, nil
}

// A journalReader makes lines of what a journal holds.
type journalReader struct {
	view *journal.View
	opt  Options
	buf  []byte
}

// Close implements io.Closer.
func (r *journalReader) Close() error { return r.view.Close() }

func (r *journalReader) next(l *line) error {
	for {
		seq, rec, err := r.view.Next()
		if _, damaged := errors.AsType[*journal.Damage](err); damaged {
			continue // the daemon that met it has put a gap into the journal
		}
		if err != nil {
			return err
		}
		if r.fill(l, seq, rec) {
			return nil
		}
	}
}

// fill makes a line of a record. It returns false for what is none.
func (r *journalReader) fill(l *line, seq uint64, rec []byte) bool {
	if len(rec) < 2 {
		return false
	}
	typ, text, extra, node := event.SplitNode(rec)
	id, rest, err := event.ParseHeader(text)
	if err != nil {
		return false
	}
	if typ.IsNote() && id.Serial == 0 {
		id = event.NoteID(id, seq)
		text = append([]byte("audit("+id.String()+"): "), rest...)
	}
	if other := r.opt.otherHost(seq); len(node) == 0 && other != "" {
		node = []byte(other)
	}
	r.buf = event.AppendLine(r.buf[:0], typ, nil, node)
	*l = line{typ: typ, id: id, text: len(r.buf), node: node}
	r.buf = event.AppendText(r.buf, bytes.TrimRight(text, "\n\x00"))
	l.end = len(r.buf)
	r.buf = event.AppendExtra(r.buf, extra)
	l.bytes = r.buf
	return true
}

var _ io.Closer = (*journalReader)(nil)

// otherHost is the host that received a record, if that was not Host.
func (o *Options) otherHost(seq uint64) string {
	if o.HostOf == nil {
		return ""
	}
	if host := o.HostOf(seq); host != o.Host {
		return host
	}
	return ""
}
