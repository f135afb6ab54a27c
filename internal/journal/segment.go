package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// formatVersion is in every segment. A journal with a higher one is refused,
// never read as damage.
const formatVersion = 1

// headLen is the size of what precedes the frames of a segment:
//
//	0   "journal\n"
//	8   format version
//	12  salt of the frames' CRC
//	16  sequence of the first record
//	24  when the segment was begun, milliseconds since 1970
//	32  latest time of append of any record in an earlier segment
//	40  zero
//	44  CRC-32C of bytes 0 to 43
//
// all little-endian.
const headLen = 48

const (
	segmentMagic  = "journal\n"
	segmentSuffix = ".seg"
)

// A head is what the header of a segment says. All of it but the times can be
// had elsewhere too: base from the name, salt from the cursor files.
type head struct {
	salt   uint32
	base   uint64
	millis int64 // 0 if unknown
	latest int64 // 0 if unknown
}

// A segment is one file of records with rising sequences, base the first.
type segment struct {
	head
	bytes atomic.Int64 // up to where whole frames have been written

	// sealed is set when no more bytes will come. Load it before bytes.
	sealed atomic.Bool

	file   file // the writer's, nil when closed
	synced int64
}

func (s *segment) name() string { return segmentName(s.base) }

func segmentName(base uint64) string {
	return fmt.Sprintf("%020d%s", base, segmentSuffix)
}

// parseSegmentName returns the sequence of the first record in the segment
// with that name.
func parseSegmentName(name string) (base uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	base, err := strconv.ParseUint(digits, 10, 64)
	return base, err == nil && base > 0 && segmentName(base) == name
}

func appendHead(dst []byte, h head) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint32(dst, h.salt)
	dst = binary.LittleEndian.AppendUint64(dst, h.base)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.millis))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.latest))
	dst = append(dst, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

var errHead = errors.New("header damaged")

// parseHead returns errHead for a header that is not one, and ErrVersion for
// one that a newer program wrote.
func parseHead(b []byte) (head, error) {
	if len(b) < headLen || string(b[:8]) != segmentMagic ||
		crc32.Checksum(b[:44], castagnoli) != binary.LittleEndian.Uint32(b[44:]) {
		return head{}, errHead
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return head{}, fmt.Errorf("%w %d", ErrVersion, v)
	}
	return head{
		salt:   binary.LittleEndian.Uint32(b[12:]),
		base:   binary.LittleEndian.Uint64(b[16:]),
		millis: int64(binary.LittleEndian.Uint64(b[24:])),
		latest: int64(binary.LittleEndian.Uint64(b[32:])),
	}, nil
}

// readHead reads the header of the segment which begins with base. When it is
// damaged, the error is errHead and the head holds base alone.
func readHead(f io.ReaderAt, base uint64) (head, error) {
	var b [headLen]byte
	n, err := f.ReadAt(b[:], 0)
	if n < headLen && err != nil && !errors.Is(err, io.EOF) && !isMedia(err) {
		return head{}, err
	}
	h, err := parseHead(b[:n])
	if err == nil && h.base != base {
		err = errHead
	}
	if errors.Is(err, errHead) {
		h = head{base: base}
	}
	return h, err
}

// listSegments returns the bases of the segments in rising order, and the
// names of files that are not the journal's.
func listSegments(fs filer) (bases []uint64, foreign []string, err error) {
	names, err := fs.list()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		if base, ok := parseSegmentName(name); ok {
			bases = append(bases, base)
		} else if !isOurs(name) {
			foreign = append(foreign, name)
		}
	}
	slices.Sort(bases)
	slices.Sort(foreign)
	return bases, foreign, nil
}

func isOurs(name string) bool {
	return name == lockName || name == lastName || slices.Contains(cursorNames[:], name)
}

// createSegment makes the file of a new segment, header included, or leaves
// nothing behind. A file of that name can only be one that a crash left unmade.
func createSegment(fs filer, h head) (*segment, error) {
	s := &segment{head: h}
	f, err := fs.open(s.name(), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(appendHead(nil, h), 0); err != nil {
		return nil, errors.Join(err, f.Close(), fs.remove(s.name()))
	}
	s.file = f
	s.bytes.Store(headLen)
	return s, nil
}
