package event

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// A Note is a record of our own: what we did, and what was lost. It is put into
// the journal among the kernel's records, so that it takes its place in the
// stream of events.
type Note struct {
	Time   time.Time
	Fields []NoteField
}

// A NoteField is one fact of a Note. Its key becomes the event's: lower-case
// letters, digits and _. A value is a string, an int, int64, uint64, a bool or
// a time.Time; a field whose value is "", false or a zero time is left out.
type NoteField struct {
	Key   string
	Value any
}

// AppendNote appends the text of a note's record. Its serial, which the journal
// sequence gives it, is not known yet and stands as 0; Push puts it in.
func AppendNote(dst []byte, n Note) []byte {
	dst = append(dst, "audit("...)
	dst = ID{Sec: n.Time.Unix(), Milli: uint16(n.Time.Nanosecond() / 1e6)}.Append(dst)
	dst = append(dst, "):"...)
	for _, f := range n.Fields {
		dst = f.append(dst)
	}
	return dst
}

func (f NoteField) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, ' ')
	dst = append(dst, f.Key...)
	dst = append(dst, '=')
	switch v := f.Value.(type) {
	case string:
		if v == "" {
			return dst[:start]
		}
		return appendNoteString(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case bool:
		if !v {
			return dst[:start]
		}
		return append(dst, "true"...)
	case time.Time:
		if v.IsZero() {
			return dst[:start]
		}
		return appendNoteString(dst, v.UTC().Format(TimeFormat))
	default:
		panic("event: note field " + f.Key + " has a value of an unknown type")
	}
}

// appendNoteString writes a string as the kernel does: quoted, or in hex if it
// holds what a quoted one may not.
func appendNoteString(dst []byte, v string) []byte {
	if !strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' || r == '"' }) {
		dst = append(dst, '"')
		dst = append(dst, v...)
		return append(dst, '"')
	}
	return append(dst, strings.ToUpper(hex.EncodeToString([]byte(v)))...)
}
