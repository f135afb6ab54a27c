package event

import "encoding/binary"

// A record in the journal is two bytes of type, little-endian, and the text as
// the kernel sent it. One that came as an enriched line has a bit more in its
// type, and behind the text the byte 0x1d and what auditd appended. The bit is for
// speed: nobody has to look for that byte in what the kernel sent, which is
// nearly always nearly all. No type of linux/audit.h or of ours has it alone.
const (
	typeLen      = 2
	typeEnriched = 0x4000
	typeBits     = 0xc000
)

// A record whose line names its host begins with the name: two bytes, which are
// nodeMark and the name's length, then the name.
const (
	nodeMark = 0x8000
	maxNode  = 255
)

// A record whose type has a name only begins, behind that, with typeNamedFirst, the name's
// length in one byte, and the name; the type that follows is 0.

// AppendRecord appends what the journal holds of a line.
func AppendRecord(dst []byte, l Line) []byte {
	if n := len(l.Node); n > 0 && n <= maxNode {
		dst = binary.LittleEndian.AppendUint16(dst, nodeMark|uint16(n))
		dst = append(dst, l.Node...)
	}
	typ := uint16(l.Type)
	if name := l.Type.unknownName(); name != "" {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(typeNamedFirst))
		dst = append(append(dst, byte(len(name))), name...)
		typ = 0
	}
	enriched := len(l.Extra) > 0 && typ&typeBits == 0
	if enriched {
		typ |= typeEnriched
	}
	dst = binary.LittleEndian.AppendUint16(dst, typ)
	dst = append(dst, l.Text...)
	if enriched {
		dst = AppendExtra(dst, l.Extra)
	}
	return dst
}

// SplitRecord takes apart what the journal holds. What is too short to have a
// type has type 0.
func SplitRecord(rec []byte) (typ Type, text, extra []byte) {
	typ, text, extra, _ = SplitNode(rec)
	return typ, text, extra
}

// SplitNode is SplitRecord, and tells the name of the host that the line was
// written on, where it named one.
func SplitNode(rec []byte) (typ Type, text, extra, node []byte) {
	if len(rec) >= typeLen {
		n := int(binary.LittleEndian.Uint16(rec))
		if n&typeBits == nodeMark && len(rec) >= typeLen+n&^nodeMark {
			node, rec = rec[typeLen:typeLen+n&^nodeMark], rec[typeLen+n&^nodeMark:]
		}
	}
	name, rec := cutTypeName(rec)
	typ, text, extra = splitRecord(rec)
	if name != nil {
		typ, _ = namedType(string(name))
	}
	return typ, text, extra, node
}

// cutTypeName cuts off the name of a type that has no number, nil for none.
func cutTypeName(rec []byte) (name, rest []byte) {
	if len(rec) <= typeLen || Type(binary.LittleEndian.Uint16(rec)) != typeNamedFirst || len(rec) < typeLen+1+int(rec[typeLen]) {
		return nil, rec
	}
	n := typeLen + 1 + int(rec[typeLen])
	return rec[typeLen+1 : n], rec[n:]
}

func splitRecord(rec []byte) (typ Type, text, extra []byte) {
	if len(rec) < typeLen {
		return 0, rec, nil
	}
	n := binary.LittleEndian.Uint16(rec)
	if n&typeBits == typeEnriched {
		typ = Type(n &^ typeEnriched)
		if text, extra = CutEnrichment(typ, rec[typeLen:]); extra != nil {
			return typ, text, extra
		}
	}
	return Type(n), rec[typeLen:], nil
}
