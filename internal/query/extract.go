package query

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/event"
)

// absentNumber is a number that no record has. It equals none that can be asked for.
const absentNumber = Any + 1

// A person is a user as a record tells of one.
type person struct {
	id   int64
	name string // only if a name is asked for
}

// An extract is what an event's records have of what is searched for. Where
// several have it, the last one counts, as it does for ausearch.
type extract struct {
	s      *Search
	extras []byte // the names that auditd wrote down for the users of the event

	pid, ppid, gid, egid   int64
	session, syscall, exit int64
	arch                   int64
	uid, euid, auid        person
	success                event.Tristate

	host, term, exe, comm, vm, uuid, cwd []byte
	files, keys, subjects, objects       [][]byte

	callName string // of the system call, where that is all that is known

	acct    []byte // the account that a message is about
	parents uint64 // bits: the files that aureport knows to be directories of others
}

func (x *extract) reset(s *Search, e *Event) {
	nobody := person{id: absentNumber}
	*x = extract{
		s: s, pid: absentNumber, ppid: absentNumber, gid: absentNumber, egid: absentNumber,
		session: absentNumber, syscall: absentNumber, exit: absentNumber,
		uid: nobody, euid: nobody, auid: nobody,
		files: x.files[:0], keys: x.keys[:0], subjects: x.subjects[:0], objects: x.objects[:0],
	}
	if s.Compat {
		x.syscall = 0 // what ausearch takes an event without a call for
	}
	x.extras = e.userNames(s.Compat)
}

// userNames are the names that auditd wrote down for the users of the event: at
// its system call, which is the first record for ausearch.
func (e *Event) userNames(compat bool) []byte {
	if len(e.Records) == 1 {
		return e.Records[0].Extra
	}
	for i := range e.Records {
		if e.Records[i].Type == typeSyscall {
			return e.Records[i].Extra
		}
		if compat {
			break
		}
	}
	return nil
}

// Record types that have their own order of fields, from linux/audit.h and libaudit.
const (
	typeLogin      event.Type = 1006
	typeUserAVC    event.Type = 1107
	typeGroupAdd   event.Type = 1116
	typeGroupDel   event.Type = 1117
	typeGroupMgmt  event.Type = 1132
	typeIPC        event.Type = 1303
	typeConfig     event.Type = 1305
	typeSockaddr   event.Type = 1306
	typeCWD        event.Type = 1307
	typeObjPID     event.Type = 1318
	typeTTY        event.Type = 1319
	typePacket     event.Type = 1324
	typeNetfilter  event.Type = 1325
	typeSeccomp    event.Type = 1326
	typeFeature    event.Type = 1328
	typeListener   event.Type = 1335
	typeAVC        event.Type = 1400
	typeAVCPath    event.Type = 1402
	typePromisc    event.Type = 1700
	typeAbend      event.Type = 1701
	typeAnomLink   event.Type = 1702
	typeVMResource event.Type = 2500
	typeVMMachine  event.Type = 2502
)

// all takes what all records have. It returns false for an event with a record
// that is spoilt in what is asked for.
func (x *extract) all(e *Event) bool { return x.spoilt(e) < 0 }

// spoilt does as all, and returns which record is spoilt, -1 for none.
func (x *extract) spoilt(e *Event) int {
	for i := range e.Records {
		r := &e.Records[i]
		if !x.one(r.Type, &cursor{msg: r.Line}) {
			return i
		}
	}
	return -1
}

func (x *extract) one(t event.Type, c *cursor) bool {
	switch t {
	case typeSyscall:
		return x.call(c)
	case typeUringop:
		return x.s.Compat || x.task(c) && x.key(c)
	case typeCWD:
		return x.directory(c)
	case typePath:
		return x.path(c)
	case typeAVCPath:
		return x.s.File == "" || c.after(" path=") && x.file(c)
	case typeSockaddr:
		return x.address(c)
	case typeLogin:
		return x.login(c)
	case typeIPC, typeObjPID:
		x.context(c, &x.objects, x.s.Object, "obj=")
		return true
	case 1200, 1201, 1202, 1203, 1205, 1206: // DAEMON_START, _END, _ABORT, _CONFIG, _ROTATE, _RESUME
		return x.daemon(c)
	case 1207, 1208: // DAEMON_ACCEPT, _CLOSE
		return x.remote(c)
	case typeConfig:
		return x.config(t, c)
	case typeAVC, typeUserAVC:
		return x.avc(t, c)
	case typePacket:
		return x.packet(c)
	case typeFeature, typeAnomLink:
		return x.task(c)
	case typeSeccomp, typePromisc, typeAbend:
		return x.anomaly(t, c)
	case typeNetfilter, typeListener:
		return x.kernel(c)
	case typeTTY:
		return x.tty(c)
	}
	return x.oneOf(t, c)
}

// oneOf takes a record whose type is one of a range.
func (x *extract) oneOf(t event.Type, c *cursor) bool {
	switch {
	case t == 1005, t >= 1100 && t <= 1199, t >= 2100 && t <= 2999: // user space
		return x.user(t, c)
	case t >= 1403 && t <= 1417: // MAC_POLICY_LOAD to MAC_UNLBL_STCDEL
		return x.simple(t, c)
	case t >= 1800 && t <= 1805: // INTEGRITY_DATA to INTEGRITY_RULE
		return x.integrity(c)
	}
	return true
}

// named gives p its name if names are asked for.
func (x *extract) named(p *person, field string) {
	if x.s.UID.Name == "" && x.s.EUID.Name == "" && x.s.AUID.Name == "" {
		return
	}
	p.name = ""
	if name, ok := extraField(x.extras, field); ok {
		p.name = name
	} else if p.id == 1<<32-1 {
		p.name = "unset"
	} else {
		p.name = x.s.Users.UserName(uint32(p.id))
	}
}

// extraField finds what auditd wrote for a field: UID="root" AUID="unset".
func extraField(extra []byte, field string) (string, bool) {
	for len(extra) > 0 {
		var pair []byte
		pair, extra, _ = bytes.Cut(extra, []byte(" "))
		name, val, ok := bytes.Cut(pair, []byte("="))
		if ok && string(bytes.ToLower(name)) == field {
			return string(bytes.Trim(val, `"`)), true
		}
	}
	return "", false
}

// context takes a label, up to a space or the end.
func (x *extract) context(c *cursor, to *[][]byte, asked, name string) {
	if asked == "" {
		return
	}
	if v, p := c.word(name); p != absent {
		*to = append(*to, v)
	}
}

// label takes a label that must not be cut off.
func (x *extract) label(c *cursor, to *[][]byte, asked, name string) bool {
	if asked == "" {
		return true
	}
	v, p := c.word(name)
	if p == good {
		*to = append(*to, v)
	}
	return p != cut
}

// textField takes a field that is quoted or hex and need not be there.
func textField(c *cursor, asked string, to *[]byte, name string) bool {
	if asked == "" {
		return true
	}
	v, p := c.text(name)
	if p == good {
		*to = v
	}
	return p != cut
}

// result takes a number that says whether it went well.
func (x *extract) result(c *cursor) {
	if x.s.Success == event.Unknown {
		return
	}
	if v, p := c.word("res="); p != absent {
		x.success = event.No
		if number(v) == 1 {
			x.success = event.Yes
		}
	}
}

// file takes the name of a file at the cursor.
func (x *extract) file(c *cursor) bool {
	rest := c.msg[c.at:]
	var name []byte
	switch {
	case len(rest) > 0 && rest[0] == '"':
		v, p := c.here()
		if p == cut {
			return false
		}
		name = v
	case bytes.HasPrefix(rest, []byte("(null)")):
		x.files = append(x.files, rest[:len("(null)")])
		return true
	case len(rest) == 0 || !isHex(rest[0]):
		return false
	case bytes.HasPrefix(rest, []byte("00")):
		name = unescape(rest[2:]) // a socket without a file
	default:
		v, p := c.until(' ')
		if p == cut {
			return false
		}
		name = unescape(v)
	}
	if name == nil {
		return false
	}
	if len(name) > 1 && name[0] == '.' && (name[1] == '.' || name[1] == '/') && x.cwd != nil {
		name = append(append(bytes.Clone(x.cwd), '/'), name...)
	}
	x.files = append(x.files, name)
	return true
}

// key takes a rule's keys.
func (x *extract) key(c *cursor) bool {
	if x.s.Key == "" || !c.after("key=") {
		return true
	}
	if c.at < len(c.msg) && c.msg[c.at] == '"' {
		v, p := c.here()
		if p == good {
			x.keys = append(x.keys, v)
		}
		return p == good
	}
	v := unescape(c.msg[c.at:])
	for part := range bytes.SplitSeq(v, []byte{1}) {
		if len(part) > 0 {
			x.keys = append(x.keys, part)
		}
	}
	return v != nil
}
