package encode

import (
	"bytes"
	"cmp"
	"strconv"
	"unicode/utf8"

	"github.com/auditshipper/auditshipper/internal/event"
)

// DefaultMaxBytes is the most CloudWatch Logs takes of one message: 1,048,576
// less the 26 it charges for each.
const DefaultMaxBytes = 1<<20 - 26

// An Encoder turns events into text. Its methods append to what they are given
// and allocate nothing else, but for what they keep to use again.
type Encoder struct {
	Host       string
	IncludeRaw bool  // add the records as audit.log lines
	MaxBytes   int   // no event becomes longer than this; 0: DefaultMaxBytes
	Names      Names // nil: numbers only, but for what the log has names for

	labels []label

	stamp  []byte // a time as text up to its seconds, which most events share with the one before
	second int64  // of stamp

	scratch []byte
	cut     int // the most a field may have, 0 for no limit
	wasCut  bool
}

// Names gives names to numbers. It must not block; "" stands for one that is not
// known (yet) or that does not exist.
type Names interface {
	// UserName is the name of a user.
	UserName(uid uint32) string

	// FileSystem is the id of the EFS on a device, such as fs-0123456789abcdef0, and of
	// the access point by which it is mounted.
	FileSystem(dev event.Dev) (id, accessPoint string)
}

// AppendJSON appends an event as one JSON object without a newline. One that
// would be too long is shortened, field by field, and says so.
func (enc *Encoder) AppendJSON(dst []byte, e *event.Event) []byte {
	return enc.fit(dst, e, (*Encoder).appendObject)
}

func (enc *Encoder) limit() int { return cmp.Or(enc.MaxBytes, DefaultMaxBytes) }

// fit appends an event as form does, with ever shorter fields until it is not
// too long.
func (enc *Encoder) fit(dst []byte, e *event.Event, form func(*Encoder, []byte, *event.Event) []byte) []byte {
	start, limit := len(dst), enc.limit()
	enc.cut, enc.wasCut = 0, false
	for _, cut := range [...]int{0, 16384, 4096, 1024, 256, 64, 16} {
		enc.cut, enc.wasCut = cut, cut > 0
		dst = form(enc, dst[:start], e)
		if len(dst)-start <= limit {
			break
		}
	}
	return dst
}

func (enc *Encoder) appendObject(dst []byte, e *event.Event) []byte {
	dst = append(dst, `{"v":1,"id":"`...)
	dst = e.ID.Append(dst)
	dst = append(dst, `","time":"`...)
	dst = enc.appendTime(dst, e.ID)
	dst = append(dst, '"')
	dst = enc.str(dst, "host", enc.Host)
	dst = enc.appendLabels(dst, e)
	dst = enc.bytes(dst, "key", e.Key)
	dst = enc.str(dst, "action", e.Action)
	dst = enc.str(dst, "syscall", e.Syscall)
	if e.Success != event.Unknown {
		dst = append(dst, `,"success":`...)
		dst = strconv.AppendBool(dst, e.Success == event.Yes)
	}
	dst = enc.str(dst, "errno", e.Errno)
	dst = enc.appendNames(dst, e)
	dst = enc.appendWho(dst, e)
	dst = enc.appendFields(dst, e)
	if e.Partial {
		dst = append(dst, `,"partial":true`...)
	}
	if enc.IncludeRaw && !enc.wasCut {
		enc.scratch = enc.AppendRaw(enc.scratch[:0], e)
		dst = enc.bytes(dst, "raw", enc.scratch)
	}
	if enc.wasCut || e.Truncated || e.TitleCut {
		dst = append(dst, `,"truncated":true`...)
	}
	return append(dst, '}')
}

// appendTime appends an event's own time in event.TimeFormat.
func (enc *Encoder) appendTime(dst []byte, id event.ID) []byte {
	if id.Sec != enc.second || len(enc.stamp) == 0 {
		enc.second, enc.stamp = id.Sec, id.Time().AppendFormat(enc.stamp[:0], "2006-01-02T15:04:05")
	}
	dst = append(dst, enc.stamp...)
	return append(dst, '.', '0'+byte(id.Milli/100), '0'+byte(id.Milli/10%10), '0'+byte(id.Milli%10), 'Z')
}

func (enc *Encoder) appendNames(dst []byte, e *event.Event) []byte {
	path, dest := &e.Path, &e.Dest
	dst = enc.exact(dst, "path", "path_hex", path.Path)
	dst = enc.exact(dst, "dest", "dest_hex", dest.Path)
	dst = enc.str(dst, "path_from", path.From.String())
	if dest.From != path.From {
		dst = enc.str(dst, "dest_from", dest.From.String())
	}
	dst = enc.exact(dst, "parent", "parent_hex", path.Dir)
	dst = enc.exact(dst, "dest_parent", "dest_parent_hex", dest.Dir)
	dst = quoted(dst, "parent_inode", path.ParentIno)
	dst = quoted(dst, "dest_parent_inode", dest.ParentIno)
	dst = quoted(dst, "overwrote", e.Overwrote)
	if e.Exchange {
		dst = append(dst, `,"exchange":true`...)
	}
	dst = enc.exact(dst, "target", "target_hex", e.Target)

	of, dev := path, path.Dev
	if !of.Has && dest.Has {
		of, dev = dest, dest.Dev
	}
	if of.Has {
		dst = enc.str(dst, "type", of.Type())
		dst = quoted(dst, "inode", of.Ino)
		dst = append(dst, `,"mode":"`...)
		dst = append(dst, '0'+byte(of.Mode>>9&7), '0'+byte(of.Mode>>6&7), '0'+byte(of.Mode>>3&7), '0'+byte(of.Mode&7), '"')
	}
	dev = orParents(dev, e)
	dst = enc.bytes(dst, "dev", dev)
	id, accessPoint := enc.fileSystem(dev)
	return enc.str(enc.str(dst, "fs_id", id), "access_point", accessPoint)
}

// orParents is the device of a file, or else that of a directory it is in.
func orParents(dev []byte, e *event.Event) []byte {
	if dev == nil {
		dev = e.Path.ParentDev
	}
	if dev == nil {
		dev = e.Dest.ParentDev
	}
	return dev
}

// fileSystem returns the EFS on a device and its access point, empty if it is none.
func (enc *Encoder) fileSystem(dev []byte) (id, accessPoint string) {
	if enc.Names == nil || len(dev) == 0 {
		return "", ""
	}
	return enc.Names.FileSystem(event.ParseDev(dev))
}

func (enc *Encoder) appendWho(dst []byte, e *event.Event) []byte {
	dst = enc.user(dst, "auid", "auid_name", e.AUID, &e.LogAUID)
	dst = enc.user(dst, "uid", "uid_name", e.UID, &e.LogUID)
	if e.Ses != event.Unset {
		dst = number(dst, "ses", e.Ses)
	}
	dst = enc.bytes(dst, "tty", e.TTY)
	if e.PID != 0 {
		dst = number(dst, "pid", e.PID)
	}
	if e.PPID != 0 {
		dst = number(dst, "ppid", e.PPID)
	}
	dst = enc.exact(dst, "comm", "comm_hex", e.Comm)
	dst = enc.exact(dst, "exe", "exe_hex", e.Exe)
	if !plainTitle(e) {
		enc.scratch = appendShell(enc.scratch[:0], e.Title)
		dst = enc.bytes(dst, "cmd", enc.scratch)
		if !utf8.Valid(e.Title) {
			dst = enc.hex(dst, "cmd_hex", e.Title)
		}
	}
	if needsCwd(e) {
		dst = enc.exact(dst, "cwd", "cwd_hex", e.Cwd)
	}
	dst = enc.str(dst, "container", e.Container)
	dst = enc.str(dst, "unit", e.Unit)
	dst = enc.str(dst, "ssm_session", e.SSMSession)
	dst = enc.str(dst, "login_addr", e.LoginAddr)
	return enc.str(dst, "login_term", e.LoginTerm)
}

// plainTitle says whether the command line tells nothing, since it is only the
// program's name.
func plainTitle(e *event.Event) bool {
	title := bytes.TrimRight(e.Title, "\x00")
	return len(title) == 0 || bytes.Equal(title, e.Comm) || bytes.Equal(title, e.Exe)
}

// needsCwd says whether anything in the event may be relative to the working
// directory: a path, or an argument of the command line.
func needsCwd(e *event.Event) bool {
	found := e.Path.Path != nil && e.Path.Found() && (e.Dest.Found() || e.Dest.From == event.FromNone)
	return !found || !plainTitle(e)
}

func (enc *Encoder) appendFields(dst []byte, e *event.Event) []byte {
	fields := e.Fields()
	for i := range fields {
		f := &fields[i]
		dst = append(dst, `,"`...)
		dst = appendEscaped(dst, f.Key)
		dst = append(dst, `":`...)
		if !f.Bare {
			dst = append(dst, '"')
			dst = appendEscaped(dst, enc.short(f.Val))
			dst = append(dst, '"')
			continue
		}
		dst = append(dst, f.Val...)
	}
	return dst
}

func (enc *Encoder) user(dst []byte, key, nameKey string, id uint32, log *event.LogName) []byte {
	if id == event.Unset {
		return dst
	}
	dst = number(dst, key, id)
	if log.Known {
		return enc.bytes(dst, nameKey, log.Name)
	}
	if enc.Names != nil {
		dst = enc.str(dst, nameKey, enc.Names.UserName(id))
	}
	return dst
}

func number(dst []byte, key string, n uint32) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	dst = append(dst, `":`...)
	return strconv.AppendUint(dst, uint64(n), 10)
}

// quoted appends a 64-bit number as a string, since JSON's numbers lose its
// last digits in most readers; 0 is left out.
func quoted(dst []byte, key string, n uint64) []byte {
	if n == 0 {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	dst = append(dst, `":"`...)
	dst = strconv.AppendUint(dst, n, 10)
	return append(dst, '"')
}

// short cuts a value that is too long for the limit in force.
func (enc *Encoder) short(v []byte) []byte {
	if enc.cut > 0 && len(v) > enc.cut {
		return v[:enc.cut]
	}
	return v
}

func (enc *Encoder) str(dst []byte, key, v string) []byte {
	if v == "" {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	dst = append(dst, `":"`...)
	dst = appendEscaped(dst, v)
	return append(dst, '"')
}

func (enc *Encoder) bytes(dst []byte, key string, v []byte) []byte {
	if len(v) == 0 {
		return dst
	}
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	dst = append(dst, `":"`...)
	dst = appendEscaped(dst, enc.short(v))
	return append(dst, '"')
}

// exact appends a value that may be any bytes, and its hex if it is not UTF-8.
func (enc *Encoder) exact(dst []byte, key, hexKey string, v []byte) []byte {
	dst = enc.bytes(dst, key, v)
	if len(v) > 0 && !utf8.Valid(v) {
		dst = enc.hex(dst, hexKey, v)
	}
	return dst
}

func (enc *Encoder) hex(dst []byte, key string, v []byte) []byte {
	dst = append(dst, `,"`...)
	dst = append(dst, key...)
	dst = append(dst, `":"`...)
	for _, c := range enc.short(v) {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, '"')
}

// appendEscaped appends the inside of a JSON string. Bytes that are not UTF-8
// are shown as \xNN. Characters that a terminal obeys or that turn text around are
// escaped as JSON does, so that a line can be looked at as it is.
func appendEscaped[T string | []byte](dst []byte, v T) []byte {
	start := 0
	for i := 0; i < len(v); {
		c := v[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := runeAt(v[i:]); n > 0 {
				if commands(r) {
					dst = append(dst, v[start:i]...)
					dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
					start = i + n
				}
				i += n
				continue
			}
		}
		dst = append(dst, v[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	return append(dst, v[start:]...)
}

// commands says whether a character is none to be seen: a control character (C1), one that
// sets the direction of text, or one that ends a line. All are below U+10000.
func commands(r rune) bool {
	return r < 0xa0 || r == 0x061c || r >= 0x200e && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfeff
}

// runeAt is the character that v begins with and its length, 0 if it is not one.
func runeAt[T string | []byte](v T) (rune, int) {
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], v)
	r, size := utf8.DecodeRune(buf[:n])
	if r == utf8.RuneError && size <= 1 {
		return 0, 0
	}
	return r, size
}

func appendEscape(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c < ' ' || c == 0x7f:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}
