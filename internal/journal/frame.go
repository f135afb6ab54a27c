package journal

import (
	"encoding/binary"
	"hash/crc32"
)

// MaxRecord is the length of the longest record, in bytes. The kernel's longest
// is below 9 KiB; the limit bounds the reader's buffer and the search for the
// next whole frame behind a damaged one.
const MaxRecord = 64 << 10

// frameLen is the size of what precedes every record:
//
//	0   CRC-32C of all that follows, begun with the segment's salt
//	4   length of the record
//	8   sequence
//	16  time of append, milliseconds since 1970
//
// all little-endian. The CRC covers the length, so that a wrong length cannot
// pass for another record, and the sequence, so that what is missing between
// two whole frames is known exactly. The salt is secret: bytes inside a record
// cannot pass for a frame, whoever chose them.
const frameLen = 24

const frameMost = frameLen + MaxRecord

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A frame is one record as it was found in a segment.
type frame struct {
	seq    uint64
	millis int64
	rec    []byte // borrowed
}

// appendFrame appends rec, framed, to dst.
func appendFrame(dst, rec []byte, seq uint64, millis int64, salt uint32) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0) // the CRC, filled in below
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(rec)))
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(millis))
	dst = append(dst, rec...)
	binary.LittleEndian.PutUint32(dst[start:], crc32.Update(salt, castagnoli, dst[start+4:]))
	return dst
}

// frameSize returns how long the frame that b begins with says it is, and more
// than frameMost for whatever cannot be.
func frameSize(b []byte) int {
	return frameLen + int(min(binary.LittleEndian.Uint32(b[4:]), MaxRecord+1))
}

// parseFrame returns the frame that b begins with, if it is whole.
func parseFrame(b []byte, salt uint32) (frame, bool) {
	if len(b) < frameLen {
		return frame{}, false
	}
	n := frameSize(b)
	if n > frameMost || n > len(b) {
		return frame{}, false
	}
	if crc32.Update(salt, castagnoli, b[4:n]) != binary.LittleEndian.Uint32(b) {
		return frame{}, false
	}
	return frame{
		seq:    binary.LittleEndian.Uint64(b[8:]),
		millis: int64(binary.LittleEndian.Uint64(b[16:])),
		rec:    b[frameLen:n:n],
	}, true
}
