package query

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Most lines of a log are of events that nobody asked for. To take such a line apart and to
// put it together with the others of its event costs twenty times as much as to read it. So a
// search reads a log twice: first for the lines that have a text without which no event can
// be wanted (Options.Need), then for all lines of these lines' events.
//
// A line that the sieve holds back would change nothing: its event is outside of the times
// that are wanted, or has that text in none of its lines.

// A sieve tells by a line's stamp whether anybody may want its event. The zero sieve
// holds nothing back.
type sieve struct {
	opt   *Options // its times; nil: any time is wanted
	slack int64    // seconds

	seed  maphash.Seed
	ids   map[uint64]struct{} // hashes of the stamps of events that may be wanted; nil: all may
	last  []byte              // the last stamp
	holds bool                // whether its lines are held back
}

// Where too many events have what is asked for, a sieve helps little: where there are more than
// maxSieved, or so many that, but for the first ones, there are less than sparse bytes to each.
const (
	maxSieved = 1 << 18
	sparse    = 8 << 10
)

// holdsBack says whether nobody wants the line's event. It does not for a line whose stamp
// it cannot read.
func (s *sieve) holdsBack(b []byte) bool {
	if s.opt == nil && s.ids == nil {
		return false
	}
	stamp, ok := stampOf(b)
	if !ok {
		return false
	}
	if !bytes.Equal(stamp, s.last) {
		s.last, s.holds = append(s.last[:0], stamp...), s.unwanted(stamp)
	}
	return s.holds
}

func (s *sieve) unwanted(stamp []byte) bool {
	if sec, ok := secondOf(stamp); ok && s.opt != nil && !s.opt.within(sec, s.slack) {
		return true
	}
	if s.ids == nil {
		return false
	}
	_, found := s.ids[maphash.Bytes(s.seed, stamp)]
	return !found
}

// stampOf is what stands in the parentheses of "msg=audit(…)".
func stampOf(b []byte) ([]byte, bool) {
	_, _, text, ok := cutHead(b)
	if !ok {
		return nil, false
	}
	b = b[text+len("audit("):]
	end := bytes.IndexByte(b, ')')
	return b[:max(end, 0)], end >= 0
}

// secondOf is the second of a stamp, as 1795491821 in 1795491821.043:10992484.
func secondOf(stamp []byte) (sec int64, ok bool) {
	for i, c := range stamp {
		switch {
		case c == '.':
			return sec, i > 0
		case c-'0' > 9 || i >= 18:
			return 0, false
		}
		sec = sec*10 + int64(c-'0')
	}
	return 0, false
}

// sift finds the events that have what is needed in files, which are left at their
// beginnings. It leaves ids nil if the files cannot be read twice, or if too many events have it.
func (s *sieve) sift(files []*logFile, need [][]byte) error {
	s.seed = maphash.MakeSeed()
	found := &finds{sieve: s, need: need, ids: map[uint64]struct{}{}}
	for _, f := range files {
		ok, err := found.in(f)
		if err != nil || !ok {
			return err
		}
	}
	s.ids = found.ids
	return nil
}

// Finds are the stamps of the lines that have one of some texts.
type finds struct {
	*sieve
	need [][]byte

	mu     sync.Mutex
	ids    map[uint64]struct{}
	looked int  // how many bytes were looked through
	bad    bool // there are too many, or a line without a stamp has such a text
}

// pieceSize is how much of a log is looked through at a time.
const pieceSize = 1 << 20

// in looks through a file, in pieces side by side. It returns false if that is no use.
func (f *finds) in(file *logFile) (ok bool, err error) {
	st, err := file.Stat()
	if err != nil || !st.Mode().IsRegular() || isPacked(file.File) {
		return false, err
	}
	file.size = st.Size() // what is written from now on is not looked through
	pieces, free := make(chan []byte), make(chan []byte, runtime.GOMAXPROCS(0)+1)
	var workers sync.WaitGroup
	for range cap(free) - 1 {
		workers.Go(func() {
			for p := range pieces {
				f.look(p)
				free <- p[:0]
			}
		})
	}
	for range cap(free) {
		free <- nil
	}
	err = f.cut(io.NewSectionReader(file, 0, file.size), pieces, free)
	close(pieces)
	workers.Wait()
	return err == nil && !f.bad, err
}

// isPacked says whether a file is compressed, by its first bytes.
func isPacked(f *os.File) bool {
	head := make([]byte, 32)
	n, _ := f.ReadAt(head, 0) // an error comes again when the file is read
	return packing(head[:n]) != ""
}

// cut reads pieces of whole lines, each into a buffer from free, and sends them.
func (f *finds) cut(r io.Reader, pieces chan<- []byte, free <-chan []byte) error {
	var rest []byte // of a line, behind the last piece
	for {
		buf := append(<-free, rest...)
		have := len(buf)
		buf = slices.Grow(buf, pieceSize)[:have+pieceSize]
		n, err := io.ReadFull(r, buf[have:])
		buf = buf[:have+n]
		end := len(buf)
		if err == nil {
			end = bytes.LastIndexByte(buf, '\n') + 1
		}
		rest = append(rest[:0], buf[end:]...)
		pieces <- buf[:end]
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return nil
		case err != nil:
			return err
		case len(rest) > maxLine || f.failed():
			f.fail()
			return nil
		}
	}
}

func (f *finds) fail() {
	f.mu.Lock()
	f.bad = true
	f.mu.Unlock()
}

func (f *finds) failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bad
}

// look notes the stamps of a piece's lines that have what is needed.
func (f *finds) look(piece []byte) {
	f.mu.Lock()
	f.looked += len(piece)
	f.mu.Unlock()
	for _, text := range f.need {
		for at := 0; ; {
			i := bytes.Index(piece[at:], text)
			if i < 0 {
				break
			}
			i += at
			start := bytes.LastIndexByte(piece[:i], '\n') + 1
			end := bytes.IndexByte(piece[i:], '\n')
			if at = i + end; end < 0 {
				at = len(piece)
			}
			if !f.note(piece[start:at]) {
				return
			}
		}
	}
}

// note notes a line's stamp. It returns false if the sieve is no use.
func (f *finds) note(line []byte) bool {
	stamp, ok := stampOf(line)
	f.mu.Lock()
	defer f.mu.Unlock()
	dense := len(f.ids) >= 1024 && f.looked/len(f.ids) < sparse
	if f.bad = f.bad || !ok || dense || len(f.ids) >= maxSieved; !f.bad {
		f.ids[maphash.Bytes(f.seed, stamp)] = struct{}{}
	}
	return !f.bad
}

// Need returns texts of which each event that Match wants has one in a line, nil if there are
// none that one can tell.
func (s *Search) Need() [][]byte {
	number := func(format string, n int64) [][]byte { return [][]byte{fmt.Appendf(nil, format, n)} }
	text := func(list string) (all [][]byte) { // a record has a part of it as it is, or in hex
		for t := range strings.SplitSeq(list, ",") {
			if low := hex.EncodeToString([]byte(t)); t != "" {
				all = append(all, []byte(t), []byte(low), []byte(strings.ToUpper(low)))
			}
		}
		return all
	}
	switch {
	case s.Compat: // an event ends also where another one begins
		return nil
	case s.Event >= 0:
		return number(":%d)", s.Event)
	case s.PID > 0:
		return number("pid=%d", s.PID)
	case s.Key != "":
		return text(s.Key)
	case s.Exe != "":
		return text(s.Exe)
	case s.Comm != "":
		return text(s.Comm)
	case s.PPID > 0:
		return number("ppid=%d", s.PPID)
	case s.Session > 0 && s.Session < 1<<32-1: // which is also written as -1
		return number("ses=%d", s.Session)
	}
	return nil
}
