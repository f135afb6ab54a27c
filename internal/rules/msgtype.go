package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// messageType reads the name of a record type, or UNKNOWN[1234].
func messageType(v string) (uint32, *ParseError) {
	if inner, ok := strings.CutPrefix(v, "UNKNOWN["); ok && strings.HasSuffix(v, "]") {
		if n := cNumber(inner, false); n != 0 {
			return n, nil
		}
	}
	typ, err := auparse.GetAuditMessageType(strings.ToLower(v))
	if err != nil || strings.Contains(v, "[") || !listedType(uint32(typ)) {
		return 0, unknownType(v)
	}
	return uint32(typ), nil
}

func unknownType(v string) *ParseError {
	err := faultf("unknown record type %q", v)
	var names []string
	for n := range uint32(3000) {
		if listedType(n) {
			names = append(names, auparse.AuditMessageType(n).String())
		}
	}
	if near := nearest(strings.ToUpper(v), names); near != "" {
		return err.hint("did you mean %s?", near)
	}
	return err
}

// notRecords are types in go-libaudit's table which auditctl does not know:
// commands of the netlink protocol and the ends of ranges.
var notRecords = []uint32{
	1007, 1008, 1009, 1199, 1204, 1299, 1329, 1338, 1339, 1399, 1499, 1599, 1600, 1699, 1799, 1899,
	2199, 2299, 2399, 2499, 2599, 2999,
}

func listedType(n uint32) bool {
	if n <= 1004 || n >= 1010 && n <= 1019 || slices.Contains(notRecords, n) {
		return false
	}
	return !strings.HasPrefix(auparse.AuditMessageType(n).String(), "UNKNOWN")
}

// typeName returns what auditctl calls a record type, or its number.
func typeName(n uint32) string {
	if listedType(n) {
		return auparse.AuditMessageType(n).String()
	}
	return strconv.Itoa(int(int32(n)))
}
