package journal

import (
	"encoding/binary"
	"errors"
	"io"
	"syscall"
)

const (
	// scanBuf is the room for bytes read ahead. It holds a whole frame wherever
	// that begins.
	scanBuf = 192 << 10

	// readMost is how much one read asks for: enough to make reads rare, little
	// enough to stay in the processor's cache.
	readMost = 64 << 10

	// mediaBlock is what is given up when the medium cannot be read.
	mediaBlock = 4096
)

// A scanner finds the frames of one segment, whatever has happened to it. It
// goes from frame to frame by their lengths, and only behind a damaged one
// looks at every byte for the next whole one.
type scanner struct {
	f    io.ReaderAt
	head head
	end  int64  // up to where the file may be read
	next uint64 // base of the segment that follows, 0 if none is known

	// wall is where reading stops for now: at end, or at a block that cannot be
	// read, behind which it resumes.
	wall, resume int64
	unreadable   bool // such a block has been met

	buf       []byte
	pos, have int   // buf[pos:have] is read and not yet taken
	off       int64 // of buf[pos] in the file
	prev      uint64

	// bad is where the bytes in front of off that are no frames begin, 0 if there
	// are none. Whoever has reported them clears it.
	bad int64
}

// reset points s at the first frame of another segment.
func (s *scanner) reset(f io.ReaderAt, h head) {
	if s.buf == nil {
		s.buf = make([]byte, scanBuf)
	}
	*s = scanner{f: f, head: h, buf: s.buf, off: headLen, end: headLen, wall: headLen, prev: h.base - 1}
}

// extend lets s read up to end, or less than before when the file was cut. If
// next is not 0, it is the base of the segment that follows.
func (s *scanner) extend(end int64, next uint64) {
	s.end, s.next = end, next
	if s.resume == 0 {
		s.wall = end
	}
}

// seek moves s to off, from where everything is read again.
func (s *scanner) seek(off int64) {
	s.pos, s.have, s.off, s.bad, s.resume, s.wall = 0, 0, off, 0, 0, s.end
}

// peek returns the next whole frame before end without taking it. The frame is
// valid until the next call.
func (s *scanner) peek() (frame, bool, error) {
	for {
		ok, err := s.fill(frameLen)
		switch {
		case err != nil:
			return frame{}, false, err
		case !ok && s.resume == 0:
			s.giveUp(s.end)
			return frame{}, false, nil
		case !ok:
			s.giveUp(min(s.resume, s.end))
			s.resume, s.wall = 0, s.end
			continue
		}
		fr, ok, err := s.try()
		if ok || err != nil {
			return fr, ok, err
		}
		s.skipJunk()
	}
}

// try returns the frame at off, if one is there.
func (s *scanner) try() (frame, bool, error) {
	n := frameSize(s.buf[s.pos:])
	if n > frameMost {
		return frame{}, false, nil
	}
	if ok, err := s.fill(n); !ok {
		return frame{}, false, err
	}
	fr, ok := parseFrame(s.buf[s.pos:s.have], s.head.salt)
	return fr, ok && s.possible(fr.seq), nil
}

// take goes behind the frame that peek returned.
func (s *scanner) take(fr frame) {
	s.advance(frameLen + len(fr.rec))
	s.prev = fr.seq
}

func (s *scanner) advance(n int) {
	s.pos += n
	s.off += int64(n)
}

// possible says whether a record with that sequence can be at off: sequences
// rise, and every record before it in the segment took at least frameLen bytes.
func (s *scanner) possible(seq uint64) bool {
	return seq > s.prev && seq-s.head.base <= uint64(s.off-headLen)/frameLen && (s.next == 0 || seq < s.next)
}

// skipJunk goes to the next byte at which a frame could begin, at least one on.
func (s *scanner) skipJunk() {
	if s.bad == 0 {
		s.bad = s.off
	}
	for {
		s.advance(1)
		if s.have-s.pos < frameLen {
			return
		}
		b := s.buf[s.pos:]
		if frameSize(b) <= frameMost && s.possible(binary.LittleEndian.Uint64(b[8:])) {
			return
		}
	}
}

// fill reads until n bytes are there, or returns false if they cannot be.
func (s *scanner) fill(n int) (bool, error) {
	for s.have-s.pos < n {
		if s.off+int64(n) > s.wall {
			return false, nil
		}
		if s.pos == s.have || len(s.buf)-s.pos < n+readMost {
			s.have = copy(s.buf, s.buf[s.pos:s.have])
			s.pos = 0
		}
		from := s.off + int64(s.have-s.pos)
		most := min(int64(len(s.buf)-s.have), s.wall-from, readMost)
		got, err := s.f.ReadAt(s.buf[s.have:s.have+int(most)], from)
		s.have += got
		switch {
		case got > 0 || err == nil:
		case errors.Is(err, io.EOF):
			s.end, s.wall = from, from // the file is shorter than was said
		case isMedia(err):
			s.unreadable = true
			s.wall, s.resume = from, (from/mediaBlock+1)*mediaBlock
		default:
			return false, err
		}
	}
	return true, nil
}

// giveUp goes to the given offset; what lies before it holds no frame.
func (s *scanner) giveUp(to int64) {
	if to > s.off {
		if s.bad == 0 {
			s.bad = s.off
		}
		s.off = to
	}
	s.pos, s.have = 0, 0
}

// isMedia says whether err is the medium's and will stay.
func isMedia(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EILSEQ) || errors.Is(err, syscall.EBADMSG) || errors.Is(err, syscall.EUCLEAN)
}
