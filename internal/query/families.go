package query

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Each family of records has its fields in an order of its own. What is asked
// for is taken in that order.

// call takes a SYSCALL record.
func (x *extract) call(c *cursor) bool {
	s := x.s
	if s.Machine != Any {
		v, p := c.word("arch=")
		if p != good {
			return false
		}
		x.arch = hexNumber(v)
	}
	if !c.must(true, &x.syscall, "syscall=") {
		return false
	}
	if s.Success != event.Unknown {
		v, p := c.word("success=")
		if p == cut {
			return false
		}
		if p == good {
			x.success = event.No
			if string(v) == "yes" {
				x.success = event.Yes
			}
		}
	}
	if s.Exit != Any {
		v, p := c.word("exit=")
		if p != good {
			return false
		}
		x.exit = signed(v)
	}
	for _, name := range []string{"a0=", "a1="} {
		if v, p := c.word(name); p != good || s.Compat && len(v) > 16 { // which is no number of 64 bits
			return false
		}
	}
	c.at = 0
	return x.task(c) && x.key(c)
}

// task takes what the kernel says of the process.
func (x *extract) task(c *cursor) bool {
	s := x.s
	ok := c.may(s.PPID != Any, &x.ppid, "ppid=") &&
		c.must(s.PID != Any, &x.pid, " pid=") &&
		x.person(c, s.AUID, &x.auid, "auid", "auid=", "loginuid=") &&
		x.uidOnly(c) &&
		c.must(s.GID != Any, &x.gid, "gid=") &&
		x.person(c, s.EUID, &x.euid, "euid", "euid=") &&
		c.must(s.EGID != Any, &x.egid, "egid=")
	if !ok {
		return false
	}
	if s.Term != "" {
		v, p := c.word("tty=")
		if p == cut {
			return false
		}
		if p == good {
			x.term = v
		}
	}
	if !c.may(s.Session != Any, &x.session, "ses=") {
		return false
	}
	if s.Comm != "" {
		v, p := c.text("comm=")
		if p != good {
			return false
		}
		x.comm = v
	}
	if s.Exe != "" {
		c.at = 0
		v, p := c.text("exe=")
		if p != good {
			return false
		}
		x.exe = v
	}
	if !x.label(c, &x.subjects, s.Subject, "subj=") {
		return false
	}
	at := c.at
	x.result(c)
	c.at = at
	return true
}

// person takes a user who has to be there if asked for, under one of several names.
func (x *extract) person(c *cursor, asked User, to *person, field string, names ...string) bool {
	if !asked.asked() {
		return true
	}
	for _, name := range names {
		v, p := c.word(name)
		if p == cut {
			return false
		}
		if p == good {
			to.id = number(v)
			x.named(to, field)
			return true
		}
	}
	return false
}

// uidOnly takes the uid and not the auid.
func (x *extract) uidOnly(c *cursor) bool {
	if !x.s.UID.asked() {
		return true
	}
	for c.after("uid=") {
		if before := c.at - len("uid=") - 1; before >= 0 && c.msg[before] == 'a' {
			continue
		}
		v, p := c.until(' ')
		if p == cut {
			return false
		}
		x.uid.id = number(v)
		x.named(&x.uid, "uid")
		return true
	}
	return false
}

// headerLen is how much of a line a PATH or CWD record's fields cannot be in.
const headerLen = 28

func skipHeader(c *cursor) { c.at = min(headerLen, len(c.msg)) }

func (x *extract) directory(c *cursor) bool {
	skipHeader(c)
	if x.s.File == "" {
		return true
	}
	v, p := c.text(" cwd=")
	if p == good && x.cwd == nil {
		x.cwd = v
	}
	return p != cut
}

func (x *extract) path(c *cursor) bool {
	skipHeader(c)
	if x.s.File != "" && c.after(" name=") {
		at, n := c.at, len(x.files)
		if !x.file(c) {
			return false
		}
		if bytes.HasSuffix(c.msg, []byte(" nametype=PARENT")) { // not before cap_fp=, as newer kernels write it
			x.parents |= 1 << n
		}
		c.at = at
	}
	x.context(c, &x.objects, x.s.Object, "obj=")
	return true
}

// address takes a SOCKADDR record.
func (x *extract) address(c *cursor) bool {
	if x.s.Host == "" && x.s.File == "" || !c.after("saddr=") {
		return true
	}
	b := decodeHex(c.msg[c.at:])
	if len(b) < 2 {
		return len(c.msg[c.at:]) > 0 && c.msg[c.at] == '('
	}
	x.host = nil
	switch family := int(b[0]) | int(b[1])<<8; {
	case family == 1 && len(b) < 4, family == 2 && len(b) < 16, family == 10 && len(b) < 28:
		return false
	case family == 1 && x.s.File != "":
		name := b[2:]
		if name[0] == 0 {
			name = name[1:]
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		x.files = append(x.files, name)
	case family == 2 && x.s.Host != "":
		ip, _ := netip.AddrFromSlice(b[4:8])
		x.host = []byte(ip.String())
	case family == 10 && x.s.Host != "":
		x.host = []byte(inet6(b))
	}
	return true
}

// login takes a LOGIN record.
func (x *extract) login(c *cursor) bool {
	s := x.s
	if !c.must(s.PID != Any, &x.pid, "pid=") || !x.person(c, s.UID, &x.uid, "uid", "uid=") ||
		!x.label(c, &x.subjects, s.Subject, "subj=") {
		return false
	}
	var id int64
	if s.AUID.asked() {
		if !c.last(true, &id, "new auid=") && !c.last(true, &id, " auid=") && !c.last(true, &id, "new loginuid=") {
			return false
		}
		x.auid.id = id
		x.named(&x.auid, "auid")
	}
	if s.Success != event.Unknown {
		x.success = event.Yes // old kernels do not say it
		at := c.at
		x.result(c)
		if c.at >= len(c.msg) {
			c.at = at
		}
	}
	return s.Session == Any || c.last(true, &x.session, "new ses=") || c.last(true, &x.session, " ses=")
}

// daemon takes a record of auditd about itself.
func (x *extract) daemon(c *cursor) bool {
	s := x.s
	c.at = max(0, bytes.IndexByte(c.msg, ')'))
	start := c.at
	if !x.person(c, s.AUID, &x.auid, "auid", "auid=") || !c.must(s.PID != Any, &x.pid, "pid=") ||
		!c.may(s.UID.asked(), &x.uid.id, " uid=") || !c.may(s.Session != Any, &x.session, "ses=") {
		return false
	}
	x.context(c, &x.subjects, s.Subject, "subj=")
	c.at = start
	return x.spelled(c)
}

// remote takes a record of auditd about another host's.
func (x *extract) remote(c *cursor) bool {
	if x.s.Host != "" && c.after("addr=") {
		v, p := c.until(':')
		if p == cut {
			v, p = c.until(' ')
		}
		if p == cut {
			return false
		}
		x.host = v
	}
	return x.spelled(c)
}

// spelled takes a result that is a word.
func (x *extract) spelled(c *cursor) bool {
	if x.s.Success == event.Unknown || !c.after("res=") {
		return true
	}
	rest := c.msg[c.at:]
	if len(rest) == 0 || rest[0]|0x20 < 'a' || rest[0]|0x20 > 'z' {
		return false
	}
	x.success = event.Yes
	if bytes.HasPrefix(rest, []byte("failed")) {
		x.success = event.No
	}
	return true
}

// config takes a CONFIG_CHANGE record.
func (x *extract) config(t event.Type, c *cursor) bool {
	ok := x.simple(t, c)
	c.at = 0
	if x.s.File != "" && c.after(" path=") {
		x.file(c)
	}
	c.at = 0
	if x.s.File != "" && !x.s.Compat && c.after(" dir=") {
		x.file(c)
	}
	return ok
}

// simple takes a record that has little of what is searched for.
func (x *extract) simple(t event.Type, c *cursor) bool {
	s := x.s
	if s.AUID.asked() {
		if c.last(true, &x.auid.id, "auid=") {
			x.named(&x.auid, "auid")
		} else if t != typeConfig {
			return false
		}
	}
	c.last(s.Session != Any, &x.session, "ses=")
	x.context(c, &x.subjects, s.Subject, "subj=")
	at := c.at
	if !x.key(c) {
		return false
	}
	if c.at <= at || c.msg[c.at-1] != '"' && (c.at >= len(c.msg) || c.msg[c.at] != '"') {
		c.at = at // behind a key in hex ausearch looks from where it began
	}
	if t == typeConfig {
		x.success = event.Yes
	}
	x.result(c)
	return true
}

func (x *extract) packet(c *cursor) bool {
	if x.s.Host != "" {
		v, p := c.word("saddr=")
		if p == cut {
			return false
		}
		if p == good {
			x.host = v
		}
		c.at = 0
	}
	x.context(c, &x.objects, x.s.Object, "obj=")
	return true
}

// avc takes what a security module says. One without a class, as AppArmor
// writes, is spoilt only for ausearch.
func (x *extract) avc(t event.Type, c *cursor) bool {
	s := x.s
	if c.after("avc: ") {
		v, p := c.until('{')
		if p == good {
			if s.Success != event.Unknown {
				x.success = event.Yes
				if bytes.Contains(v, []byte("denied")) {
					x.success = event.No
				}
			}
			if _, p := c.until('}'); p == cut {
				return false
			}
		} else {
			c.at = 0
		}
	}
	if t == typeUserAVC {
		x.user(t, c)
		return true
	}
	if !c.may(s.PID != Any, &x.pid, "pid=") {
		return false
	}
	if s.Comm != "" && x.comm == nil {
		v, p := c.text("comm=")
		if p != good || v == nil {
			return false
		}
		x.comm = v
	}
	if s.File != "" {
		at := c.at
		if c.after(" path=") || c.after(" name=") {
			if !x.file(c) {
				return false
			}
		}
		c.at = at
	}
	if !x.label(c, &x.subjects, s.Subject, "scontext=") || !x.label(c, &x.objects, s.Object, "tcontext=") {
		return false
	}
	return c.after("tclass=") || !s.Compat
}

// anomaly takes a SECCOMP, ANOM_ABEND or ANOM_PROMISCUOUS record.
func (x *extract) anomaly(t event.Type, c *cursor) bool {
	s := x.s
	if s.AUID.asked() {
		if !c.last(true, &x.auid.id, "auid=") {
			return false
		}
		x.named(&x.auid, "auid")
	}
	if s.UID.asked() {
		if !c.may(true, &x.uid.id, "uid=") {
			return false
		}
		x.named(&x.uid, "uid")
	}
	if !c.may(s.GID != Any, &x.gid, "gid=") {
		return false
	}
	c.last(s.Session != Any, &x.session, "ses=")
	if t == typePromisc {
		return true
	}
	if !x.label(c, &x.subjects, s.Subject, "subj=") || !c.may(s.PID != Any, &x.pid, "pid=") ||
		!textField(c, s.Comm, &x.comm, "comm=") {
		return false
	}
	if s.Exe != "" {
		v, p := c.text("exe=")
		if p == cut || p == absent && t != typeAbend {
			return false
		}
		if p == good {
			x.exe = v
		}
	}
	if t == typeSeccomp {
		v, p := c.word("arch=")
		if p == absent {
			return true
		}
		x.arch = hexNumber(v)
		if p == cut || !c.must(true, &x.syscall, "syscall=") {
			return false
		}
	}
	x.result(c)
	return true
}

// kernel takes a record that comes with a SYSCALL record or alone; what that
// one said counts.
func (x *extract) kernel(c *cursor) bool {
	s := x.s
	ok := c.must(s.PID != Any && x.pid == absentNumber, &x.pid, " pid=") &&
		x.orElse(c, s.UID, &x.uid, "uid", 0) &&
		x.orElse(c, s.AUID, &x.auid, "auid", 1<<32-1)
	if !ok {
		return false
	}
	if s.Term != "" && x.term == nil {
		v, p := c.word("tty=")
		if p == cut {
			return false
		}
		x.term = v
		if p == absent {
			x.term = []byte("(none)")
		}
	}
	if s.Session != Any && x.session == absentNumber {
		x.session = 1<<32 - 1
		if !c.may(true, &x.session, "ses=") {
			return false
		}
	}
	if s.Subject != "" && len(x.subjects)+len(x.objects) == 0 && (!x.label(c, &x.subjects, s.Subject, "subj=") || len(x.subjects) == 0) {
		return false
	}
	if s.Comm != "" && x.comm == nil && (!textField(c, s.Comm, &x.comm, "comm=") || x.comm == nil) {
		return false
	}
	if s.Exe != "" && x.exe == nil {
		x.exe = []byte("(null)")
		c.at = 0
		if !textField(c, s.Exe, &x.exe, "exe=") {
			return false
		}
	}
	x.result(c)
	return true
}

// orElse takes a user unless there is one already; without one in the record it
// is the given one.
func (x *extract) orElse(c *cursor, asked User, to *person, field string, id int64) bool {
	if !asked.asked() || to.id != absentNumber {
		return true
	}
	to.id = id
	ok := c.may(true, &to.id, field+"=")
	x.named(to, field)
	return ok
}

func (x *extract) tty(c *cursor) bool {
	s := x.s
	if !c.may(s.PID != Any, &x.pid, "pid=") {
		return false
	}
	if s.UID.asked() {
		if !c.may(true, &x.uid.id, " uid=") {
			return false
		}
		x.named(&x.uid, "uid")
	}
	if s.AUID.asked() {
		if !c.last(true, &x.auid.id, "auid=") {
			return false
		}
		x.named(&x.auid, "auid")
	}
	return c.may(s.Session != Any, &x.session, "ses=") && textField(c, s.Comm, &x.comm, "comm=")
}

func (x *extract) integrity(c *cursor) bool {
	s := x.s
	if !c.may(true, &x.pid, "pid=") {
		return false
	}
	if s.UID.asked() {
		if !c.may(true, &x.uid.id, " uid=") {
			return false
		}
		x.named(&x.uid, "uid")
	}
	if s.AUID.asked() {
		c.at = 0
		if !c.may(true, &x.auid.id, "auid=") {
			return false
		}
		x.named(&x.auid, "auid")
	}
	if !c.may(s.Session != Any, &x.session, "ses=") || !x.label(c, &x.subjects, s.Subject, "subj=") ||
		!textField(c, s.Comm, &x.comm, "comm=") {
		return false
	}
	if s.File != "" {
		at := c.at
		if c.after(" name=") && !x.file(c) {
			return false
		}
		c.at = at
	}
	x.result(c)
	return true
}

// user takes a record of user space: the process that wrote it, then in
// msg='…' what it is about.
func (x *extract) user(t event.Type, c *cursor) bool {
	s := x.s
	if !c.must(s.PID != Any, &x.pid, "pid=") || !x.person(c, s.UID, &x.uid, "uid", "uid=") ||
		!x.person(c, s.AUID, &x.auid, "auid", "auid=", "loginuid=") ||
		!c.may(s.Session != Any, &x.session, "ses=") || !x.label(c, &x.subjects, s.Subject, "subj=") {
		return false
	}
	if t == typeUserAVC {
		at := c.at
		if v, p := c.word("tcontext="); p == good && s.Object != "" {
			x.objects = append(x.objects, v)
		} else {
			c.at = at
		}
	}
	if s.GID != Any && (t == typeGroupAdd || t == typeGroupDel || t == typeGroupMgmt) {
		if v, p := c.word(" id="); p == good {
			x.gid = number(v)
		} else if p == cut || t == typeGroupMgmt && !c.may(true, &x.gid, "gid=") {
			return false
		}
	}
	at := c.at
	if !textField(c, s.VM, &x.vm, "vm=") {
		return false
	}
	if s.UUID != "" && c.after("uuid=") {
		x.uuid = c.msg[c.at:]
		if i := bytes.IndexAny(x.uuid, " :"); i >= 0 {
			x.uuid = x.uuid[:i]
		}
	}
	if t == typeVMMachine && (!x.label(c, &x.subjects, s.Subject, "vm-ctx=") || !x.label(c, &x.objects, s.Object, "img-ctx=")) {
		return false
	}
	if t == typeVMResource && s.File != "" {
		c.at = at
		if (c.after(" path=") || c.after(" new-disk=")) && !x.file(c) {
			return false
		}
	}
	return x.second(c) && x.account(c)
}

// second takes the uid that the message is about, which counts more than the
// writer's.
func (x *extract) second(c *cursor) bool {
	if !x.s.UID.asked() {
		return true
	}
	start := c.at
	for c.after("uid=") {
		before := c.msg[max(0, c.at-len("uid=")-1)]
		switch before {
		case 'a':
			continue
		case 's', 'u':
			c.at = start
			return true
		case '\'', ' ':
		default:
			return false
		}
		rest := c.msg[c.at:]
		if len(rest) == 0 || rest[0]-'0' > 9 {
			return false
		}
		x.uid.id = number(rest)
		x.named(&x.uid, "uid")
		for c.at < len(c.msg) && c.msg[c.at]-'0' <= 9 {
			c.at++
		}
		return true
	}
	return true
}

// account takes what the message says.
func (x *extract) account(c *cursor) bool {
	s := x.s
	at := c.at
	if !textField(c, s.Comm, &x.comm, "comm=") {
		return false
	}
	c.at = at
	if c.after("acct=") {
		x.acct, _ = legacyText(&cursor{msg: c.msg, at: c.at})
		skipValue(c)
		at = c.at
	}
	c.at = at
	if s.Host != "" && !x.hostname(c) {
		return false
	}
	c.at = at
	if s.File != "" && c.after("cwd=") {
		v, p := legacyText(c)
		if p == cut {
			return false
		}
		x.cwd = v
	}
	c.at = at
	if s.Term != "" && c.after("terminal=") {
		v, p := c.until(' ')
		if p == cut {
			v, p = c.until(')')
		}
		if p == cut {
			return false
		}
		x.term = v
	}
	c.at = at
	if s.Exe != "" && c.after("exe=") {
		v, p := legacyText(c)
		if p == cut {
			return false
		}
		x.exe = v
	}
	c.at = at
	return s.Success == event.Unknown || x.outcome(c)
}

// skipValue goes behind a value that is quoted or a word.
func skipValue(c *cursor) {
	end := byte(' ')
	if c.at < len(c.msg) && c.msg[c.at] == '"' {
		c.at++
		end = '"'
	}
	if _, p := c.until(end); p == cut {
		c.at = len(c.msg)
	}
}

// legacyText returns a value that is quoted, hex, or, from old programs, as it is.
func legacyText(c *cursor) ([]byte, presence) {
	if c.at < len(c.msg) && c.msg[c.at] == '"' {
		return c.here()
	}
	v, _ := c.until(' ')
	for _, b := range v {
		if !isHex(b) {
			return v, good
		}
	}
	return unescape(v), good
}

func (x *extract) hostname(c *cursor) bool {
	for _, name := range []string{"hostname=", "addr="} {
		if !c.after(name) {
			return true
		}
		v, p := c.until(',')
		if p == cut {
			v, p = c.until(' ')
		}
		if p == cut {
			return false
		}
		x.host = v
		if string(v) != "?" {
			return true
		}
	}
	return true
}

// outcome takes res=success' or (result=Success).
func (x *extract) outcome(c *cursor) bool {
	if c.after("res=") {
		v, p := c.until('\'')
		x.success = event.Yes
		if bytes.HasPrefix(v, []byte("failed")) {
			x.success = event.No
		}
		return p == good
	}
	if c.after("result=") {
		v, p := c.until(')')
		x.success = event.No
		if strings.EqualFold(string(v), "success") {
			x.success = event.Yes
		}
		return p == good
	}
	return true
}
