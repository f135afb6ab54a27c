package event

// An Event is all the records with one ID, and what they say.
//
// It and every slice in it belong to the Assembler: they are valid until Free.
type Event struct {
	ID          ID
	First, Last uint64 // journal sequence of its first and last record; First <= Last

	// Low is the oldest sequence still needed once this event and all returned
	// before it are delivered. Records below Low may be forgotten.
	Low uint64

	Action    string
	Partial   bool    // records are missing: no EOE, or fewer PATHs than items=
	Truncated bool    // there was more than an event may have
	LeftOut   LeftOut // that is not among its records; zero unless Truncated
	HasCall   bool    // has the record of a call, so that an end will come
	Whole     bool    // its last record was seen

	Operation
	Actor

	Path, Dest Name
	HasDest    bool // Dest is a name of the event, as of a rename and a link

	Work Work // of who finds the paths; nil if nobody has begun

	course
	text
}

// An Operation is what the SYSCALL (or URINGOP) record says of the call, and what came of
// it. Unset numbers are Unset.
type Operation struct {
	Syscall string
	Success Tristate
	Errno   string // by name, of a failed call
	Key     []byte // several are joined by commas

	Stacked   bool // some of its records without a name tell of a layer below the file system
	Exchange  bool
	Overwrote uint64 // inode of the file that a rename replaced, 0 if none
	Target    []byte // what a symlink that was made points to

	Call         Call // what is known of calls with that name
	Args         [4]uint64
	Exit         int64
	Uring        bool   // io_uring did it
	ResolveFlags uint64 // openat2's resolve= flags

	arch  uint32
	sysno uint32
	items int // how many PATH records the kernel sent, -1 if that is not known
}

// An Actor is the process that made the call.
type Actor struct {
	PID, PPID uint32
	AUID, UID uint32
	EUID      uint32 // with whose rights; only the record of a call tells
	EGID      uint32 // likewise
	Ses       uint32
	TTY       []byte
	Comm, Exe []byte
	Cwd       []byte
	Title     []byte // the command line, arguments apart by NUL bytes
	TitleCut  bool   // the kernel kept the beginning of the command line only

	LogAUID, LogUID LogName // what the log calls AUID and UID

	Surroundings // of the process, if Options.Process told
}

// Surroundings are where a process ran. Each is empty if that is not known, or there is none.
type Surroundings struct {
	Container, Unit string
	SSMSession      string // of AWS Systems Manager's Session Manager

	LoginAddr, LoginTerm string // from where the login session came, and its terminal
}

// BornAt is what Assembler.Elapsed was when the event's first record came.
func (e *Event) BornAt() int64 { return e.bornAt }

// A course is how an event has come so far.
type course struct {
	state   State
	Silent  bool // was delivered before a restart, and only teaches what it did
	born    uint64
	bornAt  int64  // and Elapsed then
	touched uint64 // like born, when its last record came; at least born
	touchAt int64  // and Elapsed then
	arrived int64  // the first tick after its last record, 0 before it
	weight  int    // that the Assembler has on account for it; 0 once it is Ready
	live    link   // of the live queue, unless Silent
	queue   link   // of the queue of its state
}

// A text is an event's records and the memory of what was made of them.
type text struct {
	buf     []byte // the records' texts, one after the other
	records []record
	decoded []byte  // what was hex in them
	fields  []Field // other records' fields, for events that are no file's
	Items   []Item  // the PATH records
	Built   []byte  // the paths made of them
}

// A Work is what somebody else knows of an event, and is used again with it.
type Work interface {
	Size() int // of its memory, in bytes
	Reset()    // makes it as new, but for the memory it has
}

// Unset is what the kernel prints for an id that was never set: (uint32)-1.
const Unset = 1<<32 - 1

// A Tristate is a boolean that a record may lack.
type Tristate uint8

// The kernel's success=yes and success=no.
const (
	Unknown Tristate = iota
	Yes
	No
)

// LeftOut counts records that an event had and its text has not.
type LeftOut struct{ Records, Bytes int }

// A record is one record's place in Event.buf.
type record struct {
	typ      Type
	seq      uint64
	off, end uint32
	body     uint32 // where what follows the header begins
	last     uint32 // where what auditd appended to the line ends
}

// A From says how a path became known. Its values are those of path_from.
type From uint8

// See DESIGN.md, Paths.
const (
	FromNone From = iota
	FromAbsolute
	FromCWD
	FromTrail
	FromProc
	FromClaimed
	FromUnresolved
)

var fromNames = [...]string{"", "absolute", "cwd", "trail", "proc", "claimed", "unresolved"}

func (f From) String() string { return fromNames[f] }

// Found says whether n's path was found without the working directory.
func (n *Name) Found() bool {
	switch n.From {
	case FromAbsolute, FromTrail, FromProc:
		return true
	case FromClaimed:
		return n.Says != FromCWD
	}
	return false
}

// A Name is one of the files an event is about.
type Name struct {
	Path []byte // absolute; as given if From is FromUnresolved; nil if not known
	Dir  []byte // the directory, where only that is known
	From From
	Says From // what the caller's own words are: FromAbsolute or FromCWD; FromNone without such

	// The file itself, as its PATH record has it; Has is false without one.
	Has  bool
	Ino  uint64
	Mode uint32
	Dev  []byte

	ParentIno uint64 // the directory's inode, for what is unresolved; 0 if not known
	ParentDev []byte

	Under uint64 // the inode of the directory that holds the name, 0 if no record says it
}

// Records returns how many records the event has.
func (e *Event) Records() int { return len(e.records) }

// Record returns the type and text of record i, in order of arrival.
func (e *Event) Record(i int) (Type, []byte) {
	r := e.records[i]
	return r.typ, e.buf[r.off:r.end]
}

// Body is what follows record i's header.
func (e *Event) Body(i int) []byte {
	r := e.records[i]
	return e.buf[r.body:r.end]
}

// scan begins to walk over record i.
func (e *Event) scan(i int) scanner {
	r := e.records[i]
	return scanner{rest: e.buf[r.body:r.end], extra: e.buf[r.end:r.last]}
}

// add takes a record, of which the last rest bytes follow the header, and what
// auditd appended to it.
func (e *Event) add(seq uint64, typ Type, text []byte, rest int, extra []byte) {
	off := len(e.buf)
	e.buf = append(e.buf, text...)
	end := len(e.buf)
	e.buf = append(e.buf, extra...)
	e.records = append(e.records, record{typ: typ, seq: seq, off: uint32(off), end: uint32(end), body: uint32(end - rest), last: uint32(len(e.buf))})
	e.Last = seq
}

// keep bounds what a recycled event holds on to.
const keep = 16 << 10

// reset makes the event as new, but for the memory it has.
func (e *Event) reset() {
	mem, work := e.text, e.Work
	mem = text{buf: mem.buf[:0], records: mem.records[:0], decoded: mem.decoded[:0], Built: mem.Built[:0], Items: mem.Items[:0], fields: mem.fields[:0]}
	if cap(mem.buf)+cap(mem.decoded)+cap(mem.Built) > keep {
		mem.buf, mem.decoded, mem.Built = nil, nil, nil
	}
	if cap(mem.Items) > 64 || cap(mem.records) > 64 || cap(mem.fields) > 256 {
		mem.Items, mem.records, mem.fields = nil, nil, nil
	}
	*e = Event{}
	e.text, e.Work = mem, work
	e.AUID, e.UID, e.EUID, e.EGID, e.Ses = Unset, Unset, Unset, Unset, Unset
	e.items, e.Call = -1, noCall
	if work != nil {
		work.Reset()
	}
}

// A link makes an Event part of a list without allocation.
type link struct{ prev, next *Event }

// A list is a queue of events threaded through one of their links.
type List struct {
	Head, Tail *Event
	Len        int
	of         func(*Event) *link
}

// Next is the event behind e, nil for none.
func (l *List) Next(e *Event) *Event { return l.of(e).next }

// Prev is the event before e, nil for none.
func (l *List) Prev(e *Event) *Event { return l.of(e).prev }

// Push puts an event last.
func (l *List) Push(e *Event) {
	k := l.of(e)
	k.prev, k.next = l.Tail, nil
	if l.Tail == nil {
		l.Head = e
	} else {
		l.of(l.Tail).next = e
	}
	l.Tail = e
	l.Len++
}

// Remove takes an event out.
func (l *List) Remove(e *Event) {
	k := l.of(e)
	if k.prev == nil {
		l.Head = k.next
	} else {
		l.of(k.prev).next = k.next
	}
	if k.next == nil {
		l.Tail = k.prev
	} else {
		l.of(k.next).prev = k.prev
	}
	*k = link{}
	l.Len--
}

// Type is file, dir, symlink and so on, empty where no record says it.
func (n *Name) Type() string {
	switch n.Mode & ModeType {
	case 0o100000:
		return "file"
	case ModeDir:
		return "dir"
	case ModeLink:
		return "symlink"
	case 0o140000:
		return "socket"
	case 0o010000:
		return "fifo"
	case 0o060000:
		return "block"
	case 0o020000:
		return "char"
	}
	return ""
}

// An Inode is what a PATH record identifies a file by.
type Inode struct {
	Dev Dev
	Ino uint64
}
