package event

import "bytes"

// A scanner walks over the key=value pairs of a record's text.
//
// The kernel quotes a string or, if it holds a quote, a space or a byte that is
// not printable ASCII, prints it as hex without quotes; so a quoted value never
// holds a quote. User space's msg='…' may hold anything.
type scanner struct {
	rest []byte

	key, val []byte
	quoted   bool
	extra    []byte // what auditd appended to the record
	prefix   bool   // only what the kernel writes in front of a program's text counts

	// loose reads what user space writes: words without = are part of the value
	// before them, as in op=adding user, and pairs may stand in parentheses.
	loose bool
}

// next moves to the next pair; words without = are skipped.
func (s *scanner) next() bool {
	b := s.rest
	for {
		for len(b) > 0 && (b[0] == ' ' || b[0] == ',' || s.loose && b[0] == '(') {
			b = b[1:]
		}
		i := 0
		for i < len(b) && b[i] != '=' && b[i] != ' ' {
			i++
		}
		if i == len(b) {
			s.rest = nil
			return false
		}
		if b[i] == ' ' || i == 0 {
			b = b[i+1:]
			continue
		}
		s.key = b[:i]
		s.value(b[i+1:])
		return true
	}
}

func (s *scanner) value(b []byte) {
	if len(b) > 0 && (b[0] == '"' || b[0] == '\'') {
		if end := bytes.IndexByte(b[1:], b[0]); end >= 0 {
			s.val, s.rest, s.quoted = b[1:1+end], b[2+end:], true
			return
		}
	}
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		i = len(b)
	}
	for s.loose {
		n := looseWord(b[i:])
		if n == 0 {
			break
		}
		i += n
	}
	s.val, s.rest, s.quoted = b[:i], b[i:], false
	if s.loose {
		s.val = bytes.TrimRight(s.val, ",)")
	}
}

// looseWord is the length of a space and a word without = at b's start; 0 if
// there is none.
func looseWord(b []byte) int {
	if len(b) < 2 || b[0] != ' ' || b[1] == ' ' || b[1] == ':' {
		return 0
	}
	i := 1
	for i < len(b) && b[i] != ' ' {
		if b[i] == '=' {
			return 0
		}
		i++
	}
	return i
}

// isNull says whether the value is the kernel's way to say that there is none.
// A file that is really called (null) comes quoted.
func (s *scanner) isNull() bool {
	return !s.quoted && (string(s.val) == "(null)" || string(s.val) == "(none)" || len(s.val) == 0)
}

// text decodes the value of a field that may hold any bytes, appending to buf
// only where it was hex. A string the kernel was too busy to give stays as it is.
func (s *scanner) text(buf []byte) (val, grown []byte) {
	if s.quoted {
		return s.val, buf
	}
	start := len(buf)
	grown, ok := appendUnhex(buf, s.val)
	if !ok {
		return s.val, buf
	}
	return grown[start:len(grown):len(grown)], grown
}

// appendUnhex appends the bytes that upper-case hex stands for.
func appendUnhex(dst, hex []byte) ([]byte, bool) {
	if len(hex)%2 != 0 {
		return dst, false
	}
	start := len(dst)
	for i := 0; i < len(hex); i += 2 {
		hi, lo := unhex[hex[i]], unhex[hex[i+1]]
		if hi|lo > 0xf {
			return dst[:start], false
		}
		dst = append(dst, hi<<4|lo)
	}
	return dst, true
}

// unhex maps upper- and lower-case hex digits to their value, all else to 0xff.
var unhex = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range byte(10) {
		t['0'+i] = i
	}
	for i := range byte(6) {
		t['A'+i], t['a'+i] = 10+i, 10+i
	}
	return t
}()

func decimal(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		if c -= '0'; c > 9 {
			break
		}
		n = n*10 + uint64(c)
	}
	return n
}

func signed(b []byte) int64 {
	if len(b) > 0 && b[0] == '-' {
		return -int64(decimal(b[1:]))
	}
	return int64(decimal(b))
}

func hexadecimal(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		d := unhex[c]
		if d > 0xf {
			break
		}
		n = n<<4 | uint64(d)
	}
	return n
}

func octal(b []byte) uint32 {
	var n uint32
	for _, c := range b {
		if c -= '0'; c > 7 {
			break
		}
		n = n<<3 | uint32(c)
	}
	return n
}
