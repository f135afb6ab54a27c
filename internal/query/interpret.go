package query

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// interpret writes the records, the last first, with numbers made words. Where
// a PATH record has the name of what was deleted, renamed or made, the true
// path stands there.
func (p *Printer) interpret(e *Event) error {
	b := append(p.buf[:0], "----\n"...)
	for i := len(e.Records) - 1; i >= 0; i-- {
		start := len(b)
		b = p.line(p.record(b, e, &e.Records[i]), start)
		if isDaemon(e.Records[i].Type) {
			break
		}
	}
	p.buf = b
	_, err := p.out.Write(b)
	return err
}

func (p *Printer) record(b []byte, e *Event, r *Record) []byte {
	b = append(b, r.Line[:len(r.Line)-len(r.Text)]...)
	b = append(b, "audit("...)
	b = e.localTime().AppendFormat(b, "01/02/06 15:04:05")
	b = fmt.Appendf(b, ".%03d:%d) ", e.ID.Milli, e.ID.Serial)
	_, rest, _ := bytes.Cut(r.Text, []byte(")"))
	in := interpreting{p: p, t: r.Type, known: enriched(r.Extra), truth: p.truth(e, r, rest)}
	in.v = value{names: &p.Names, compat: p.Compat}
	if r.Type == typeSyscall {
		p.callArguments(rest)
	}
	in.v.a0, in.v.a1 = p.a0, p.a1
	return in.fields(b, rest)
}

// callArguments notes the first two arguments of a system call, by which those
// that follow are understood.
func (p *Printer) callArguments(rest []byte) {
	c := cursor{msg: rest}
	for _, arg := range []struct {
		name string
		to   *uint64
	}{{"a0=", &p.a0}, {"a1=", &p.a1}} {
		if v, found := c.word(arg.name); found == good {
			if n, ok := cNumber(v, 16); ok {
				*arg.to = n
			}
		}
	}
}

// truth is the path that a PATH record stands for, empty if nothing better is
// known than its name.
func (p *Printer) truth(e *Event, r *Record, rest []byte) string {
	f := e.Facts
	if r.Type != typePath || p.Compat || f == nil {
		return ""
	}
	// A layer's records have no names, and in a rename a copy has another inode.
	if f.Stacked && (f.Dest != "" || f.DestParent != "" || bytes.Contains(rest, []byte(" name=(null) "))) {
		return ""
	}
	word, _ := (&cursor{msg: rest}).word(" inode=")
	kind, _ := (&cursor{msg: rest}).word(" nametype=")
	inode, _ := cNumber(word, 10)
	path, dest := f.Path, f.Dest
	if f.PathFrom == "unresolved" {
		path = ""
	}
	if f.DestFrom == "unresolved" {
		dest = ""
	}
	same := inode == f.Inode
	two := f.Dest != "" || f.DestParent != "" || f.DestFrom != "" // names, the new one known or not
	switch string(kind) {
	case "PARENT":
		return f.directory(inode, path, dest)
	case "CREATE":
		if two && (same || !e.exchanges()) {
			return dest
		}
		return path
	case "DELETE":
		if two && !same { // what stood under the new name
			return dest
		}
		return path
	}
	if !same { // a program's interpreter, say
		return ""
	}
	return path
}

// directory is the directory with an inode, as the kernel prints one.
func (f *Facts) directory(inode uint64, path, dest string) string {
	dir := ""
	switch inode {
	case 0:
		return ""
	case f.PathUnder:
		dir = cmp.Or(path[:strings.LastIndexByte(path, '/')+1], f.Parent)
	case f.DestUnder:
		dir = cmp.Or(dest[:strings.LastIndexByte(dest, '/')+1], f.DestParent)
	}
	if dir == "" {
		return ""
	}
	return strings.TrimRight(dir, "/") + "/"
}

// exchanges says whether two names changed places: both are made, then. A record
// without an inode stands for a name before its file was made.
func (e *Event) exchanges() bool {
	made := 0
	for i := range e.Records {
		if r := &e.Records[i]; r.Type == typePath && bytes.Contains(r.Text, []byte(" nametype=CREATE")) && bytes.Contains(r.Text, []byte(" inode=")) {
			made++
		}
	}
	return made > 1
}

// An interpreting is one record's, in which earlier fields say what later ones
// mean.
type interpreting struct {
	p     *Printer
	t     event.Type
	v     value
	known enriched
	truth string
	begun bool // the system call is known
}

// fields appends what the record says. It goes from one = to the next: the
// name is the word before it, and what stands before the name is kept.
func (in *interpreting) fields(b, rest []byte) []byte {
	found, comma := false, false
	for len(rest) > 0 {
		eq := bytes.IndexByte(rest, '=')
		if eq < 0 {
			break
		}
		found, comma = true, false
		b = append(b, rest[:eq+1]...)
		name, val := rest[max(0, bytes.LastIndexByte(rest[:eq], ' ')):eq], rest[eq+1:]
		if string(name) == "msg" { // what is meant is in the quotes
			rest = val
			continue
		}
		val, rest, comma = in.cut(strings.TrimLeft(string(name), "'"), val)
		b = in.value(b, strings.TrimLeft(string(name), " ('"), val, comma)
	}
	switch {
	case !found && rest != nil, comma:
		b = append(appendEscaped(b, rest, in.p.Escape), '\n')
	}
	return b
}

// cut takes the value from the front of b: what is quoted, else up to a space or
// a comma.
func (in *interpreting) cut(name string, b []byte) (val, rest []byte, comma bool) {
	if len(b) > 0 && (b[0] == '\'' || b[0] == '"') {
		end := bytes.IndexByte(b[1:], b[0]) + 2
		if end < 2 || end >= len(b) {
			return b, nil, false
		}
		return b[:end], b[end+1:], false
	}
	space, at := bytes.IndexByte(b, ' '), bytes.IndexByte(b, ',')
	if at >= 0 && (space < 0 || at < space) && meaningOf(in.t, name, b) != asLabel {
		return b[:at], b[at+1:], true
	}
	if space >= 0 {
		return b[:space], b[space+1:], false
	}
	return b, nil, false
}

// value appends what a field's value means, and what parts it from the next.
func (in *interpreting) value(b []byte, name string, val []byte, comma bool) []byte {
	v := &in.v
	v.raw = val
	if name == "acct" {
		v.raw = bytes.TrimSuffix(val, []byte(":"))
	}
	k := meaningOf(in.t, name, v.raw)
	if in.t == typeSyscall || in.t == typeSeccomp {
		in.learn(name, val)
	}
	switch {
	case k == asIs && comma:
		return append(append(b, v.raw...), ',')
	case k == asIs:
		return append(append(b, v.raw...), ' ')
	case name == "name" && in.truth != "":
		return append(appendMeant(b, []byte(in.truth), k, in.p.Escape), ' ')
	}
	start := len(b)
	b = in.p.explain(b, v, k, name, in.known)
	switch {
	case name == "key":
		all := bytes.ReplaceAll(b[start:], []byte{1}, []byte(" key="))
		return append(append(b[:start], all...), ' ')
	case k == asKeystrokes:
		return b
	}
	return append(b, ' ')
}

// learn takes the architecture and the number of the call.
func (in *interpreting) learn(name string, val []byte) {
	v := &in.v
	if !v.known {
		v.elf, v.known = in.p.Names.Native, true
	}
	switch {
	case name == "arch":
		elf, _ := cNumber(val, 16)
		_, v.known = machines[uint32(elf)]
		v.elf = uint32(elf)
	case name == "syscall" && !in.begun:
		n, _ := cNumber(val, 10)
		v.nr, in.begun = int(int32(n)), true
	}
}

// explain appends what a value means: as auditd wrote it down, or as we know.
func (p *Printer) explain(b []byte, v *value, k meaning, name string, known enriched) []byte {
	if text, ok := known.of(name); ok && !strings.HasPrefix(text, "unknown-") {
		if k == asUser || k == asGroup {
			return append(b, unquote([]byte(text))...)
		}
		return append(b, text...)
	}
	start := len(b)
	b = v.append(b, k)
	if !needsEscape(b[start:], p.Escape) || k == asKeystrokes && string(b[start:]) == "(null)" {
		return b
	}
	return appendMeant(b[:start], bytes.Clone(b[start:]), k, p.Escape)
}

// appendMeant appends an interpreted value, escaped; a list of keys keeps what
// parts them.
func appendMeant(b, text []byte, k meaning, mode string) []byte {
	if k != asKey {
		return appendEscaped(b, text, mode)
	}
	for i, part := range bytes.Split(text, []byte{1}) {
		if i > 0 {
			b = append(b, 1)
		}
		b = appendEscaped(b, part, mode)
	}
	return b
}

// An enriched is what auditd knew a record's numbers by, as it appended it.
type enriched []byte

// of is what a field was known by.
func (e enriched) of(field string) (string, bool) {
	if len(e) == 0 {
		return "", false
	}
	if addr, ok := bytes.CutPrefix(e, []byte("SADDR=")); ok {
		open := bytes.IndexByte(addr, '{')
		if field != "saddr" || open < 0 || bytes.IndexByte(addr[open:], '}') < 0 {
			return "", false
		}
		return string(addr[open:]), true
	}
	for pair := range bytes.FieldsFuncSeq(e, func(r rune) bool { return r == ' ' }) {
		name, val, ok := bytes.Cut(pair, []byte("="))
		if ok && strings.EqualFold(string(name), field) {
			return string(val), true
		}
	}
	return "", false
}
