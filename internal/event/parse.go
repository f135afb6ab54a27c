package event

import (
	"bytes"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// A Dev is a device number: major in the upper, minor in the lower half.
type Dev uint64

// MakeDev puts a device number together.
func MakeDev(major, minor uint32) Dev { return Dev(major)<<32 | Dev(minor) }

// ParseDev reads a device as the kernel prints it: fe:00, in hex.
func ParseDev(b []byte) Dev {
	for i, c := range b {
		if c == ':' {
			return MakeDev(uint32(hexadecimal(b[:i])), uint32(hexadecimal(b[i+1:])))
		}
	}
	return MakeDev(uint32(hexadecimal(b)), 0)
}

// A nametype is the part a PATH record plays in its event.
type Kind uint8

const (
	KindUnknown Kind = iota
	KindNormal
	KindParent
	KindDelete
	KindCreate
)

// An item is a PATH record.
type Item struct {
	Name   []byte // nil for (null)
	Dev    []byte
	Key    Inode
	Mode   uint32
	Kind   Kind
	Number int
	HasIno bool
	Taken  bool
}

const (
	ModeType = 0o170000
	ModeDir  = 0o040000
	ModeLink = 0o120000
)

// keep is a copy of a directory's record that outlives its event.
func (p *Item) Keep() *Item {
	return &Item{Key: p.Key, Dev: append([]byte(nil), p.Dev...), Mode: p.Mode, Kind: KindParent, HasIno: p.HasIno}
}

func (p *Item) IsDir() bool { return p != nil && p.HasIno && p.Mode&ModeType == ModeDir }

func (p *Item) IsLink() bool {
	return p.HasIno && p.Mode&ModeType == ModeLink && (p.Kind == KindDelete || p.Kind == KindCreate)
}

// parse reads the records that make a file event; what else there is stays for
// fields.
func (e *Event) parse() {
	for i := range e.records {
		s := e.scan(i)
		switch e.records[i].typ {
		case TypeSyscall:
			e.parseSyscall(&s)
		case TypeUringop:
			e.Uring = true
			e.parseSyscall(&s)
		case TypePath:
			e.parsePath(&s)
		case TypeCWD:
			e.parseCwd(&s)
		case TypeProctitle:
			e.parseTitle(&s)
		case TypeOpenat2:
			e.parseOpenat2(&s)
		}
	}
	e.Partial = e.incomplete()
	if e.Call.Verb == VerbExec {
		e.parseExecve()
	}
}

// incomplete says whether records are missing. A lone record of the kernel that
// belongs to no call (CONFIG_CHANGE of a program that is not audited) has no
// EOE and misses nothing.
func (e *Event) incomplete() bool {
	if e.HasCall {
		// auditd logs neither EOE nor, of io_uring, anything after the PATHs.
		whole := e.Whole || e.Uring && e.items > 0
		return !whole || len(e.Items) < e.items || e.Cwd == nil && e.hasRelative()
	}
	for _, r := range e.records {
		switch r.typ {
		case TypePath, TypeCWD, TypeProctitle, TypeExecve, typeSockaddr:
			return true
		}
	}
	return false
}

// hasRelative says whether a relative name is among the records; the kernel
// then prints the working directory, too.
func (e *Event) hasRelative() bool {
	for i := range e.Items {
		if n := e.Items[i].Name; len(n) > 0 && n[0] != '/' {
			return true
		}
	}
	return false
}

func (e *Event) parseSyscall(s *scanner) {
	for s.next() {
		switch string(s.key) {
		case "arch":
			e.arch = uint32(hexadecimal(s.val))
		case "syscall":
			e.sysno = uint32(decimal(s.val))
		case "uring_op":
			e.sysno = uint32(decimal(s.val))
		case "success":
			e.Success = No
			if string(s.val) == "yes" {
				e.Success = Yes
			}
		case "exit":
			e.Exit = signed(s.val)
		case "a0", "a1", "a2", "a3":
			e.Args[s.key[1]-'0'] = hexadecimal(s.val)
		case "items":
			e.items = int(decimal(s.val))
		case "ppid":
			e.PPID = uint32(decimal(s.val))
		case "pid":
			e.PID = uint32(decimal(s.val))
		case "auid":
			e.AUID, e.LogAUID = id32(s.val), e.logName(s, "AUID")
		case "uid":
			e.UID, e.LogUID = id32(s.val), e.logName(s, "UID")
		case "euid":
			e.EUID = id32(s.val)
		case "egid":
			e.EGID = id32(s.val)
		case "ses":
			e.Ses = id32(s.val)
		case "tty":
			if !s.isNull() {
				e.TTY = s.val
			}
		case "comm":
			e.Comm = e.string(s)
		case "exe":
			e.Exe = e.string(s)
		case "key":
			e.Key = e.keys(s)
		}
	}
	e.Call = *e.findCall()
	e.Syscall = e.Call.Name
	if e.Success == No && e.Exit < 0 {
		e.Errno = errnoName(-e.Exit)
	}
}

func (e *Event) findCall() *Call {
	if !e.Uring {
		return archOf(e.arch).callOf(e.sysno)
	}
	if c, ok := uringCalls[uint64(e.sysno)]; ok {
		return &c
	}
	return &noCall
}

// errnoName is the name of an error number; the architectures Linux runs on
// today share those that file calls give, save MIPS, Alpha, PA-RISC and SPARC.
func errnoName(n int64) string { return auparse.AuditErrnoToName[int(n)] }

// id32 reads a user or session id; old kernels print unset as -1.
func id32(b []byte) uint32 {
	if string(b) == "-1" || string(b) == "unset" {
		return Unset
	}
	return uint32(decimal(b))
}

// string decodes the field at s; nil for (null).
func (e *Event) string(s *scanner) []byte {
	if s.isNull() {
		return nil
	}
	var val []byte
	val, e.decoded = s.text(e.decoded)
	return val
}

// keys decodes a rule's keys; the kernel puts a byte 1 between two.
func (e *Event) keys(s *scanner) []byte {
	key := e.string(s)
	if bytes.IndexByte(key, 1) < 0 {
		return key
	}
	start := len(e.decoded)
	for _, c := range key {
		if c == 1 {
			c = ','
		}
		e.decoded = append(e.decoded, c)
	}
	return e.decoded[start:]
}

func (e *Event) parsePath(s *scanner) {
	p := Item{Kind: KindUnknown}
	for s.next() {
		switch string(s.key) {
		case "item":
			p.Number = int(decimal(s.val))
		case "name":
			p.Name = e.string(s)
		case "inode":
			p.Key.Ino, p.HasIno = decimal(s.val), true
		case "dev":
			p.Dev = s.val
			p.Key.Dev = ParseDev(s.val)
		case "mode":
			p.Mode = octal(s.val)
		case "nametype", "objtype": // objtype before Linux 3.14
			p.Kind = nametypeOf(s.val)
			e.Items = append(e.Items, p) // what follows are capabilities
			return
		}
	}
	e.Items = append(e.Items, p)
}

func nametypeOf(b []byte) Kind {
	switch string(b) {
	case "NORMAL":
		return KindNormal
	case "PARENT":
		return KindParent
	case "DELETE":
		return KindDelete
	case "CREATE":
		return KindCreate
	}
	return KindUnknown
}

func (e *Event) parseCwd(s *scanner) {
	for s.next() {
		if string(s.key) == "cwd" {
			e.Cwd = e.string(s)
			return
		}
	}
}

func (e *Event) parseTitle(s *scanner) {
	for s.next() {
		if string(s.key) == "proctitle" {
			e.Title = e.string(s)
			e.TitleCut = len(e.Title) >= MaxTitle // or just so long, which nothing tells apart
			return
		}
	}
}

func (e *Event) parseOpenat2(s *scanner) {
	for s.next() {
		switch string(s.key) {
		case "oflag":
			e.Args[3] = octal64(s.val)
		case "resolve":
			e.ResolveFlags = hexadecimal(bytes.TrimPrefix(s.val, []byte("0x")))
		}
	}
}

func octal64(b []byte) uint64 { return uint64(octal(b)) }
