package event

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// A Type is the kind of a record: the message type of the netlink datagram
// that brought it.
type Type uint16

// The types this package treats specially, from linux/audit.h.
const (
	typeUser       Type = 1005 // AUDIT_USER: user space's, deprecated
	typeLogin      Type = 1006 // AUDIT_LOGIN: the kernel's, beside a SYSCALL
	typeUserFirst  Type = 1100 // AUDIT_FIRST_USER_MSG: user space's, one record an event
	typeUserLast   Type = 1199 // AUDIT_LAST_USER_MSG
	typeKernFirst  Type = 1300 // AUDIT_FIRST_EVENT: the kernel's, several records an event
	TypeSyscall    Type = 1300
	TypePath       Type = 1302
	typeIPC        Type = 1303
	typeSocketcall Type = 1304
	TypeConfig     Type = 1305
	typeSockaddr   Type = 1306
	TypeCWD        Type = 1307
	TypeExecve     Type = 1309
	typeFDPair     Type = 1317
	typeObjPID     Type = 1318
	TypeEOE        Type = 1320
	typeFcaps      Type = 1321
	typeCapset     Type = 1322
	typeMMAP       Type = 1323
	TypeProctitle  Type = 1327
	typeFeature    Type = 1328
	TypeUringop    Type = 1336
	typeAVC        Type = 1400
	TypeOpenat2    Type = 1337
	typeKernel     Type = 2000 // AUDIT_KERNEL: asynchronous, one record
	typeUser2First Type = 2100 // AUDIT_FIRST_USER_MSG2
	typeUser2Last  Type = 2999 // AUDIT_LAST_USER_MSG2
)

// Types of our own notes (see [AppendNote]). They lie beyond every range that
// linux/audit.h hands out (1000 to 2999).
//
// Only the daemon writes them, into its journal. A line or a record from elsewhere that
// bears one of them gets the foreign type with the same last digits ([Type.Foreign]), so
// that nobody else can tell a gap, a stop or a repair.
const (
	typeOwnFirst Type = 64000
	typeOwnLast  Type = 64499

	foreign = 500 // what to add to a type of ours for a stranger's

	TypeGap    Type = 64001 // something was lost: action "gap"
	TypeDaemon Type = 64002 // we started, stopped or reloaded: action "daemon"
	TypeRules  Type = 64003 // we changed the kernel's rules: action "rules"
	TypeSeam   Type = 64004 // records may be missing here, which is told later: no event
	TypeCut    Type = 64005 // records before it were left out of an event's lines, which were too long
)

var noteNames = map[Type]string{
	TypeGap:    "AUDITSHIPPER_GAP",
	TypeDaemon: "AUDITSHIPPER_DAEMON",
	TypeRules:  "AUDITSHIPPER_RULES",
	TypeSeam:   "AUDITSHIPPER_SEAM",
	TypeCut:    "AUDITSHIPPER_CUT",
}

var ownNames = withForeign(map[Type]string{
	// Newer than the table of go-libaudit.
	1333: "TIME_ADJNTPVAL", 1334: "BPF", 1335: "EVENT_LISTENER",
	1339: "DM_EVENT",

	// As in the kernel since 6.12. Releases of auditd before that knew 1420 and 1421 as
	// MAC_TASK_CONTEXTS and MAC_OBJ_CONTEXTS, which no kernel sent.
	1420: "IPE_ACCESS", 1421: "IPE_CONFIG_CHANGE", 1422: "IPE_POLICY_LOAD",
	1423: "LANDLOCK_ACCESS", 1424: "LANDLOCK_DOMAIN",
	1425: "MAC_TASK_CONTEXTS", 1426: "MAC_OBJ_CONTEXTS",
})

// withForeign adds the names of our notes, and of those that strangers write.
func withForeign(names map[Type]string) map[Type]string {
	for t, name := range noteNames {
		names[t], names[t+foreign] = name, "FOREIGN_"+name
	}
	return names
}

var ownTypes = func() map[string]Type {
	m := make(map[string]Type, len(ownNames))
	for t, name := range ownNames {
		m[name] = t
	}
	return m
}()

// String is the name that audit.log has for the type, UNKNOWN[n] where it has none.
func (t Type) String() string {
	switch t {
	case TypeSyscall:
		return "SYSCALL"
	case TypePath:
		return "PATH"
	case TypeCWD:
		return "CWD"
	case TypeProctitle:
		return "PROCTITLE"
	case TypeEOE:
		return "EOE"
	}
	if name, ok := ownNames[t]; ok {
		return name
	}
	if name := t.unknownName(); name != "" {
		return name
	}
	return auparse.AuditMessageType(t).String()
}

// ParseType reads what String prints, and any other name that looks like a type's.
func ParseType(s string) (Type, bool) {
	if t, ok := ownTypes[s]; ok {
		return t, true
	}
	if num, ok := strings.CutPrefix(s, "UNKNOWN["); ok && strings.HasSuffix(num, "]") {
		n, err := strconv.ParseUint(num[:len(num)-1], 10, 16)
		if Type(n).IsNamed() {
			n = 0 // no kernel has such a number, and it may mean a name here
		}
		return Type(n), err == nil
	}
	if t, err := auparse.GetAuditMessageType(s); err == nil {
		return Type(t), true
	}
	return namedType(s)
}

// IsNote says whether the daemon wrote the record.
func (t Type) IsNote() bool { return t >= typeOwnFirst && t <= typeOwnLast }

// Foreign is the type to give a record that does not come from our own journal or log
// stream: t, unless that would make it a note of ours. TypeCut stays: it tells of nothing but
// the event that it is in, which may come from our raw format.
func (t Type) Foreign() Type {
	if t.IsNote() && t != TypeCut {
		return t + foreign
	}
	return t
}

// IsForeign says whether somebody else wrote a record with a type of ours.
func (t Type) IsForeign() bool { return t > typeOwnLast && t <= typeOwnLast+foreign }

// Own undoes Foreign, for lines that only the daemon can have written.
func (t Type) Own() Type {
	if t.IsForeign() {
		return t - foreign
	}
	return t
}

// IsUser says whether a program wrote the record's text, and the kernel only what is in
// front of it.
func (t Type) IsUser() bool {
	return t == typeUser || t >= typeUserFirst && t <= typeUserLast || t >= typeUser2First && t <= typeUser2Last
}

// alone says whether a record of this type is an event by itself. The kernel's
// own types may all come with a SYSCALL record, so those wait for EOE.
func (t Type) alone() bool {
	return !t.IsNamed() && (t < typeKernFirst && t != typeLogin || t == typeKernel || t >= typeUser2First)
}

// tells says whether a record of this type says what its event is about, unless the call
// beside it is about files: a login uid that is set, and what security modules, the
// network's labels and the kernel's anomalies record.
func (t Type) tells() bool {
	return t == typeLogin || t > typeAVC && t < typeKernel
}

// Continues says whether the kernel writes records of this type only behind
// others of the same event.
func (t Type) Continues() bool {
	switch t {
	case TypePath, TypeCWD, TypeProctitle, TypeEOE, TypeExecve, typeSockaddr, typeSocketcall, typeIPC, TypeOpenat2,
		typeFDPair, typeObjPID, typeFcaps, typeCapset, typeMMAP:
		return true
	}
	return false
}

// Caller returns the process that a record says made a call.
func Caller(typ Type, text []byte) (pid uint32, ok bool) {
	if typ != TypeSyscall {
		return 0, false
	}
	_, rest, _ := bytes.Cut(text, []byte(" pid="))
	for i, c := range rest {
		if c < '0' || c > '9' {
			return pid, i > 0
		}
		pid = pid*10 + uint32(c-'0')
	}
	return 0, false
}
