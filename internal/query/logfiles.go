package query

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"github.com/auditshipper/auditshipper/internal/event"
)

// logName matches the names that auditd, logrotate and people give to logs:
// audit.log, audit.log.3.xz, audit.log-20261130, audit-2026-11-30.log.gz.
var logName = regexp.MustCompile(`^audit([-._][-._0-9A-Za-z]*)?\.log([-._][-._0-9A-Za-z]*)?$`)

// numbered matches the names that ausearch reads.
var numberedName = regexp.MustCompile(`^audit\.log(?:\.([1-9][0-9]*))?(\.gz)?$`)

// A logFile is an open log and the event that it begins with.
type logFile struct {
	*os.File
	first  event.ID
	number int   // of audit.log.N
	size   int64 // how much of it was looked through by the sieve
}

// openLogs opens path, or the logs of a directory in the order of their first
// records. left says for each file in it that is not read why.
func openLogs(path string, opt *Options) (files []*logFile, left []string, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !st.IsDir() {
		f, err := os.Open(path)
		return []*logFile{{File: f}}, nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		f, err := openRotated(filepath.Join(path, entry.Name()), opt)
		switch {
		case err != nil:
			left = append(left, err.Error())
		case f != nil:
			files = append(files, f)
		}
	}
	if opt.Compat {
		files, left = asAusearch(files, left)
	} else {
		slices.SortStableFunc(files, func(a, b *logFile) int { return compareIDs(a.first, b.first) })
	}
	if len(files) == 0 {
		return nil, nil, errors.Join(append([]error{fmt.Errorf("%s: no audit.log in it", path)}, asErrors(left)...)...)
	}
	return files, left, nil
}

func asErrors(texts []string) (errs []error) {
	for _, text := range texts {
		errs = append(errs, errors.New(text))
	}
	return errs
}

// asAusearch leaves what ausearch reads: audit.log and those numbered, the
// highest number first, up to the first that is missing.
func asAusearch(files []*logFile, left []string) (read []*logFile, rest []string) {
	slices.SortFunc(files, func(a, b *logFile) int { return a.number - b.number })
	for _, f := range files {
		if f.number == len(read) {
			read = append(read, f)
			continue
		}
		left = append(left, f.Name()+": left out as ausearch does")
		f.Close()
	}
	slices.Reverse(read)
	return read, left
}

// openRotated opens a file of a directory of logs: nil for an empty one and for
// what is no file. The error says why a file is not read.
func openRotated(path string, opt *Options) (*logFile, error) {
	st, err := os.Stat(path)
	if err != nil || st.IsDir() {
		return nil, err
	}
	name := filepath.Base(path)
	if !st.Mode().IsRegular() || !logName.MatchString(name) {
		return nil, fmt.Errorf("%s: not an audit.log by its name", path)
	}
	f, err := os.Open(path)
	if err != nil || st.Size() == 0 {
		return nil, errors.Join(err, f.Close())
	}
	first, err := firstRecord(f, opt)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	file := &logFile{File: f, first: first, number: -1}
	if m := numberedName.FindStringSubmatch(name); m != nil {
		file.number, _ = strconv.Atoi(m[1]) // 0 for audit.log itself
	}
	return file, nil
}

// errNoRecord says that a file is no log of audit records.
var errNoRecord = errors.New("no audit record in it")

// firstRecord is the id of the first record near the beginning of a log.
func firstRecord(r io.Reader, opt *Options) (event.ID, error) {
	lines := lineReader{in: plain(r), numbers: opt.Numbers}
	for range 1000 {
		var l line
		b, err := lines.readLine()
		if l.bytes = b; len(b) > 0 && (l.parse(&lines.types) || lines.restore(&l)) {
			return l.id, nil
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return event.ID{}, err
		}
	}
	return event.ID{}, errNoRecord
}

// maxZstdWindow bounds what decompression may take.
const maxZstdWindow = 64 << 20

// plain undoes the compression that the first bytes tell of.
func plain(r io.Reader) *bufio.Reader {
	b := bufio.NewReaderSize(r, readSize)
	head, _ := b.Peek(32) // an error comes again with the next read
	var open func() (io.Reader, error)
	switch packing(head) {
	case "gzip":
		open = func() (io.Reader, error) { return gzip.NewReader(b) }
	case "bzip2":
		open = func() (io.Reader, error) { return bzip2.NewReader(b), nil }
	case "zstd":
		open = func() (io.Reader, error) {
			return zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		}
	case "xz":
		open = func() (io.Reader, error) { return newXZ(b) }
	default:
		return b
	}
	return bufio.NewReaderSize(&unpacker{open: open}, readSize)
}

// packing is how a file is compressed that begins with head, empty for not at all.
func packing(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "gzip"
	case bytes.HasPrefix(head, []byte("BZh")):
		return "bzip2"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd"
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		return "xz"
	}
	return ""
}

// An unpacker opens the compressed stream when it is first read, so that its
// error is one of reading.
type unpacker struct {
	open func() (io.Reader, error)
	from io.Reader
}

func (u *unpacker) Read(p []byte) (n int, err error) {
	if u.from == nil {
		if u.from, err = u.open(); err != nil {
			return 0, err
		}
	}
	return u.from.Read(p)
}
