package query

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// Bounds of the dictionaries of an xz file. Each block asks for its own, which costs
// as much time as memory, however small the block is.
const (
	maxXZDict   = 64 << 20  // that of xz -9
	freeXZDicts = 512 << 20 // of all blocks together, and as much for each byte read:
	perXZByte   = 4096
)

// newXZ decompresses the streams of an xz file, one after another.
func newXZ(in *bufio.Reader) (io.Reader, error) {
	least := xz.ReaderConfig{DictCap: lzma.MinDictCap}
	return least.NewReader(&xzGuard{in: in, section: (*xzGuard).stream})
}

// An xzGuard passes on an xz file as it is, and refuses a block whose dictionary is too
// large before the decoder sees it: the decoder's own option is a lower bound. It knows
// where blocks begin as it goes from section to section.
type xzGuard struct {
	in      *bufio.Reader
	section func(*xzGuard) error // begins the next section: sets left, and section
	left    int                  // bytes of the present one
	pos     int64
	dicts   int64 // dictionaries of all blocks so far

	check   int    // bytes of a block's checksum
	size    int    // of the block's chunks, or the index, so far
	numbers uint64 // of the index that are still to come
}

// Read reads within one section.
func (g *xzGuard) Read(p []byte) (int, error) {
	if g.left == 0 && len(p) > 0 {
		if err := g.section(g); err != nil {
			return 0, err
		}
	}
	n, err := g.in.Read(p[:min(len(p), g.left)])
	g.left -= n
	g.pos += int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// ReadByte spares the decoder reads of one byte.
func (g *xzGuard) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(g, b[:])
	return b[0], err
}

// pass goes on with n bytes, behind which next begins another section.
func (g *xzGuard) pass(n int, next func(*xzGuard) error) error {
	g.left, g.section = n, next
	return nil
}

// peek returns the next n bytes of a stream.
func (g *xzGuard) peek(n int) ([]byte, error) {
	b, err := g.in.Peek(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// stream begins a stream, or the padding behind one.
func (g *xzGuard) stream() error {
	const header = 12
	if _, err := g.in.Peek(1); err != nil {
		return err // io.EOF is the end
	}
	b, err := g.peek(4)
	if err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(b) == 0 {
		return g.pass(4, (*xzGuard).stream)
	}
	if b, err = g.peek(header); err != nil {
		return err
	}
	g.check = [...]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[b[7]&0xf]
	return g.pass(header, (*xzGuard).block)
}

// block begins a block by its header, or the index.
func (g *xzGuard) block() error {
	b, err := g.peek(1)
	if err != nil {
		return err
	}
	g.size = 0
	if b[0] == 0 {
		g.size = 1
		return g.pass(1, (*xzGuard).index)
	}
	n := 4 * (int(b[0]) + 1)
	if b, err = g.peek(n); err != nil {
		return err
	}
	if err := g.dictionary(b); err != nil {
		return err
	}
	return g.pass(n, (*xzGuard).chunk)
}

// dictionary refuses the header of a block whose dictionary is too large.
func (g *xzGuard) dictionary(header []byte) error {
	const hasSizes = 0xc0
	at := 2
	for flags := header[1] & hasSizes; flags != 0; flags &= flags - 1 {
		_, n := binary.Uvarint(header[at:])
		at += max(n, 0)
	}
	if at+2 >= len(header) || header[at] != 0x21 || header[at+1] != 1 {
		return errors.New("xz: a block has other filters than LZMA2")
	}
	dict, err := lzma.DecodeDictCap(header[at+2])
	if err != nil || dict > maxXZDict {
		return fmt.Errorf("xz: a block at byte %d wants a dictionary of more than %d MiB", g.pos, maxXZDict>>20)
	}
	if g.dicts += dict; g.dicts > freeXZDicts+perXZByte*g.pos {
		return fmt.Errorf("xz: the blocks up to byte %d want dictionaries of %d MiB, too much for so little data", g.pos, g.dicts>>20)
	}
	return nil
}

// chunk begins a chunk of LZMA2, or ends the block.
func (g *xzGuard) chunk() error {
	b, err := g.peek(1)
	if err != nil {
		return err
	}
	control, n := b[0], 6
	switch {
	case control == 0:
		g.size++
		return g.pass(1+padding(g.size)+g.check, (*xzGuard).block)
	case control < 3:
		n = 3
	case control < 0x80:
		return fmt.Errorf("xz: damaged at byte %d", g.pos)
	case control < 0xc0:
		n = 5
	}
	if b, err = g.peek(n); err != nil {
		return err
	}
	length := b[3:] // behind that of the data uncompressed
	if control < 3 {
		length = b[1:]
	}
	n += int(binary.BigEndian.Uint16(length)) + 1
	g.size = (g.size + n) % 4
	return g.pass(n, (*xzGuard).chunk)
}

func padding(n int) int { return -n & 3 }

// index begins the index by the number of its records, of two numbers each.
func (g *xzGuard) index() error {
	n, size, err := g.number()
	if err != nil {
		return err
	}
	g.numbers = 2 * n
	return g.pass(size, (*xzGuard).record)
}

// record begins a number of the index, or ends the stream.
func (g *xzGuard) record() error {
	if g.numbers == 0 {
		const checksum, footer = 4, 12
		return g.pass(padding(g.size)+checksum+footer, (*xzGuard).stream)
	}
	g.numbers--
	_, size, err := g.number()
	if err != nil {
		return err
	}
	return g.pass(size, (*xzGuard).record)
}

// number is the next number of the index, and its length.
func (g *xzGuard) number() (n uint64, size int, err error) {
	b, err := g.in.Peek(binary.MaxVarintLen64)
	if n, size = binary.Uvarint(b); size > 0 {
		g.size = (g.size + size) % 4
		return n, size, nil
	}
	switch {
	case err == nil:
		err = fmt.Errorf("xz: damaged at byte %d", g.pos)
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return 0, 0, err
}
