package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"slices"
)

// cursorNames are three files of which the valid one with the highest
// generation counts. A new place is never written over the last one, nor over
// the last one known to be on the medium, so that neither a kill nor a power
// cut in the middle of it can cost more than the newest.
var cursorNames = [3]string{"cursor.0", "cursor.1", "cursor.2"}

// cursorRoom is allocated for each, so that delivery goes on when the disk is
// full. A longer cursor needs room of its own.
const cursorRoom = 16 << 10

// A cursor file holds
//
//	0   "cursor\n" and 1, the version
//	8   CRC-32C of all that follows
//	12  salt for segments whose header is damaged
//	16  generation
//	24  low: the first sequence that is still needed
//	32  last: the highest sequence known to have been written
//	40  when, milliseconds since 1970
//	48  length of extra
//	52  extra
//
// all little-endian.
const (
	cursorMagic = "cursor\n\x01"
	cursorLen   = 52
)

// A place is the content of a cursor file.
type place struct {
	salt      uint32
	gen       uint64
	low, last uint64
	millis    int64
	extra     []byte
}

func appendPlace(dst []byte, p place) []byte {
	start := len(dst)
	dst = append(dst, cursorMagic...)
	dst = append(dst, 0, 0, 0, 0) // the CRC, filled in below
	dst = binary.LittleEndian.AppendUint32(dst, p.salt)
	dst = binary.LittleEndian.AppendUint64(dst, p.gen)
	dst = binary.LittleEndian.AppendUint64(dst, p.low)
	dst = binary.LittleEndian.AppendUint64(dst, p.last)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(p.millis))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.extra)))
	dst = append(dst, p.extra...)
	binary.LittleEndian.PutUint32(dst[start+8:], crc32.Checksum(dst[start+12:], castagnoli))
	return dst
}

// parsePlace returns the place in b, which is a whole file.
func parsePlace(b []byte) (place, bool) {
	if len(b) < cursorLen || string(b[:8]) != cursorMagic || len(b) < placeSize(b) ||
		crc32.Checksum(b[12:placeSize(b)], castagnoli) != binary.LittleEndian.Uint32(b[8:]) {
		return place{}, false
	}
	return place{
		salt:   binary.LittleEndian.Uint32(b[12:]),
		gen:    binary.LittleEndian.Uint64(b[16:]),
		low:    binary.LittleEndian.Uint64(b[24:]),
		last:   binary.LittleEndian.Uint64(b[32:]),
		millis: int64(binary.LittleEndian.Uint64(b[40:])),
		extra:  slices.Clone(b[cursorLen:placeSize(b)]),
	}, true
}

// placeSize returns how long the place that b begins with says it is.
func placeSize(b []byte) int {
	if string(b[:8]) != cursorMagic {
		return cursorLen
	}
	return cursorLen + int(min(binary.LittleEndian.Uint32(b[48:]), MaxExtra))
}

// MaxExtra is how much SetCursor takes beside the sequence, in bytes.
const MaxExtra = 1 << 20

// readPlace returns the newest place that is whole, and which file holds it, -1
// if none does. Files that hold something else are named in damaged; one that
// is empty was being made.
func readPlace(fs filer) (p place, slot int, damaged []string, err error) {
	slot = -1
	for i, name := range cursorNames {
		b, err := readFile(fs, name, cursorLen, placeSize)
		if err != nil {
			return place{}, -1, nil, err
		}
		q, ok := parsePlace(b)
		switch {
		case ok && (slot < 0 || q.gen > p.gen):
			p, slot = q, i
		case !ok && !blank(b):
			damaged = append(damaged, name)
		}
	}
	return p, slot, damaged, nil
}

// readFile returns the first n bytes of a file, and more if size says so when
// it sees those; less than that of a file which is shorter, missing or cannot
// be read from the medium.
func readFile(fs filer, name string, n int, size func([]byte) int) ([]byte, error) {
	f, err := fs.open(name, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := readUpTo(f, nil, n)
	if len(b) == n && err == nil && size != nil {
		b, err = readUpTo(f, b, size(b))
	}
	return b, err
}

// readUpTo makes b the first n bytes of f, of which it is the beginning, or
// what can be had of them.
func readUpTo(f io.ReaderAt, b []byte, n int) ([]byte, error) {
	have := len(b)
	b = append(b, make([]byte, n-have)...)
	got, err := f.ReadAt(b[have:], int64(have))
	if errors.Is(err, io.EOF) || isMedia(err) {
		err = nil
	}
	return b[:have+got], err
}

func blank(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 })
}

// A cursorStore writes places. It is used by one goroutine at a time.
type cursorStore struct {
	fs      filer
	files   [3]file
	gen     uint64
	last    uint64 // of the newest place
	latest  int    // the file that holds the newest place, -1 if none
	durable int    // the one known to be on the medium, -1 if none
	dirty   bool
	buf     []byte
}

// adopt goes on behind the place that was read from a slot. Whether that is on
// the medium nobody knows.
func (c *cursorStore) adopt(p place, slot int) {
	c.gen, c.last, c.latest, c.dirty = p.gen, p.last, slot, true
}

// make makes all files, so that later none need be made on a full disk.
func (c *cursorStore) make() error {
	for slot := range c.files {
		if _, err := c.file(slot); err != nil {
			return err
		}
	}
	return nil
}

// write makes p the place, as far as this process' death is concerned.
func (c *cursorStore) write(p place) error {
	slot := 0
	for slot == c.latest || slot == c.durable {
		slot++
	}
	f, err := c.file(slot)
	if err != nil {
		return err
	}
	p.gen = c.gen + 1
	c.buf = appendPlace(c.buf[:0], p)
	if _, err := f.WriteAt(c.buf, 0); err != nil {
		return err
	}
	c.gen, c.last, c.latest, c.dirty = p.gen, p.last, slot, true
	return nil
}

// sync makes the last place written the one that a power cut leaves.
func (c *cursorStore) sync() error {
	if !c.dirty {
		return nil
	}
	f, err := c.file(c.latest)
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	c.durable, c.dirty = c.latest, false
	return nil
}

// file opens the file of a slot, making it if need be.
func (c *cursorStore) file(slot int) (file, error) {
	if c.files[slot] != nil {
		return c.files[slot], nil
	}
	f, err := c.fs.open(cursorNames[slot], os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	size, err := f.size()
	if err == nil && size == 0 {
		err = f.allocate(cursorRoom)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c.files[slot] = f
	return f, nil
}

func (c *cursorStore) close() error {
	var errs []error
	for _, f := range c.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// lastName is a file of its own that the writer renews after every batch, so
// that records cut off at a boundary between two are missed all the same:
//
//	0   the sequence of the last record
//	8   when, milliseconds since 1970
//	16  CRC-32C of bytes 0 to 15
//
// all little-endian.
const (
	lastName = "last"
	lastLen  = 20
)

func appendLast(dst []byte, last uint64, millis int64) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, last)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(millis))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

func parseLast(b []byte) (last uint64, millis int64, ok bool) {
	if len(b) < lastLen || blank(b) || crc32.Checksum(b[:16], castagnoli) != binary.LittleEndian.Uint32(b[16:]) {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:])), true
}
