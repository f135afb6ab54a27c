package event

import (
	"bytes"
	"strconv"
	"strings"
)

// A Field is one key and value that has no place of its own in Event.
type Field struct {
	Key, Val []byte
	Bare     bool // a number or a boolean, as JSON writes them
}

// maxFields bounds what one event keeps; what is beyond makes it truncated.
const maxFields = 256

// A collector puts the fields of records into an event.
type collector struct{ *Event }

// CollectFields collects the fields of an event that is not about files.
func (e *Event) CollectFields() {
	c := collector{e}
	rules := e.Action == "rules"
	for i := range e.records {
		typ, rest := e.records[i].typ, e.Body(i)
		switch typ {
		case TypePath, TypeCWD, TypeProctitle, TypeExecve, TypeCut:
			continue
		case TypeSyscall, TypeUringop, typeSockaddr:
			if rules { // how the rule came to the kernel is of no interest
				continue
			}
		}
		switch {
		case typ.IsNote():
			c.collectNote(e.scan(i))
		case typ.IsForeign():
			c.collectWords(rest)
		case typ.IsUser():
			c.collectUser(e.scan(i))
		case typ == typeAVC:
			c.collectSaid("msg", rest)
			c.collect(e.scan(i), typ)
		default:
			c.collect(e.scan(i), typ)
		}
	}
}

// collectBeside collects what other records say of a call that is about files: which they
// are, in also, and their fields, except for what the call's own records say of the caller.
func (e collector) collectBeside() {
	for i := range e.records {
		typ := e.records[i].typ
		if typ == TypeSyscall || typ == TypeUringop || typ == TypeCut || typ.Continues() || typ.IsUser() || typ.IsForeign() {
			continue
		}
		if typ == typeAVC {
			e.collectSaid("msg", e.Body(i))
		}
		e.addField(Field{Key: []byte("also"), Val: []byte(actionOf(typ))})
		for s := e.scan(i); s.next(); {
			if !ofCaller[string(s.key)] && !s.isNull() && string(s.val) != "?" {
				e.collectBesideOne(&s)
			}
		}
	}
}

func (e collector) collectBesideOne(s *scanner) {
	if ofFiles[string(s.key)] {
		start := len(e.decoded)
		e.decoded = append(append(e.decoded, "also_"...), s.key...)
		key := e.decoded[start:len(e.decoded):len(e.decoded)]
		e.addField(Field{Key: key, Val: e.string(s)})
		return
	}
	e.collectOther(s)
}

// ofCaller are the keys under which kernel records repeat what SYSCALL says.
var ofCaller = keySet("pid ppid auid uid gid euid suid fsuid egid sgid fsgid tty ses comm exe subj key res success result arch syscall items")

// ofFiles are the keys that a file event has of its own.
var ofFiles = keySet("path dest parent dest_parent parent_inode dest_parent_inode path_from dest_from overwrote exchange target inode mode dev fs_id access_point " +
	"cmd cwd container unit ssm_session login_addr login_term also path_hex dest_hex parent_hex dest_parent_hex target_hex cmd_hex cwd_hex comm_hex exe_hex auid_name uid_name")

func keySet(keys string) map[string]bool {
	set := map[string]bool{}
	for key := range strings.FieldsSeq(keys) {
		set[key] = true
	}
	return set
}

// collectSaid keeps what a text says before its first pair:
// avc:  denied  { read } for, PAM: authentication, or all of a plain message.
func (e collector) collectSaid(key string, text []byte) {
	if i := bytes.IndexByte(text, '='); i >= 0 {
		text = text[:bytes.LastIndexByte(text[:i], ' ')+1]
	}
	if text = bytes.TrimSpace(text); len(text) > 0 {
		e.addField(Field{Key: []byte(key), Val: text})
	}
}

func (e collector) collect(s scanner, typ Type) {
	for s.next() {
		switch {
		case string(s.key) == "saddr" && typ == typeSockaddr:
			e.collectSockaddr(s.val)
		default:
			e.collectOne(&s)
		}
	}
}

// collectUser takes a record whose text is a program's. The kernel writes pid=, uid=,
// auid=, ses= and subj= in front of it, each once; all from the first other key on are
// the program's words, whatever they look like.
func (e collector) collectUser(s scanner) {
	s.prefix = true
	seen := 0
	for {
		before := s.rest
		if !s.next() {
			return
		}
		bit := userPrefix[string(s.key)]
		if bit == 0 || seen&bit != 0 {
			e.collectWords(insideMsg(before))
			return
		}
		seen |= bit
		e.collectOne(&s)
	}
}

// userPrefix are the keys that the kernel writes in front of a program's text, one bit
// each (audit_log_common_recv_msg in kernel/audit.c).
var userPrefix = map[string]int{"pid": 1, "uid": 2, "auid": 4, "ses": 8, "subj": 16}

// insideMsg is the text inside msg='…', which may hold apostrophes: the kernel writes the
// last one. A text without msg= is all there is, as of USER_TTY.
func insideMsg(text []byte) []byte {
	const open = "msg='"
	i := bytes.Index(text, []byte(open))
	if i < 0 {
		return text
	}
	return bytes.TrimSuffix(text[i+len(open):], []byte("'"))
}

// collectWords takes a program's words: its pairs under names of their own (msg_acct),
// all as strings, and what it says before the first as msg_text. Nothing of it is known to
// be true.
func (e collector) collectWords(text []byte) {
	e.collectSaid("msg_text", text)
	s := scanner{rest: text, loose: true}
	for s.next() {
		if s.isNull() || string(s.val) == "?" {
			continue
		}
		f := Field{Val: s.val}
		if wordsInHex[string(s.key)] || hexFields[string(s.key)] {
			f.Val = e.string(&s)
		}
		if string(s.key) == "data" {
			f.Val = bytes.ReplaceAll(f.Val, []byte{0}, []byte{' '})
		}
		start := len(e.decoded)
		e.decoded = append(append(e.decoded, "msg_"...), s.key...)
		f.Key = e.decoded[start:len(e.decoded):len(e.decoded)]
		e.addField(f)
	}
}

// wordsInHex are keys whose value libaudit writes as hex, besides hexFields.
var wordsInHex = map[string]bool{"exe": true, "comm": true, "cwd": true, "key": true}

// collectNote takes the fields of a note, whose kinds their form tells.
func (e collector) collectNote(s scanner) {
	for s.next() {
		f := Field{Key: s.key, Val: s.val}
		switch {
		case string(s.key) == "uid":
			e.UID = id32(s.val)
			continue
		case string(s.key) == "auid":
			e.AUID = id32(s.val)
			continue
		case s.quoted:
		case string(s.val) == "true" || string(s.val) == "false":
			f.Bare = true
		case isNumber(s.val):
			f.Bare = true
		default:
			f.Val = e.string(&s)
		}
		e.addField(f)
	}
}

// isNumber says whether JSON and its readers take b as an integer, exactly.
func isNumber(b []byte) bool {
	if len(b) > 1 && b[0] == '-' {
		b = b[1:]
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0 && len(b) < 16 && (len(b) == 1 || b[0] != '0')
}

// collectOne takes a field of the kernel's or of user space: into its place if
// it has one in every event, else under its own name.
func (e collector) collectOne(s *scanner) {
	if s.isNull() || string(s.val) == "?" {
		return
	}
	switch string(s.key) {
	case "pid":
		e.PID = uint32(decimal(s.val))
	case "ppid":
		e.PPID = uint32(decimal(s.val))
	case "uid":
		e.UID, e.LogUID = id32(s.val), e.logName(s, "UID")
	case "auid":
		e.AUID, e.LogAUID = id32(s.val), e.logName(s, "AUID")
	case "ses":
		e.Ses = id32(s.val)
	case "tty":
		e.TTY = s.val
	case "comm":
		e.Comm = e.string(s)
	case "exe":
		e.Exe = e.string(s)
	case "cwd":
		e.Cwd = e.string(s)
	case "key":
		e.Key = e.keys(s)
	case "res", "success", "result":
		e.Success = No
		if v := string(s.val); v == "1" || v == "yes" || v == "success" {
			e.Success = Yes
		}
	case "arch", "syscall", "items", "uring_op":
		// They are told by name, or of no use.
	default:
		if e.Action == "rules" && (string(s.key) == "dir" || string(s.key) == "path") {
			e.Path.Path = e.string(s)
			return
		}
		e.collectOther(s)
	}
}

func (e collector) collectOther(s *scanner) {
	f := Field{Key: s.key, Val: s.val}
	switch {
	case s.quoted:
	case loginIDs[string(s.key)] && id32(s.val) == Unset:
		return
	case len(s.key) == 2 && s.key[0] == 'a' && s.key[1] >= '0' && s.key[1] <= '3':
		// Arguments of a call are hex, whatever their digits look like.
	case hexFields[string(s.key)]:
		f.Val = e.string(s)
	case numbers[string(s.key)] && isNumber(s.val):
		f.Bare = true
	}
	if string(s.key) == "data" || string(s.key) == "proctitle" {
		f.Val = bytes.ReplaceAll(f.Val, []byte{0}, []byte{' '})
	}
	e.addField(f)
}

// loginIDs are the keys of a login uid or session besides auid and ses. An unset one is
// left out.
var loginIDs = keySet("oauid oses old-auid old-ses old_auid old_ses new-auid new-ses new_auid new_ses iauid ises")

// hexFields are those whose value user space or the kernel writes as hex when
// it holds what a quoted string may not; any other that looks like hex is a number.
var hexFields = map[string]bool{
	"acct": true, "cmd": true, "data": true, "dir": true, "file": true, "grp": true,
	"name": true, "new-disk": true, "old-disk": true, "new-fs": true, "old-fs": true, "path": true,
	"root_dir": true, "unit": true, "vm": true, "watch": true, "proctitle": true, "ocomm": true,
	"new-rng": true, "old-rng": true, "device": true, "invalid_context": true, "sw": true, "table": true,
}

// numbers are the fields that are integers in JSON. All others are strings
// whatever they look like, so that a key has one type.
var numbers = map[string]bool{
	"argc": true, "audit_backlog_limit": true, "audit_backlog_wait_time": true, "audit_enabled": true,
	"audit_failure": true, "audit_pid": true, "audit_rate_limit": true, "egid": true, "entries": true,
	"euid": true, "exit": true, "fd": true, "fsgid": true, "fsuid": true, "gid": true, "id": true,
	"inode_gid": true, "inode_uid": true, "list": true, "oauid": true, "ogid": true, "old": true,
	"old-auid": true, "old-ses": true, "opid": true, "oses": true, "ouid": true, "sgid": true, "sig": true,
	"suid": true,
}

// reserved are the keys that mean something else in every event.
var reserved = map[string]string{
	"v": "version", "id": "user_id", "time": "at", "host": "from_host", "action": "act", "type": "kind",
	"raw": "raw_value", "partial": "partial_value", "truncated": "truncated_value", "errno": "error",
}

// addField adds a field under a name that JSON, and queries over it, can use;
// what occurs again with another value gets a number.
func (e collector) addField(f Field) {
	if len(e.fields) >= maxFields {
		e.Truncated = true
		return
	}
	if to, ok := reserved[string(f.Key)]; ok {
		f.Key = []byte(to)
	} else if string(f.Key) == "cmd" && len(e.Title) > 0 {
		f.Key = []byte("command")
	} else {
		f.Key = plainKey(f.Key)
	}
	base := f.Key
	for n := 2; ; n++ {
		same := e.findField(f.Key)
		if same == nil {
			break
		}
		if bytes.Equal(same.Val, f.Val) {
			return
		}
		f.Key = strconv.AppendInt(append(append([]byte(nil), base...), '_'), int64(n), 10)
	}
	e.fields = append(e.fields, f)
}

// plainKey is a key in the letters that queries over JSON take unquoted.
func plainKey(key []byte) []byte {
	plain := key
	for i, c := range key {
		if c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' {
			continue
		}
		if &plain[0] == &key[0] {
			plain = bytes.Clone(key)
		}
		plain[i] = '_'
	}
	return plain
}

func (e *Event) findField(key []byte) *Field {
	for i := range e.fields {
		if bytes.Equal(e.fields[i].Key, key) {
			return &e.fields[i]
		}
	}
	return nil
}

// Field returns the value of a field that has no place of its own in Event, as
// text; nil if there is none.
func (e *Event) Field(key string) []byte {
	if f := e.findField([]byte(key)); f != nil {
		return f.Val
	}
	return nil
}

// Fields are those that have no place of their own in Event.
func (e *Event) Fields() []Field { return e.fields }

// EachField calls do for each field that has no place of its own in Event. key
// and val are valid during the call only.
func (e *Event) EachField(do func(key, val []byte)) {
	for i := range e.fields {
		do(e.fields[i].Key, e.fields[i].Val)
	}
}
