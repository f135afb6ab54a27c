package event

import (
	"bytes"
	"errors"
	"strconv"
	"time"
)

// An ID is what the kernel prints as audit(SECONDS.MILLIS:SERIAL). All records
// of an event carry the same one.
//
// The kernel's serial is a 32-bit counter that starts with the boot. Records of
// our own have noteSerial set, so that theirs can never be the kernel's.
type ID struct {
	Sec    int64
	Milli  uint16
	Serial uint64
}

// noteSerial is the first serial beyond the kernel's 32 bits. The ID of a
// record that the kernel did not number is its time and noteSerial plus its
// journal sequence, which is unique for the life of the journal.
const NoteSerial = 1 << 32

// NoteID is the ID of a note: that of its header, numbered by its journal sequence.
func NoteID(header ID, seq uint64) ID {
	header.Serial = NoteSerial + seq
	return header
}

var errHeader = errors.New("no audit(SECONDS.MILLIS:SERIAL) header")

// TimeFormat is the form of every time in an event, in UTC.
const TimeFormat = "2006-01-02T15:04:05.000Z"

// Time is the event's own time, in UTC.
func (id ID) Time() time.Time {
	return time.Unix(id.Sec, int64(id.Milli)*int64(time.Millisecond)).UTC()
}

// UnixMilli is the event's own time in milliseconds since 1970.
func (id ID) UnixMilli() int64 { return id.Sec*1000 + int64(id.Milli) }

// String prints an ID as ausearch does: 1785139200.123:48213.
func (id ID) String() string { return string(id.Append(nil)) }

// Append appends what String prints.
func (id ID) Append(dst []byte) []byte {
	dst = strconv.AppendInt(dst, id.Sec, 10)
	dst = append(dst, '.', '0'+byte(id.Milli/100), '0'+byte(id.Milli/10%10), '0'+byte(id.Milli%10), ':')
	return strconv.AppendUint(dst, id.Serial, 10)
}

// ParseID reads what String prints.
func ParseID(s string) (ID, error) {
	id, rest, ok := parseID([]byte(s))
	if !ok || len(rest) != 0 {
		return ID{}, errHeader
	}
	return id, nil
}

// ParseHeader splits a record's text, as the kernel sends it, into its ID and
// what follows the header. rest shares memory with text.
func ParseHeader(text []byte) (id ID, rest []byte, err error) {
	const open, end = "audit(", "):"
	if len(text) < len(open) || string(text[:len(open)]) != open {
		return ID{}, nil, errHeader
	}
	id, rest, ok := parseID(text[len(open):])
	if !ok || len(rest) < len(end) || string(rest[:len(end)]) != end {
		return ID{}, nil, errHeader
	}
	return id, bytes.TrimPrefix(rest[len(end):], []byte(" ")), nil
}

func parseID(b []byte) (id ID, rest []byte, ok bool) {
	sec, b, ok := digits(b, 12)
	if !ok || len(b) < 5 || b[0] != '.' {
		return ID{}, nil, false
	}
	milli, after, ok := digits(b[1:4], 3)
	if !ok || len(after) != 0 || b[4] != ':' {
		return ID{}, nil, false
	}
	serial, b, ok := digits(b[5:], 19)
	return ID{Sec: int64(sec), Milli: uint16(milli), Serial: serial}, b, ok
}

// digits reads a decimal number of at most limit digits, limit <= 19.
func digits(b []byte, limit int) (n uint64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && b[i]-'0' <= 9 {
		if i == limit {
			return 0, nil, false
		}
		n = n*10 + uint64(b[i]-'0')
		i++
	}
	return n, b[i:], i > 0
}
