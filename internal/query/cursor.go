package query

import (
	"bytes"
	"strconv"
)

// A cursor walks over a record's line as ausearch does: each field is looked
// for behind the one found before, and a field that is cut off spoils the whole
// event.
type cursor struct {
	msg []byte
	at  int
}

// How a field was found.
type presence uint8

const (
	absent presence = iota
	good            // found, and followed by what ends it
	cut             // found, and nothing ends it
)

// after moves behind the next occurrence of name, and says whether there is one.
func (c *cursor) after(name string) bool {
	i := bytes.Index(c.msg[c.at:], []byte(name))
	if i < 0 {
		return false
	}
	c.at += i + len(name)
	return true
}

// until returns what stands at the cursor up to the byte end. The cursor moves
// to that byte; it stays if there is none.
func (c *cursor) until(end byte) ([]byte, presence) {
	rest := c.msg[c.at:]
	i := bytes.IndexByte(rest, end)
	if i < 0 {
		return rest, cut
	}
	c.at += i
	return rest[:i], good
}

// word returns the word after name.
func (c *cursor) word(name string) ([]byte, presence) {
	if !c.after(name) {
		return nil, absent
	}
	return c.until(' ')
}

// text returns a field that is quoted or hex. After one in hex the cursor
// stands at its beginning.
func (c *cursor) text(name string) ([]byte, presence) {
	if !c.after(name) {
		return nil, absent
	}
	return c.here()
}

func (c *cursor) here() ([]byte, presence) {
	if c.at < len(c.msg) && c.msg[c.at] == '"' {
		c.at++
		return c.until('"')
	}
	return unescape(c.msg[c.at:]), good
}

// must takes a number that has to be there if it is asked for.
func (c *cursor) must(asked bool, to *int64, name string) bool {
	if !asked {
		return true
	}
	v, p := c.word(name)
	if p == good {
		*to = number(v)
	}
	return p == good
}

// may takes a number that need not be there, but not a cut one.
func (c *cursor) may(asked bool, to *int64, name string) bool {
	if !asked {
		return true
	}
	v, p := c.word(name)
	if p == good {
		*to = number(v)
	}
	return p != cut
}

// last takes a number that may be the line's last.
func (c *cursor) last(asked bool, to *int64, name string) bool {
	if !asked {
		return true
	}
	v, p := c.word(name)
	if p != absent {
		*to = number(v)
	}
	return p != absent
}

// number reads a decimal number as an id, 0 if there is none.
func number(b []byte) int64 {
	n := signed(b)
	if n < 0 {
		n &= 1<<32 - 1
	}
	return n
}

func signed(b []byte) int64 {
	i := 0
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		i++
	}
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	n, err := strconv.ParseInt(string(b[:i]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func hexNumber(b []byte) int64 {
	i := 0
	for i < len(b) && isHex(b[i]) {
		i++
	}
	n, err := strconv.ParseUint(string(b[:i]), 16, 64)
	if err != nil {
		return 0
	}
	return int64(n)
}

func isHex(c byte) bool { return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'f' }

// unescape decodes the hex digits at b's start, up to the first NUL they stand
// for; what stands in parentheses, as (null), is taken as it is. It returns nil
// if there is neither.
func unescape(b []byte) []byte {
	if len(b) > 0 && b[0] == '(' {
		i := bytes.IndexByte(b, ')')
		if i < 0 {
			return nil
		}
		return b[:i+1]
	}
	text := decodeHex(b)
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return text[:i]
	}
	return text
}

// decodeHex decodes the hex digits at b's start; nil if there are less than two.
func decodeHex(b []byte) []byte {
	n := 0
	for n < len(b) && isHex(b[n]) {
		n++
	}
	if n < 2 {
		return nil
	}
	text := make([]byte, 0, n/2+1)
	for i := 0; i < n; i += 2 {
		c := digit(b[i]) << 4
		if i+1 < n {
			c |= digit(b[i+1])
		}
		text = append(text, c)
	}
	return text
}

func digit(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
