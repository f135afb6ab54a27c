package event

import "github.com/auditshipper/auditshipper/internal/dirtree"

// An Event is all the records with one ID, and what they say.
//
// It and every slice in it belong to the Stream: they are valid until Free.
type Event struct {
	ID          ID
	First, Last uint64 // journal sequence of its first and last record

	// Low is the oldest sequence still needed once this event and all returned
	// before it are delivered. Records below Low may be forgotten.
	Low uint64

	Action  string
	Partial bool // records are missing: no EOE, or fewer PATHs than items=

	Truncated bool    // there was more than an event may have
	LeftOut   LeftOut // that is not among its records
	HasCall   bool    // has the record of a call, so that an end will come
	Whole     bool    // its last record was seen

	// What the SYSCALL (or URINGOP) record says. Unset numbers are Unset.
	Syscall   string
	Success   Tristate
	Errno     string // by name, of a failed call
	Key       []byte // several are joined by commas
	PID, PPID uint32
	AUID, UID uint32
	Ses       uint32
	TTY       []byte
	Comm, Exe []byte
	Cwd       []byte
	Title     []byte // the command line, arguments apart by NUL bytes
	TitleCut  bool   // the kernel kept the beginning of the command line only

	LogAUID, LogUID LogName // what the log calls AUID and UID

	Container, Unit string // where the process ran, if Options.Process told

	Path, Dest Name // Dest only of a rename and a link

	Stacked   bool // some of its records without a name tell of a layer below the file system
	Exchange  bool
	Overwrote uint64 // inode of the file that a rename replaced, 0 if none
	Target    []byte // what a symlink that was made points to

	arch    uint32
	sysno   uint32
	exit    int64
	args    [4]uint64
	items   int
	call    call
	uring   bool
	adrift  bool   // the call may have moved the working directory
	resolve uint64 // openat2's resolve= flags
	view    uint64 // how its process sees the tree of names, 0 for as the host does
	viewed  bool   // that was looked at

	overwritten *item // what a rename replaced
	victim      item  // that, where the kernel took its record for the old name's
	exchanged   *item // the DELETE record of what changed places with the old name
	two         [2]*item
	sides       *sides // of a rename whose two directories are not told apart yet

	buf      []byte // the records' texts, one after the other
	records  []record
	decoded  []byte // what was hex in them
	built    []byte // the paths made of them
	paths    []item
	fields   []Field // other records' fields, for events that are no file's
	closed   bool    // no more records belong to it
	stale    bool    // is among those that nobody waits for
	silent   bool    // was delivered before a restart, and only teaches what it did
	born     uint64
	bornAt   int64  // the stream's clock then
	touched  uint64 // like born, when its last record came
	touchAt  int64  // and the clock then
	arrived  int64  // the first tick after its last record, 0 before it
	heldAt   int64
	looked   int64 // when something was seen that may tell a path of it, 0 for never
	unsolved int   // how many of its names still wait
	weight   int   // that the stream has on account for it

	live, queue link
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

// HasDest says whether the event has a second name.
func (e *Event) HasDest() bool { return e.Dest.event != nil }

// Found says whether n's path was found without the working directory.
func (n *Name) Found() bool {
	switch n.From {
	case FromAbsolute, FromTrail, FromProc:
		return true
	case FromClaimed:
		return n.says != FromCWD
	}
	return false
}

// A Name is one of the files an event is about.
type Name struct {
	Path []byte // absolute; as given if From is FromUnresolved; nil if not known
	Dir  []byte // the directory, where only that is known
	From From

	// The file itself, as its PATH record has it; Has is false without one.
	Has  bool
	Ino  uint64
	Mode uint32
	Dev  []byte

	ParentIno uint64 // the directory's inode, for what is unresolved; 0 if not known
	ParentDev []byte

	given  []byte // the name the caller gave; nil if the kernel printed none
	item   *item
	parent *item
	dirArg int8

	event  *Event
	node   *dirtree.Node // the directory, or the file itself if it is one and has no PARENT
	block  *dirtree.Node // the directory above it whose place is not proven
	until  int64         // the look whose records must be read first, in Unix milliseconds; 0 for none
	words  []byte        // the directory by the caller's own words; nil without such
	says   From          // what the caller's words are, if they are confirmed
	starts bool          // the parent is where the name leads, but for its last part; see startsIn

	wait    slot
	waitsAt dirtree.ID // the directory in whose ring it waits

	orphan orphan // of a file of which no record has the directory
}

// Under returns the inode of the directory that holds the name, 0 if no record
// says it.
func (n *Name) Under() uint64 {
	if n.parent == nil || !n.parent.hasIno {
		return 0
	}
	return n.parent.key.ino
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
	buf, records, decoded, built, paths, fields := e.buf[:0], e.records[:0], e.decoded[:0], e.built[:0], e.paths[:0], e.fields[:0]
	if cap(buf)+cap(decoded)+cap(built) > keep {
		buf, decoded, built = nil, nil, nil
	}
	if cap(paths) > 64 || cap(records) > 64 || cap(fields) > 256 {
		paths, records, fields = nil, nil, nil
	}
	*e = Event{
		buf: buf, records: records, decoded: decoded, built: built, paths: paths, fields: fields,
		AUID: Unset, UID: Unset, Ses: Unset, items: -1, call: noCall,
	}
}

// A link makes an Event part of a list without allocation.
type link struct{ prev, next *Event }

// A list is a queue of events threaded through one of their links.
type list struct {
	head, tail *Event
	n          int
	of         func(*Event) *link
}

func (l *list) push(e *Event) {
	k := l.of(e)
	k.prev, k.next = l.tail, nil
	if l.tail == nil {
		l.head = e
	} else {
		l.of(l.tail).next = e
	}
	l.tail = e
	l.n++
}

func (l *list) remove(e *Event) {
	k := l.of(e)
	if k.prev == nil {
		l.head = k.next
	} else {
		l.of(k.prev).next = k.next
	}
	if k.next == nil {
		l.tail = k.prev
	} else {
		l.of(k.next).prev = k.prev
	}
	*k = link{}
	l.n--
}

// Type is file, dir, symlink and so on, empty where no record says it.
func (n *Name) Type() string {
	switch n.Mode & modeType {
	case 0o100000:
		return "file"
	case modeDir:
		return "dir"
	case modeLink:
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

// An inodeKey is what a PATH record identifies a file by.
type inodeKey struct {
	dev Dev
	ino uint64
}

// A slot is a waiting Name's membership of a ring.
type slot struct {
	prev, next *slot
	name       *Name
}

func (s *slot) init() { s.prev, s.next = s, s }

func (s *slot) unlink() {
	if s.next == nil {
		return
	}
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
}

func (s *slot) join(ring *slot) {
	s.prev, s.next = ring.prev, ring
	ring.prev.next, ring.prev = s, s
}
