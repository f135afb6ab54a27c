package query

import (
	"bytes"
	"fmt"
	"strings"
)

// keys are what terminals send for a key, and its name; the longest that fits
// is meant. They are those of xterm, linux, vt and rxvt.
var keys = func() map[string]string {
	m := map[string]string{
		"\b": "backspace", "\t": "tab", "\n": "nl", "\r": "ret", "\x1b": "esc", "\x7f": "backspace", "\x1b\t": "back-tab",
		"\x1b[Z": "back-tab", "\x1b[M": "mouse", "\x1b[>M": "mouse", "\x1bOM": "send", "\x1b[8^": "delete-eol",
	}
	for c := byte(1); c <= 26; c++ {
		if _, named := m[string(c)]; !named {
			m[string(c)] = "^" + string('A'+c-1)
		}
	}
	for _, set := range []struct{ before, keys string }{
		{"\x1b[", `A up B down C right D left E B2 F end G B2 H home I page-up L insert c shift-right d shift-left
			1~ home 2~ insert 3~ delete 4~ end 5~ page-up 6~ page-down 7~ home 8~ end 2z insert 3z delete 30~ insert-line
			2$ shift-insert 3$ shift-del 5$ shift-previous 6$ shift-next 7$ shift-home 8$ shift-end [A F1 [B F2 [C F3 [D F4 [E F5
			1;2A scroll-backward 1;2B scroll-forward 1;2C shift-right 1;2D shift-left 1;2F shift-end 1;2H shift-home
			2;2~ shift-insert 2;5~ shift-insert 3;2~ shift-del 3;5~ shift-del 5;2~ shift-previous 5;5~ shift-previous
			6;2~ shift-next 6;5~ shift-next`},
		{"\x1bO", `A up B down C right D left E B2 F end H home P F1 Q F2 R F3 S F4 T F5 U F6 V F7 W F8 X F9 Y F10 Z F11
			l F8 n C3 p C1 q C1 r B2 s C3 t F5 u B2 v F7 w A1 x F10 y A3 1;2B scroll-forward 1;2C shift-right 1;2D shift-left
			2A scroll-backward 2B scroll-forward 2C shift-right 2D shift-left 5C shift-right 5D shift-left 5F shift-end
			5H shift-home`},
		{"\x1b", "A up B down C right D left F end J clear P delete Q insert S page-down T page-up h home"},
	} {
		f := strings.Fields(set.keys)
		for i := 0; i < len(f); i += 2 {
			m[set.before+f[i]] = f[i+1]
		}
	}
	functionKeys(m)
	return m
}()

// functionKeys adds F1 to F63: alone, or with other keys, which shift them by
// twelves.
func functionKeys(m map[string]string) {
	numbers := []int{11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 23, 24, 25, 26, 28, 29, 31, 32, 33, 34}
	for i, n := range numbers {
		m[fmt.Sprintf("\x1b[%d~", n)] = fmt.Sprintf("F%d", i+1)
		m[fmt.Sprintf("\x9b%d~", n)] = fmt.Sprintf("F%d", i+1)
		m[fmt.Sprintf("\x1b[%d^", n)] = fmt.Sprintf("F%d", i+23)
	}
	for with, first := range map[int]int{2: 13, 3: 49, 4: 61, 5: 25, 6: 37} {
		for i, n := range numbers[:12] {
			if f := first + i; f <= 63 {
				m[fmt.Sprintf("\x1b[%d;%d~", n, with)] = fmt.Sprintf("F%d", f)
				if i < 4 {
					m[fmt.Sprintf("\x1bO%d%c", with, "PQRS"[i])] = fmt.Sprintf("F%d", f)
				}
			}
		}
	}
}

// longestKey bounds the names in keys.
const longestKey = 8

// keystrokesValue appends what was typed: text in quotes, other keys by name.
func keystrokesValue(b []byte, v *value) []byte {
	for _, c := range v.raw {
		if !isHex(c) {
			return append(b, v.raw...)
		}
	}
	data := decodeHex(v.raw)
	if data == nil {
		return append(b, "(null)"...)
	}
	start, quoted := len(b), false
	for len(data) > 0 {
		name, n := keyAt(data)
		if quoted != (n == 0) {
			if quoted {
				b = append(b, '"')
			}
			if !quoted && len(b) > start {
				b = append(b, ',')
			}
			if quoted = n == 0; quoted {
				b = append(b, '"')
			}
		}
		if n > 0 {
			if len(b) > start {
				b = append(b, ',')
			}
			b = append(append(append(b, '<'), name...), '>')
			data = data[n:]
			continue
		}
		b = appendTyped(b, data[0])
		data = data[1:]
	}
	if quoted {
		b = append(b, '"')
	}
	return b
}

// keyAt is the key that data begins with, and how many bytes it sent; 0 if
// they are text.
func keyAt(data []byte) (name string, n int) {
	if c := data[0]; c >= ' ' && (c < 0x7f || c >= 0xa0) {
		return "", 0
	}
	for n := min(len(data), longestKey); n > 0; n-- {
		if name, ok := keys[string(data[:n])]; ok {
			return name, n
		}
	}
	return "", 0
}

func appendTyped(b []byte, c byte) []byte {
	if c < ' ' || c > '~' {
		return fmt.Appendf(b, `\%03o`, c)
	}
	if bytes.IndexByte([]byte(`"\`), c) >= 0 {
		b = append(b, '\\')
	}
	return append(b, c)
}
