package query

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// OpenLog opens an audit.log file, or the directory that holds one and those
// rotated away: audit.log, audit.log.1 and so on, the oldest last, each
// perhaps compressed.
func OpenLog(path string, opt Options) (Source, error) {
	names, err := LogFiles(path)
	if err != nil {
		return nil, err
	}
	in := &fileReader{names: names, lines: lineReader{numbers: opt.Numbers, debug: opt.Debug}}
	if err := in.open(); err != nil { // now, so that a wrong name is said at once
		return nil, err
	}
	return newStream(in, opt), nil
}

// OpenReader reads lines of audit.log from a stream, compressed or not.
func OpenReader(r io.Reader, opt Options) Source {
	return newStream(&lineReader{in: plain(r), numbers: opt.Numbers, debug: opt.Debug}, opt)
}

// LogFiles are the files that path stands for, the oldest first: path itself,
// or, of a directory, audit.log and those rotated away. In between none may be
// missing, since ausearch reads no further either.
func LogFiles(path string) ([]string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return []string{path}, nil
	}
	var names []string
	for i := 0; ; i++ {
		name := filepath.Join(path, "audit.log")
		if i > 0 {
			name += "." + strconv.Itoa(i)
		}
		found := ""
		for _, suffix := range []string{"", ".gz"} {
			if _, err := os.Stat(name + suffix); err == nil {
				found = name + suffix
				break
			}
		}
		if found == "" {
			break
		}
		names = append([]string{found}, names...)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no audit.log in it", path)
	}
	return names, nil
}

// readSize is how much of a file is read at once.
const readSize = 256 << 10

// maxLine bounds a line; a longer one is no record, and is passed over.
const maxLine = 4 << 20

// plain undoes the compression that the first bytes tell of.
func plain(r io.Reader) *bufio.Reader {
	b := bufio.NewReaderSize(r, readSize)
	if head, err := b.Peek(2); err != nil || head[0] != 0x1f || head[1] != 0x8b {
		return b
	}
	return bufio.NewReaderSize(&gunzip{from: b}, readSize)
}

// A gunzip opens the compressed stream when it is first read, so that its error
// is one of reading.
type gunzip struct {
	from io.Reader
	z    *gzip.Reader
}

func (g *gunzip) Read(p []byte) (n int, err error) {
	if g.z == nil {
		if g.z, err = gzip.NewReader(g.from); err != nil {
			return 0, err
		}
	}
	return g.z.Read(p)
}

// A fileReader reads files one after the other.
type fileReader struct {
	names []string // those not opened yet
	file  *os.File
	lines lineReader
}

func (r *fileReader) open() error {
	f, err := os.Open(r.names[0])
	if err != nil {
		return err
	}
	r.names, r.file = r.names[1:], f
	r.lines.in = plain(f)
	return nil
}

func (r *fileReader) next(l *line) error {
	for {
		err := r.lines.next(l)
		if err == nil {
			return nil
		}
		if err != io.EOF {
			return fmt.Errorf("read %s: %w", r.file.Name(), err)
		}
		if len(r.names) == 0 {
			return io.EOF
		}
		if err := r.file.Close(); err != nil {
			return err
		}
		if err := r.open(); err != nil {
			return err
		}
	}
}

func (r *fileReader) tooLong() int { return r.lines.skipped }

// Close implements io.Closer.
func (r *fileReader) Close() error { return r.file.Close() }

// A lineReader reads lines, and passes over what is none of a record.
type lineReader struct {
	in       *bufio.Reader
	long     []byte // a line longer than the buffer
	types    typeNames
	numbers  *Numbers // nil: interpreted lines are none of records
	restored []byte
	skipped  int // lines that were too long
	debug    func([]byte)
}

// tooLong is how many lines were passed over, since they are longer than maxLine.
func (r *lineReader) tooLong() int { return r.skipped }

// Close implements io.Closer; what it reads from is not its own.
func (r *lineReader) Close() error { return nil }

func (r *lineReader) next(l *line) error {
	for {
		b, err := r.readLine()
		if len(b) > 0 {
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
