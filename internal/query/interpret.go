package query

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
)

// An Interpreter knows names for numbers.
type Interpreter struct {
	User, Group NameFile
	Arch        func(elf uint32) string
	Call        func(elf uint32, nr int) (string, bool)
	Errno       func(errno int) (name, text string)
}

// interpret writes the records, the last first, with numbers made words. Where
// a PATH record has the name of what was deleted, renamed or made, the true
// path stands there.
func (p *Printer) interpret(e *Event) error {
	b := append(p.buf[:0], "----\n"...)
	for i := len(e.Records) - 1; i >= 0; i-- {
		b = p.record(b, e, &e.Records[i])
		if isDaemon(e.Records[i].Type) {
			break
		}
	}
	p.buf = b
	_, err := p.out.Write(b)
	return err
}

func (p *Printer) record(b []byte, e *Event, r *Record) []byte {
	if e.Node != "" {
		b = append(append(append(b, "node="...), e.Node...), ' ')
	}
	b = append(append(append(b, "type="...), r.Type.String()...), " msg=audit("...)
	b = e.localTime().AppendFormat(b, "01/02/06 15:04:05")
	b = fmt.Appendf(b, ".%03d:%d) ", e.ID.Milli, e.ID.Serial)
	_, rest, _ := bytes.Cut(r.Text, []byte(")"))
	in := interpreting{p: p, truth: p.truth(e, r, rest)}
	for len(rest) > 0 {
		before, name, val, after, ok := nextField(rest)
		if !ok {
			b = appendEscaped(b, rest, p.Escape)
			break
		}
		b = append(b, before...)
		b = in.value(append(append(b, name...), '='), string(name), val)
		rest = after
	}
	return append(b, '\n')
}

// truth is the path that a PATH record stands for, empty if nothing better is
// known than its name.
func (p *Printer) truth(e *Event, r *Record, rest []byte) string {
	f := e.Facts
	if r.Type != typePath || p.Compat || f == nil {
		return ""
	}
	switch {
	case bytes.Contains(rest, []byte("nametype=CREATE")) && f.Dest != "" && f.DestFrom != "unresolved":
		return f.Dest
	case bytes.Contains(rest, []byte("nametype=PARENT")), f.PathFrom == "unresolved":
		return ""
	case f.Dest != "" && !bytes.Contains(rest, []byte("nametype=DELETE")):
		return ""
	}
	return f.Path
}

// nextField finds the next name=value; before is what stands in front of it.
// msg='… opens a group, whose fields follow.
func nextField(b []byte) (before, name, val, after []byte, ok bool) {
	i := bytes.IndexByte(b, '=')
	if i < 0 {
		return nil, nil, nil, nil, false
	}
	start := bytes.LastIndexAny(b[:i], " '") + 1
	before, name, rest := b[:start], b[start:i], b[i+1:]
	if string(name) == "msg" && len(rest) > 0 && rest[0] == '\'' {
		return before, name, rest[:1], rest[1:], true
	}
	end := bytes.IndexAny(rest, " '")
	if len(rest) > 0 && rest[0] == '"' {
		if q := bytes.IndexByte(rest[1:], '"'); q >= 0 {
			end = q + 2
		}
	}
	if end < 0 || end > len(rest) {
		end = len(rest)
	}
	return before, name, rest[:end], rest[end:], true
}

// An interpreting is one record's, in which earlier fields say what later ones
// mean.
type interpreting struct {
	p     *Printer
	arch  uint32
	truth string
}

// value appends what a field's value means.
func (in *interpreting) value(b []byte, field string, val []byte) []byte {
	n, err := strconv.ParseInt(string(val), 10, 64)
	isNumber := err == nil
	names := in.p.Names
	switch field {
	case "auid", "uid", "euid", "suid", "fsuid", "ouid", "oauid", "old-auid", "iuid", "id", "inode_uid", "sauid":
		if isNumber {
			return append(b, idName(names.User, uint32(n))...)
		}
	case "gid", "egid", "sgid", "fsgid", "ogid", "new_gid", "inode_gid":
		if isNumber {
			return append(b, idName(names.Group, uint32(n))...)
		}
	case "ses", "old-ses":
		if isNumber && uint32(n) == 1<<32-1 {
			return append(b, "unset"...)
		}
	case "arch":
		elf, err := strconv.ParseUint(string(val), 16, 32)
		if in.arch = uint32(elf); err == nil && names.Arch != nil {
			return append(b, names.Arch(in.arch)...)
		}
	case "syscall":
		if name, ok := in.call(int(n)); isNumber && ok {
			return append(b, name...)
		}
	case "exit":
		if isNumber && n < 0 && names.Errno != nil {
			name, text := names.Errno(int(-n))
			return fmt.Appendf(b, "%s(%s)", name, text)
		}
	case "res", "success":
		if isNumber {
			return append(b, map[bool]string{true: "yes", false: "no"}[n == 1]...)
		}
	case "a0", "a1", "a2", "a3":
		if _, err := hex.DecodeString(string(bytes.Repeat(val, 2))); err == nil {
			return append(append(b, "0x"...), val...)
		}
	case "mode":
		if m, err := strconv.ParseUint(string(val), 8, 32); err == nil {
			return appendMode(b, uint32(m))
		}
	case "name":
		if in.truth != "" {
			return appendEscaped(b, []byte(in.truth), in.p.Escape)
		}
		return in.text(b, val)
	case "comm", "exe", "cwd", "proctitle", "key", "dir", "path", "file", "cmd", "acct":
		return in.text(b, val)
	}
	return appendEscaped(b, val, in.p.Escape)
}

func (in *interpreting) call(nr int) (string, bool) {
	if in.p.Names.Call == nil {
		return "", false
	}
	return in.p.Names.Call(in.arch, nr)
}

// text appends a name that is quoted, or hex.
func (in *interpreting) text(b, val []byte) []byte {
	if len(val) >= 2 && val[0] == '"' {
		return appendEscaped(b, val[1:len(val)-1], in.p.Escape)
	}
	text, err := hex.DecodeString(string(val))
	if err != nil || len(text) == 0 {
		return appendEscaped(b, val, in.p.Escape)
	}
	text = bytes.TrimRight(text, "\x00")
	for i, c := range text {
		if c == 0 || c == 1 { // between arguments, and between keys
			text[i] = ' '
		}
	}
	return appendEscaped(b, text, in.p.Escape)
}

func idName(names NameFile, id uint32) string {
	if id == 1<<32-1 {
		return "unset"
	}
	if name := names.UserName(id); name != "" {
		return name
	}
	return fmt.Sprintf("unknown(%d)", id)
}

// appendMode appends a mode as ausearch does: file,644.
func appendMode(b []byte, mode uint32) []byte {
	switch mode >> 12 & 15 {
	case 14:
		b = append(b, "socket,"...)
	case 10:
		b = append(b, "link,"...)
	case 8:
		b = append(b, "file,"...)
	case 6:
		b = append(b, "block,"...)
	case 4:
		b = append(b, "dir,"...)
	case 2:
		b = append(b, "character,"...)
	case 1:
		b = append(b, "fifo,"...)
	}
	for _, special := range []struct {
		bit  uint32
		name string
	}{{0o4000, "suid,"}, {0o2000, "sgid,"}, {0o1000, "sticky,"}} {
		if mode&special.bit != 0 {
			b = append(b, special.name...)
		}
	}
	return fmt.Appendf(b, "%03o", mode&0o777)
}
