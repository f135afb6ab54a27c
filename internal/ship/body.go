package ship

import (
	"fmt"
	"io"
	"strconv"
)

// bodyChunk is how much of a body is made before it is handed on, so that no
// body has to exist as a whole.
const bodyChunk = 32 << 10

// writeBody writes the request of PutLogEvents with items i to j of b to w, as
// awsJson1_1. It works in buf and returns it. The SDK's own way takes three
// allocations an event and, with compression, holds the body twice.
func writeBody(w io.Writer, buf []byte, group, stream string, b *Batch, i, j int) ([]byte, error) {
	buf = append(buf[:0], `{"logGroupName":`...)
	buf = appendJSON(buf, []byte(group))
	buf = append(buf, `,"logStreamName":`...)
	buf = appendJSON(buf, []byte(stream))
	buf = append(buf, `,"logEvents":[`...)
	for n := i; n < j; n++ {
		if n > i {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"timestamp":`...)
		buf = strconv.AppendInt(buf, b.items[n].millis, 10)
		buf = append(buf, `,"message":`...)
		buf = appendJSON(buf, b.line(n))
		buf = append(buf, '}')
		if len(buf) < bodyChunk {
			continue
		}
		if _, err := w.Write(buf); err != nil {
			return buf, fmt.Errorf("make request: %w", err)
		}
		buf = buf[:0]
	}
	buf = append(buf, "]}"...)
	if _, err := w.Write(buf); err != nil {
		return buf, fmt.Errorf("make request: %w", err)
	}
	return buf, nil
}

// escaped marks the bytes that JSON does not take as they are.
var escaped = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// appendJSON appends text, which is valid UTF-8, as a JSON string.
func appendJSON(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i, c := range text {
		if !escaped[c] {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		if c >= 0x20 {
			dst = append(dst, '\\', c)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}
