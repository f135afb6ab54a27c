package rules

import (
	"math"
	"strconv"
	"strings"
)

// cNumber reads a number as strtol(v, NULL, 0) does and cuts it to 32 bits:
// decimal, octal or hexadecimal, up to the first character that does not fit.
// unsigned saturates as strtoul does.
func cNumber(v string, unsigned bool) uint32 {
	v = strings.TrimLeft(v, " \t\n\v\f\r")
	neg := strings.HasPrefix(v, "-")
	v = strings.TrimPrefix(strings.TrimPrefix(v, "-"), "+")
	base := 10
	switch {
	case len(v) > 2 && (v[:2] == "0x" || v[:2] == "0X") && digitsIn(v[2:], 16) > 0:
		base, v = 16, v[2:]
	case strings.HasPrefix(v, "0"):
		base = 8
	}
	n, err := strconv.ParseUint("0"+v[:digitsIn(v, base)], base, 64)
	switch {
	case unsigned && err != nil:
		return math.MaxUint32
	case !unsigned && neg && (err != nil || n > 1<<63):
		return 0 // the low half of LONG_MIN
	case !unsigned && !neg && (err != nil || n > math.MaxInt64):
		return math.MaxUint32 // the low half of LONG_MAX
	case neg:
		return uint32(-n)
	}
	return uint32(n)
}

// digitsIn counts the digits v starts with.
func digitsIn(v string, base int) int {
	for i := range len(v) {
		if _, err := strconv.ParseUint(v[i:i+1], base, 8); err != nil {
			return i
		}
	}
	return len(v)
}

func startsWithDigit(v string) bool { return v != "" && v[0] >= '0' && v[0] <= '9' }

func startsNegative(v string) bool {
	return len(v) >= 2 && v[0] == '-' && startsWithDigit(v[1:])
}
