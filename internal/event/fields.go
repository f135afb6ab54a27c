package event

// A field is one key and value of a record that is no file event's.
type field struct {
	key  []byte
	val  []byte
	kind fieldKind
}

type fieldKind uint8

const (
	fieldText fieldKind = iota
	fieldInt
	fieldBool
)

// note collects the fields of an event that is not about files.
func (s *Stream) note(e *Event) {
	for i := range e.records {
		typ, text := e.Record(i)
		switch typ {
		case typeSyscall, typeUringop, typePath, typeCWD, typeProctitle:
			continue
		}
		_, rest, err := ParseHeader(text)
		if err != nil {
			continue
		}
		e.collect(scanner{rest: rest}, typ >= TypeGap)
	}
}

func (e *Event) collect(s scanner, own bool) {
	for s.next() {
		if own {
			e.collectOwn(&s)
			continue
		}
		if string(s.key) == "msg" && s.quoted {
			e.collect(scanner{rest: s.val}, false)
			continue
		}
		e.collectOne(&s)
	}
}

// collectOwn takes a field of a note, whose kind its form tells.
func (e *Event) collectOwn(s *scanner) {
	f := field{key: s.key, val: s.val}
	switch {
	case s.quoted:
	case string(s.val) == "true" || string(s.val) == "false":
		f.kind = fieldBool
	case isNumber(s.val) && len(s.val) < 16:
		f.kind = fieldInt
	default:
		f.val = e.string(s)
	}
	e.fields = append(e.fields, f)
}

func isNumber(b []byte) bool {
	if len(b) > 1 && b[0] == '-' {
		b = b[1:]
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0 && (len(b) == 1 || b[0] != '0')
}

// collectOne takes a field of the kernel's or of user space.
func (e *Event) collectOne(s *scanner) {
	if s.isNull() || string(s.val) == "?" {
		return
	}
	switch string(s.key) {
	case "pid":
		e.PID = uint32(decimal(s.val))
	case "uid":
		e.UID = id32(s.val)
	case "auid":
		e.AUID = id32(s.val)
	case "ses":
		e.Ses = id32(s.val)
	case "comm":
		e.Comm = e.string(s)
	case "exe":
		e.Exe = e.string(s)
	case "key":
		e.Key = e.keys(s)
	case "res", "success":
		e.Success = No
		if v := string(s.val); v == "1" || v == "yes" || v == "success" {
			e.Success = Yes
		}
	case "dir", "path":
		if e.Action == "rules" {
			e.Path.Path = e.string(s)
			return
		}
		fallthrough
	default:
		f := field{key: s.key, val: s.val}
		switch {
		case s.quoted:
		case isNumber(s.val) && len(s.val) < 16:
			f.kind = fieldInt
		case len(s.val) > 1 && hexFields[string(s.key)]:
			f.val = e.string(s)
		}
		e.fields = append(e.fields, f)
	}
}

// hexFields are those whose value user space or the kernel writes as hex when
// it holds what a quoted string may not; any other that looks like hex is a number.
var hexFields = map[string]bool{
	"acct": true, "cmd": true, "cwd": true, "data": true, "dir": true, "file": true, "grp": true,
	"name": true, "new-disk": true, "old-disk": true, "new-fs": true, "old-fs": true, "path": true,
	"root_dir": true, "unit": true, "vm": true, "watch": true, "proctitle": true, "ocomm": true,
}

// field returns the value of a collected field, nil if there is none.
func (e *Event) field(key string) []byte {
	for i := range e.fields {
		if string(e.fields[i].key) == key {
			return e.fields[i].val
		}
	}
	return nil
}
