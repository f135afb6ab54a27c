package query

import (
	"bytes"
	"math"
	"regexp"
	"slices"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Any is a number that is not asked for.
const Any = math.MinInt64

// A User is asked for by number or by name; a name also finds the number that
// auditd knew it by when it wrote an ENRICHED log.
type User struct {
	ID   int64 // Any if nobody is asked for
	Name string
}

func (u User) asked() bool { return u.ID != Any }

// A Search says which events are wanted: those that all of its fields fit. The
// fields are what ausearch's flags of the same names ask for.
type Search struct {
	Event            int64 // serial number
	PID, PPID        int64
	UID, EUID, AUID  User
	AnyUID           bool // one of the three is enough
	GID, EGID        int64
	AnyGID           bool
	Session          int64
	Machine          int64 // an architecture, as the kernel numbers them
	Syscall, Exit    int64
	SyscallName      string // for events without records
	ErrnoName        string // likewise
	Success          event.Tristate
	Types            []event.Type
	Nodes            []string
	Actions          []string // what happened: delete, rename, …
	File, Host, Term string
	Exe, Comm, Key   string
	VM, UUID         string
	Subject, Object  string
	AnyContext       bool // subject or object is enough
	Word             bool // strings are compared whole
	Compat           bool // what ausearch misses is missed
	Users            NameFile
	MachineOf        func(elf int64) int64 // of an arch= field; -1 if nobody knows it
	Plain
	found    extract
	fileGlob *regexp.Regexp // of File, if it has wildcards

	// Malformed is given each record for which its event cannot be wanted,
	// since a field of it is cut off; nil: nobody is.
	Malformed func(line []byte)
}

// NewSearch wants all events.
func NewSearch() *Search {
	none := User{ID: Any}
	return &Search{
		Event: Any, PID: Any, PPID: Any, UID: none, EUID: none, AUID: none, GID: Any, EGID: Any,
		Session: Any, Machine: Any, Syscall: Any, Exit: Any,
	}
}

// Match says whether an event is wanted, by its records alone.
func (s *Search) Match(e *Event) bool {
	if s.Event != Any && s.Event != int64(e.ID.Serial) {
		return false
	}
	x := &s.found
	x.reset(s, e)
	if i := x.spoilt(e); i >= 0 {
		if s.Malformed != nil {
			s.Malformed(e.Records[i].Line)
		}
		return false
	}
	return (len(s.Nodes) == 0 || slices.Contains(s.Nodes, e.Node)) &&
		s.matchUser(x) && s.matchGroup(x) &&
		is(s.PPID, x.ppid) && is(s.PID, x.pid) &&
		(s.Machine == Any || s.MachineOf != nil && s.MachineOf(x.arch) == s.Machine) &&
		is(s.Syscall, x.syscall) && is(s.Session, x.session) && is(s.Exit, x.exit) &&
		(s.Success == event.Unknown || s.Success == x.success) &&
		s.matchType(e) && s.matchFile(x) &&
		s.matchHost(e, x.host) && s.oneOf(s.Term, x.term) && s.oneOf(s.Exe, x.exe) && s.oneOf(s.Comm, x.comm) &&
		(s.Key == "" || slices.ContainsFunc(x.keys, func(k []byte) bool { return s.oneOf(s.Key, k) })) && s.text(s.VM, x.vm) && s.text(s.UUID, x.uuid) && s.matchContext(x)
}

func is(asked, got int64) bool { return asked == Any || asked == got }

// text compares a field; nil is one that the records do not have.
func (s *Search) text(asked string, got []byte) bool {
	switch {
	case asked == "":
		return true
	case got == nil:
		return false
	case s.Word:
		return string(got) == asked
	}
	return bytes.Contains(got, []byte(asked))
}

func (s *Search) anyText(asked string, got [][]byte) bool {
	return asked == "" || slices.ContainsFunc(got, func(g []byte) bool { return s.text(asked, g) })
}

func (s *Search) matchType(e *Event) bool {
	return len(s.Types) == 0 || slices.ContainsFunc(e.Records, func(r Record) bool { return slices.Contains(s.Types, r.Type) })
}

// matchFile looks at the names in the records, and at the working directory.
func (s *Search) matchFile(x *extract) bool {
	return s.File == "" || !s.Compat || s.anyText(s.File, x.files) || s.text(s.File, x.cwd)
}

// MatchFacts says whether an event that Match wants names the file that is
// asked for: by its true path, the old or the new one, by a name in the
// records, or by the working directory.
func (s *Search) MatchFacts(e *Event) bool {
	if !s.matchAction(e) || !s.matchPlain(e) {
		return false
	}
	if s.File == "" || s.Compat {
		return true
	}
	if f := e.Facts; f != nil {
		for _, name := range []string{f.Path, f.Dest, f.Parent, f.DestParent} {
			if name != "" && s.isFile([]byte(name)) {
				return true
			}
		}
	}
	x := &s.found
	x.reset(s, e)
	x.all(e)
	return slices.ContainsFunc(x.files, s.isFile) || s.isFile(x.cwd)
}

func (s *Search) matchAction(e *Event) bool {
	return len(s.Actions) == 0 || e.Facts != nil && slices.Contains(s.Actions, e.Facts.Action)
}

func (s *Search) matchUser(x *extract) bool {
	if s.AnyUID {
		return s.user(s.UID, &x.uid) || s.user(s.EUID, &x.euid) || s.user(s.AUID, &x.auid)
	}
	// Names and numbers are not mixed: as soon as one is asked for by its name,
	// those asked for by a number are not looked at.
	named := s.UID.Name != "" || s.EUID.Name != "" || s.AUID.Name != ""
	fits := func(asked User, got *person) bool {
		return !asked.asked() || named && asked.Name == "" || s.user(asked, got)
	}
	return fits(s.UID, &x.uid) && fits(s.EUID, &x.euid) && fits(s.AUID, &x.auid)
}

func (s *Search) user(asked User, got *person) bool {
	if asked.Name != "" {
		return got.name == asked.Name
	}
	return asked.ID == got.id
}

func (s *Search) matchGroup(x *extract) bool {
	if s.AnyGID {
		return s.GID == x.gid || s.EGID == x.egid
	}
	return is(s.GID, x.gid) && is(s.EGID, x.egid)
}

func (s *Search) matchContext(x *extract) bool {
	if s.AnyContext {
		return s.anyText(s.Subject, x.subjects) && s.Subject != "" || s.anyText(s.Object, x.objects) && s.Object != ""
	}
	return s.anyText(s.Subject, x.subjects) && s.anyText(s.Object, x.objects)
}
