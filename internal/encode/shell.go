package encode

import (
	"bytes"
	"unicode/utf8"
)

// appendShell appends a command line, its arguments apart by NUL bytes, in a
// form that a shell takes back as the same arguments.
func appendShell(dst, title []byte) []byte {
	title = bytes.TrimRight(title, "\x00")
	for first := true; ; first = false {
		arg, rest, more := bytes.Cut(title, []byte{0})
		if !first {
			dst = append(dst, ' ')
		}
		dst = appendShellWord(dst, arg)
		if !more {
			return dst
		}
		title = rest
	}
}

func appendShellWord(dst, arg []byte) []byte {
	switch {
	case len(arg) == 0:
		return append(dst, "''"...)
	case !needsDollar(arg):
		if isPlain(arg) {
			return append(dst, arg...)
		}
		dst = append(dst, '\'')
		for _, c := range arg {
			if c == '\'' {
				dst = append(dst, `'\''`...)
				continue
			}
			dst = append(dst, c)
		}
		return append(dst, '\'')
	}
	dst = append(dst, `$'`...)
	for len(arg) > 0 {
		r, size := utf8.DecodeRune(arg)
		dst = appendDollar(dst, arg[:size], r == utf8.RuneError && size == 1)
		arg = arg[size:]
	}
	return append(dst, '\'')
}

// isPlain says whether a word means itself to a shell.
func isPlain(arg []byte) bool {
	for i, c := range arg {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c >= utf8.RuneSelf:
		case bytes.IndexByte([]byte("-_./:,+@%"), c) >= 0:
		case (c == '=' || c == '~' || c == '#') && i > 0:
		default:
			return false
		}
	}
	return true
}

// needsDollar says whether a word holds what only $'…' can show.
func needsDollar(arg []byte) bool {
	for _, c := range arg {
		if c < ' ' || c == 0x7f {
			return true
		}
	}
	return !utf8.Valid(arg)
}

func appendDollar(dst, char []byte, invalid bool) []byte {
	c := char[0]
	switch {
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c == '\\' || c == '\'':
		return append(dst, '\\', c)
	case c < ' ' || c == 0x7f || invalid:
		return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, char...)
}

const hexDigits = "0123456789abcdef"
