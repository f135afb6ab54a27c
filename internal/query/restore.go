package query

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Numbers knows the numbers that names stand for, so that what search -i or
// ausearch -i printed can be read again.
type Numbers struct {
	User, Group NameFile
	Call        func(elf uint32, name string) (int, bool)
	Errno       func(name string) (int, bool)
}

// A restorer turns interpreted lines back into those of audit.log, as far as
// that is possible: a name that has no number here becomes unset and, as auditd
// does in an ENRICHED log, is written at the end.
type restorer struct {
	*Numbers
	t     event.Type
	elf   uint32
	names []byte
}

// restore appends the line of audit.log that an interpreted one was. It returns
// false for any other.
func (n *Numbers) restore(dst, line []byte, types *typeNames) ([]byte, bool) {
	head, rest, ok := bytes.Cut(line, []byte("msg=audit("))
	if !ok || !recordHead.Match(head) {
		return dst, false
	}
	when, rest, ok := bytes.Cut(rest, []byte(") : "))
	id, known := interpretedID(string(when))
	if !ok || !known {
		return dst, false
	}
	_, name, _ := bytes.Cut(head, []byte("type="))
	r := restorer{Numbers: n, t: types.of(bytes.TrimSpace(name))}
	dst = fmt.Appendf(append(dst, head...), "msg=audit(%s): ", id)
	dst = r.fields(dst, bytes.TrimSuffix(rest, []byte(" ")))
	if len(r.names) > 0 {
		dst = append(append(dst, enrichment), bytes.TrimPrefix(r.names, []byte(" "))...)
	}
	return dst, true
}

// recordHead is what stands in front of a record.
var recordHead = regexp.MustCompile(`^(node=[^ ]* )?type=[^ ]+ $`)

// interpretedID reads 11/23/26 23:17:08.155:649, in this machine's time.
func interpretedID(s string) (event.ID, bool) {
	s, serial, _ := cutLast(s, ":")
	s, milli, ok := cutLast(s, ".")
	if !ok {
		return event.ID{}, false
	}
	for _, layout := range []string{"01/02/06 15:04:05", "01/02/2006 15:04:05"} {
		if at, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			id, err := event.ParseID(fmt.Sprintf("%d.%s:%s", at.Unix(), milli, serial))
			return id, err == nil
		}
	}
	return event.ID{}, false
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (r *restorer) fields(dst, rest []byte) []byte {
	for len(rest) > 0 {
		eq := bytes.IndexByte(rest, '=')
		if eq < 0 {
			break
		}
		name := string(rest[bytes.LastIndexAny(rest[:eq], " '(")+1 : eq])
		dst = append(dst, rest[:eq+1]...)
		rest = rest[eq+1:]
		if name == "" || name == "msg" && bytes.HasPrefix(rest, []byte("'")) {
			continue
		}
		end := r.end(name, rest)
		dst = r.value(dst, name, rest[:end])
		rest = rest[end:]
	}
	return append(dst, rest...)
}

// followers are the fields that follow one whose text may have spaces and signs
// of equality in it. The last that is there ends the text, so that no name can
// pass for the fields behind it.
var followers = map[event.Type]map[string][]string{
	typePath:         {"name": {" inode=", " nametype="}},
	typeCWD:          {"cwd": nil},
	typeProctitle:    {"proctitle": nil},
	typeSyscall:      {"comm": {" exe="}, "exe": {" subj=", " key="}, "key": nil},
	typeUringop:      {"key": nil},
	event.Type(1123): {"cwd": {" cmd="}, "cmd": {" exe=", " terminal="}},
}

// nextField is where another field begins.
var nextField = regexp.MustCompile(` [a-z][a-z0-9_-]*(\[\d+\])?=`)

// end is where a value ends.
func (r *restorer) end(name string, b []byte) int {
	if after, ok := followers[r.t][name]; ok {
		for _, next := range after {
			i := bytes.LastIndex(b, []byte(next))
			if next == " key=" { // of which there may be several
				i = bytes.Index(b, []byte(next))
			}
			if i >= 0 {
				return i
			}
		}
		return len(b)
	}
	switch k := meaningOf(r.t, name, nil); {
	case k == asExit && len(b) > 0 && b[0] > '9':
		if i := bytes.IndexByte(b, ')'); i >= 0 {
			return i + 1
		}
	case k == asSockaddr && bytes.HasPrefix(b, []byte("{ ")):
		if i := bytes.IndexByte(b, '}'); i >= 0 {
			return i + 1
		}
	case k == asText || k == asFile || k == asKey:
		for _, at := range nextField.FindAllIndex(b, -1) {
			if k != asKey || string(b[at[0]:at[1]]) != " key=" { // which is another of several
				return at[0]
			}
		}
		return len(b)
	}
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		return i
	}
	return len(b)
}

// value appends what the kernel had written.
func (r *restorer) value(dst []byte, name string, val []byte) []byte {
	switch meaningOf(r.t, name, nil) {
	case asUser:
		return r.id(dst, name, val, r.User)
	case asGroup:
		return r.id(dst, name, val, r.Group)
	case asText, asFile, asTitle:
		if text, last := bytes.CutSuffix(val, []byte("'")); last && r.t < typeFirstEvent { // of msg='…'
			return append(appendText(dst, text), '\'')
		}
		return appendText(dst, val)
	case asKey:
		return appendText(dst, bytes.ReplaceAll(val, []byte(" key="), []byte{1}))
	case asArch:
		for elf, arch := range machines {
			if arch == string(val) {
				r.elf = elf
			}
		}
		return strconv.AppendUint(dst, uint64(r.elf), 16)
	case asCall:
		return r.call(dst, val)
	case asExit:
		errno, _, _ := bytes.Cut(val, []byte("("))
		if n, ok := r.Errno(string(errno)); ok {
			return strconv.AppendInt(dst, -int64(n), 10)
		}
	case asMode:
		return appendMode(dst, string(val))
	case asSession:
		if string(val) == "unset" {
			return append(dst, "4294967295"...)
		}
	case asSuccess:
		if i := slices.Index([]string{"no", "yes"}, string(val)); i >= 0 {
			return strconv.AppendInt(dst, int64(i), 10)
		}
	case asCapabilities:
		return fmt.Appendf(dst, "%016x", namedBits(string(val), ","))
	case asA0, asA1, asA2, asA3:
		return strconv.AppendUint(dst, r.argument(string(val)), 16)
	case asSockaddr:
		return appendSockaddr(dst, string(val))
	case asList:
		return appendNumber(dst, ruleLists, val)
	case asSignal:
		return appendNumber(dst, signals, val)
	}
	return append(dst, val...)
}

// appendNumber writes the number that has a name.
func appendNumber(dst []byte, t table, name []byte) []byte {
	for n, s := range t {
		if s == string(name) {
			return strconv.AppendInt(dst, int64(n), 10)
		}
	}
	return append(dst, name...)
}

// appendSockaddr writes { saddr_fam=inet laddr=127.0.0.1 lport=53 } in hex, as
// much of it as there is.
func appendSockaddr(dst []byte, text string) []byte {
	fields := map[string]string{}
	inside := strings.TrimSuffix(strings.TrimPrefix(text, "{ "), " }")
	for word := range strings.FieldsSeq(inside) {
		name, val, _ := strings.Cut(word, "=")
		fields[name] = val
	}
	var b []byte
	for n, family := range families {
		if family == fields["saddr_fam"] {
			b = binary.LittleEndian.AppendUint16(b, uint16(n))
		}
	}
	if b == nil {
		return append(dst, text...)
	}
	port, _ := strconv.ParseUint(fields["lport"], 10, 16)
	addr, _ := netip.ParseAddr(fields["laddr"]) // as zero if it is none
	switch fields["saddr_fam"] {
	case "local":
		_, path, _ := strings.Cut(inside, " path=")
		b = append(append(b, path...), 0)
	case "inet":
		b = append(binary.BigEndian.AppendUint16(b, uint16(port)), addr.AsSlice()...)
		b = append(b, make([]byte, 8)...)
	case "inet6":
		b = append(binary.BigEndian.AppendUint16(b, uint16(port)), 0, 0, 0, 0)
		b = append(append(b, addr.WithZone("").AsSlice()...), 0, 0, 0, 0)
	default:
		b = append(b, make([]byte, 10)...)
	}
	return fmt.Appendf(dst, "%X", b)
}

func (r *restorer) id(dst []byte, field string, val []byte, names NameFile) []byte {
	name := string(val)
	switch id, ok := names.ID(name); {
	case name == "unset":
		return append(dst, "4294967295"...)
	case name == "root":
		return append(dst, '0')
	case ok:
		return strconv.AppendUint(dst, uint64(id), 10)
	}
	if n, ok := strings.CutPrefix(name, "unknown("); ok {
		return append(dst, strings.TrimSuffix(n, ")")...)
	}
	if len(val) > 0 && val[0]-'0' <= 9 {
		return append(dst, val...)
	}
	r.names = fmt.Appendf(r.names, ` %s="%s"`, strings.ToUpper(field), name)
	return append(dst, "4294967295"...)
}

func (r *restorer) call(dst, val []byte) []byte {
	name, _, _ := strings.Cut(string(val), "(") // socketcall(connect)
	if nr, ok := r.Call(r.elf, name); ok {
		return strconv.AppendInt(dst, int64(nr), 10)
	}
	nr := strings.TrimPrefix(string(val), "unknown-syscall(")
	return append(dst, strings.TrimSuffix(nr, ")")...)
}

// appendText writes a name as the kernel does. Bytes that were escaped for a
// terminal become themselves.
func appendText(dst, text []byte) []byte {
	if s := string(text); s == "(null)" || s == "(none)" {
		return append(dst, text...)
	}
	return append(dst, quoted(escapedByte.ReplaceAllFunc(text, func(esc []byte) []byte {
		n, _ := cNumber(esc[1:], 8)
		return []byte{byte(n)}
	}))...)
}

var escapedByte = regexp.MustCompile(`\\(0[0-3][0-7]|177|[23][0-7][0-7])`)

// appendMode writes file,suid,755 in octal.
func appendMode(dst []byte, text string) []byte { return fmt.Appendf(dst, "%#o", modeBits(text)) }

func modeBits(text string) (mode uint64) {
	for word := range strings.SplitSeq(text, ",") {
		n, _ := cNumber([]byte(word), 8)
		mode |= n
		for bits, name := range fileTypes {
			if name == word {
				mode |= uint64(bits)
			}
		}
		for _, f := range specialModes {
			if f.name == word {
				mode |= uint64(f.bits)
			}
		}
	}
	return mode
}

// namedBits is the number of which capabilities have the bits.
func namedBits(text, sep string) (n uint64) {
	for word := range strings.SplitSeq(text, sep) {
		for bit, name := range capabilities {
			if name == word {
				n |= 1 << bit
			}
		}
	}
	return n
}

// argument is that of a call: a number, the working directory, a mode, flags of
// open, a user or a group; of others nobody asks, and they are zero.
func (r *restorer) argument(text string) uint64 {
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		n, _ := cNumber([]byte(hex), 16)
		return n
	}
	switch text {
	case "AT_FDCWD":
		return 0xffffff9c
	case "unset":
		return 0xffffffff
	}
	for _, names := range []NameFile{r.User, r.Group} {
		if id, ok := names.ID(text); ok {
			return uint64(id)
		}
	}
	n := modeBits(text)
	for word := range strings.SplitSeq(text, "|") {
		for _, f := range openFlags {
			if f.name == word {
				n |= uint64(f.bits)
			}
		}
	}
	return n
}
