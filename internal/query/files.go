package query

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// OpenLog opens an audit.log file, or the directory that holds one and those
// rotated away, in the order of their first records, each perhaps compressed.
func OpenLog(path string, opt Options) (Source, error) {
	files, left, err := openLogs(path, &opt)
	if err != nil {
		return nil, err
	}
	in := &fileReader{files: files, left: left, lines: lineReader{numbers: opt.Numbers, debug: opt.Debug}}
	s := newStream(in, opt)
	if s.solve == nil && opt.Need != nil && !opt.Compat && opt.Debug == nil { // what an event means, others tell
		if err := in.lines.sieve.sift(files, opt.Need); err != nil {
			return nil, errors.Join(err, in.Close())
		}
	}
	if opt.Debug == nil {
		in.lines.sieve.opt, in.lines.sieve.slack = &s.opt, s.slack
	}
	in.open()
	if len(files) > 1 && !opt.Compat { // copies of a log overlap
		s.seen = newSeen()
	}
	return s, nil
}

// OpenReader reads lines of audit.log from a stream, compressed or not.
func OpenReader(r io.Reader, opt Options) Source {
	return newStream(&lineReader{in: plain(r), numbers: opt.Numbers, debug: opt.Debug}, opt)
}

// readSize is how much of a file is read at once.
const readSize = 256 << 10

// maxLine bounds a line; a longer one is no record, and is passed over.
const maxLine = 4 << 20

// A fileReader reads files one after the other.
type fileReader struct {
	files []*logFile // those not read yet, the first being read
	left  []string   // files that are not read, and why
	found bool       // the first has a record
	lines lineReader
}

func (r *fileReader) open() {
	r.found = false
	r.lines.held = 0
	f := r.files[0]
	if r.lines.sieve.ids != nil {
		r.lines.in = plain(io.LimitReader(f, f.size))
	} else {
		r.lines.in = plain(f)
	}
}

func (r *fileReader) next(l *line) error {
	for {
		err := r.lines.next(l)
		if err == nil {
			r.found = true
			return nil
		}
		if err != io.EOF {
			return fmt.Errorf("read %s: %w", r.files[0].Name(), err)
		}
		if st, err := r.files[0].Stat(); err == nil && st.Size() > 0 && !r.found && r.lines.held == 0 {
			r.left = append(r.left, fmt.Sprintf("%s: %v", r.files[0].Name(), errNoRecord))
		}
		if len(r.files) == 1 {
			return io.EOF
		}
		if err := r.files[0].Close(); err != nil {
			return err
		}
		r.files = r.files[1:]
		r.open()
	}
}

func (r *fileReader) leave(l *Left) { l.Long, l.Unread = r.lines.skipped, r.left }

// Close implements io.Closer.
func (r *fileReader) Close() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// A lineReader reads lines, and passes over what is none of a record.
type lineReader struct {
	in       *bufio.Reader
	long     []byte // a line longer than the buffer
	types    typeNames
	numbers  *Numbers // nil: interpreted lines are none of records
	restored []byte
	skipped  int // lines that were too long
	sieve    sieve
	held     int // lines that the sieve held back
	debug    func([]byte)
}

func (r *lineReader) leave(l *Left) { l.Long = r.skipped }

// Close implements io.Closer; what it reads from is not its own.
func (r *lineReader) Close() error { return nil }

func (r *lineReader) next(l *line) error {
	for {
		b, err := r.readLine()
		switch {
		case len(b) == 0:
		case r.sieve.holdsBack(b):
			r.held++
		default:
			l.bytes = b
			if l.parse(&r.types) || r.restore(l) {
				return nil
			}
			if r.debug != nil {
				r.debug(b)
			}
		}
		if err != nil {
			return err
		}
	}
}

// restore makes l of a line that was interpreted; it returns false for any other.
func (r *lineReader) restore(l *line) (ok bool) {
	if r.numbers == nil {
		return false
	}
	r.restored, ok = r.numbers.restore(r.restored[:0], l.bytes, &r.types)
	l.bytes = r.restored
	return ok && l.parse(&r.types)
}

// readLine returns the next line, empty if it is too long. With io.EOF comes
// what stands after the last newline.
func (r *lineReader) readLine() ([]byte, error) {
	b, err := r.in.ReadSlice('\n')
	if err == nil {
		return b[:len(b)-1], nil
	}
	r.long = r.long[:0]
	for err == bufio.ErrBufferFull {
		if len(r.long) <= maxLine {
			r.long = append(r.long, b...)
		}
		b, err = r.in.ReadSlice('\n')
	}
	if len(r.long) == 0 {
		return b, err
	}
	r.long = append(r.long, b...)
	if len(r.long) > maxLine {
		r.skipped++
		r.long = nil
		return nil, err
	}
	return bytes.TrimSuffix(r.long, []byte("\n")), err
}
