package query

import (
	"bytes"
	"math"
	"slices"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A field is one of a record, as libauparse cuts it.
type field struct {
	name, val []byte // val is nil for a list of keys that is not one
}

// lateTypes are record types that ausearch 3.0.9 does not know.
var lateTypes = map[event.Type]bool{1338: true, 1339: true, 1420: true, 1421: true, 1422: true, 1423: true, 1424: true, 1425: true, 1426: true}

// A fieldList is a record's fields, and how far a walk has got in them.
type fieldList struct {
	t     event.Type
	named bool // the type has a name
	all   []field
	at    int
	known enriched
	v     value
}

// A place is where a field is: in which record, and which field of it.
type place struct{ rec, field int }

var nowhere = place{-1, -1}

// A walk goes over an event's fields as libauparse does: what is looked for is
// looked for from where the walk stands, in this record and then in those that
// follow, each from where it was left.
type walk struct {
	p    *Printer
	recs []fieldList
	at   int    // len(recs): behind the last
	cwd  []byte // of the event
}

// load cuts records into fields.
func (w *walk) load(p *Printer, records []Record) {
	w.p, w.at, w.cwd = p, 0, nil
	w.recs = slices.Grow(w.recs[:0], len(records))[:len(records)]
	for i := range records {
		r, l := &records[i], &w.recs[i]
		*l = fieldList{t: r.Type, all: l.all[:0], known: enriched(r.Extra), v: value{names: &p.Names, compat: p.Compat, nr: -1}}
		l.cut(r.Line)
		if p.Compat && lateTypes[r.Type] && l.named {
			l.t, l.named = 0, false
		}
		if r.Type == typeCWD {
			for _, f := range l.all {
				if string(f.name) == "cwd" {
					w.cwd = f.val
				}
			}
		}
	}
}

// cut takes the words of a line that have a =.
func (l *fieldList) cut(line []byte) {
	for len(line) > 0 {
		var word []byte
		if word, line, _ = bytes.Cut(line, []byte(" ")); len(word) == 0 {
			continue
		}
		name, val, ok := bytes.Cut(word, []byte("="))
		if ok && string(name) == "msg" {
			if len(val) > 0 && val[0] == 'a' {
				continue // audit(…
			}
			if len(val) > 0 && val[0] == '\'' {
				name, val, ok = bytes.Cut(val[1:], []byte("="))
				if !ok {
					continue
				}
			}
		}
		if !ok {
			line = l.unnamed(word, line)
			continue
		}
		if val = trimmed(val); val != nil {
			l.add(bytes.TrimPrefix(name, []byte("(")), val)
		}
	}
}

// trimmed takes from a value what closes a sentence or a parenthesis; nil if
// there was nothing.
func trimmed(val []byte) []byte {
	if len(val) == 0 {
		return nil
	}
	for _, end := range []string{":", ",", "'"} {
		val = bytes.TrimSuffix(val, []byte(end))
	}
	if s := string(val); s != "(none)" && s != "(null)" {
		val = bytes.TrimSuffix(val, []byte(")"))
	}
	return val
}

// unnamed takes what SELinux says without a name: the decision, and in braces
// of what. It returns what of the line is left.
func (l *fieldList) unnamed(word, line []byte) []byte {
	if l.t != typeAVC && l.t != typeUserAVC {
		return line
	}
	switch len(l.all) - l.prefix() {
	case 1:
		if !bytes.HasPrefix(word, []byte("avc")) {
			l.all = append(l.all, field{[]byte("seresult"), word})
		}
	case 2:
		if word[0] == '{' {
			perms, rest, _ := bytes.Cut(line, []byte("}"))
			l.all = append(l.all, field{[]byte("seperms"), bytes.Join(bytes.Fields(perms), []byte(","))})
			return rest
		}
	}
	return line
}

// prefix is how many fields stand before the type.
func (l *fieldList) prefix() int {
	if len(l.all) > 0 && string(l.all[0].name) == "node" {
		return 1
	}
	return 0
}

func (l *fieldList) add(name, val []byte) {
	if string(name) == "key" {
		l.keys(val)
		return
	}
	l.all = append(l.all, field{name, val})
	n := len(l.all) - l.prefix()
	number := func(base int) uint64 {
		n, ok := cNumber(val, base)
		if !ok {
			return ^uint64(0)
		}
		return n
	}
	switch string(name) {
	case "type":
		if n == 1 {
			l.named = l.t != 0 && !bytes.HasPrefix(val, []byte("UNKNOWN["))
		}
	case "arch":
		if n == 2 || n == 11 {
			l.v.elf = uint32(number(16))
			_, l.v.known = machines[l.v.elf]
		}
	case "syscall":
		if n == 3 || n == 12 {
			l.v.nr = int(int32(number(10)))
		}
	case "a0":
		if n == 6 {
			l.v.a0 = number(16)
		}
	case "a1":
		if n == 7 {
			l.v.a1 = number(16)
		}
	}
}

// keys takes each of a rule's keys as a field.
func (l *fieldList) keys(val []byte) {
	name := []byte("key")
	if len(val) == 0 || val[0] == '(' || val[0] == '"' {
		l.all = append(l.all, field{name, val})
		return
	}
	text := unescape(val)
	if text == nil {
		l.all = append(l.all, field{name, nil})
		return
	}
	for key := range bytes.SplitSeq(text, []byte{1}) {
		if len(key) > 0 {
			l.all = append(l.all, field{name, quoted(key)})
		}
	}
}

// quoted writes a name as the kernel does: in quotes, or in hex.
func quoted(name []byte) []byte {
	if slices.ContainsFunc(name, func(c byte) bool { return c == '"' || c < '!' || c > '~' }) {
		const digits = "0123456789ABCDEF"
		var hex []byte
		for _, c := range name {
			hex = append(hex, digits[c>>4], digits[c&15])
		}
		return hex
	}
	return append(append([]byte{'"'}, name...), '"')
}

// first goes to the first field of the first record.
func (w *walk) first() bool { return w.record(0) }

// record goes to the first field of a record; it stays if there is none.
func (w *walk) record(n int) bool {
	if n < 0 || n >= len(w.recs) {
		return false
	}
	w.at = n
	w.recs[n].at = 0
	return true
}

// next goes to the next record, where it was left.
func (w *walk) next() bool {
	if w.at < len(w.recs) {
		w.at++
	}
	return w.at < len(w.recs)
}

// firstField goes to the record's first field.
func (w *walk) firstField() {
	if w.at < len(w.recs) {
		w.recs[w.at].at = 0
	}
}

// nextField goes to the record's next field; it stays if there is none.
func (w *walk) nextField() bool {
	if w.at == len(w.recs) || w.recs[w.at].at+1 >= len(w.recs[w.at].all) {
		return false
	}
	w.recs[w.at].at++
	return true
}

// to goes to a place.
func (w *walk) to(p place) bool {
	if p == nowhere || !w.record(p.rec) || p.field >= len(w.recs[p.rec].all) {
		return false
	}
	w.recs[p.rec].at = p.field
	return true
}

// find goes to the next field of a name, which may be where it stands. It
// returns false for one without a value, too.
func (w *walk) find(name string) bool {
	if w.at == len(w.recs) {
		return false
	}
	if w.name() == name {
		return w.field().val != nil
	}
	if !w.nextField() {
		return false
	}
	for {
		l := &w.recs[w.at]
		for i := l.at; i < len(l.all); i++ {
			if string(l.all[i].name) == name {
				l.at = i
				return l.all[i].val != nil
			}
		}
		if !w.next() {
			return false
		}
		w.firstField()
	}
}

// here is where the walk stands.
func (w *walk) here() int {
	if w.at == len(w.recs) {
		return 0
	}
	return w.recs[w.at].at
}

func (w *walk) field() field {
	if w.at == len(w.recs) || len(w.recs[w.at].all) == 0 {
		return field{}
	}
	l := &w.recs[w.at]
	return l.all[l.at]
}

func (w *walk) name() string { return string(w.field().name) }
func (w *walk) raw() string  { return string(w.field().val) }

// number is the field's, -1 if it is too large.
func (w *walk) number() int32 {
	val := w.field().val
	n, ok := cNumber(val, 10)
	if !ok || n > math.MaxInt64 && !bytes.HasPrefix(val, []byte("-")) {
		return -1
	}
	return int32(n)
}

// typ is the type of the record, 0 behind the last.
func (w *walk) typ() event.Type {
	if w.at == len(w.recs) {
		return 0
	}
	return w.recs[w.at].t
}

func (w *walk) meaning() meaning {
	f := w.field()
	if len(f.name) == 0 {
		return asIs
	}
	return meaningOf(w.typ(), string(f.name), f.val)
}

// interpreted is what the field means.
func (w *walk) interpreted() string { return w.interpret(nil) }

// realPath is what the field means, a file's name made absolute.
func (w *walk) realPath() string {
	if w.meaning() == asFile {
		return w.interpret(w.cwd)
	}
	return w.interpret(nil)
}

func (w *walk) interpret(cwd []byte) string {
	if w.at == len(w.recs) {
		return ""
	}
	l, f := &w.recs[w.at], w.field()
	if f.name == nil {
		return ""
	}
	if f.val == nil {
		return " "
	}
	v := l.v
	v.raw, v.cwd = f.val, cwd
	return string(w.p.explain(nil, &v, w.meaning(), string(f.name), l.known))
}
