package paths

import (
	"unsafe"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// This file has what is known of one event and of its names while their paths are looked
// for. It hangs on the event (event.Event.Work) and is used again with it.

// A work is an event and what is found out of its names.
type work struct {
	*event.Event

	path, dest place // of Event.Path and Event.Dest; dest.event is nil unless HasDest

	adrift bool   // the call may have moved the working directory
	view   uint64 // how its process sees the tree of names, 0 for as the host does
	viewed bool   // that was looked at; once an event

	overwritten *event.Item    // what a rename replaced; nil for none, one of Items or &victim
	victim      event.Item     // that, where the kernel took its record for the old name's
	exchanged   *event.Item    // the DELETE record of what changed places with the old name; nil unless Exchange
	two         [2]*event.Item // scratch of parents
	sides       *sides         // of a rename whose two directories are not told apart yet; nil once they are

	heldAt   int64 // the first tick after it was held, Unix milliseconds; 0 before it
	looked   int64 // when something was seen that may tell a path of it, 0 for never
	unsolved int   // how many of its names still wait; 0 once it is ready
}

// A place is one of an event's names, and how it is found.
type place struct {
	*event.Name

	event  *work       // whose path or dest it is; nil if the event has no such name
	given  []byte      // the name the caller gave; nil if the kernel printed none
	item   *event.Item // the file; nil if the kernel printed none
	parent *event.Item // its directory; nil if the kernel printed none, or nothing told which
	dirArg int8        // the argument with the directory that a relative name starts from, or DirCWD, DirNone

	node   *dirtree.Node // the directory, or the file itself if it is one and has no PARENT
	block  *dirtree.Node // node or a directory above it, whose place was not proven when it was last asked
	until  int64         // the look whose records must be read first, in Unix milliseconds; 0 for none
	words  []byte        // the directory by the caller's own words; nil without such
	starts bool          // the parent is where the name leads, but for its last part; see startsIn

	wait    slot       // in the ring of waitsAt, or in that of an orphan's file
	waitsAt dirtree.ID // the directory in whose ring it waits

	orphan orphan // of a file of which no record has the directory
}

// workOf is what is known of an event.
func workOf(e *event.Event) *work {
	if w, ok := e.Work.(*work); ok {
		return w
	}
	w := &work{Event: e}
	w.path.Name, w.dest.Name = &e.Path, &e.Dest
	e.Work = w
	return w
}

// Size implements event.Work.
func (e *work) Size() int { return int(unsafe.Sizeof(*e)) }

// Reset implements event.Work.
func (e *work) Reset() {
	of, path, dest := e.Event, e.path.Name, e.dest.Name
	*e = work{}
	e.Event, e.path.Name, e.dest.Name = of, path, dest
}

// moment is the event's position among all events.
func (e *work) moment() dirtree.Moment {
	return dirtree.Moment{Seq: e.First, Done: e.Last, At: e.ID.UnixMilli()}
}

// eachWaiting calls f with the names that may wait for something.
func (e *work) eachWaiting(f func(*place)) {
	f(&e.path)
	f(&e.dest)
}

// under is the inode of the directory that holds the name, 0 if no record says it.
func (n *place) under() uint64 {
	if n.parent == nil || !n.parent.HasIno {
		return 0
	}
	return n.parent.Key.Ino
}

// blocking is the directory that keeps n from being proven, as far as is known.
func (n *place) blocking() *dirtree.Node {
	if n.block != nil {
		return n.block
	}
	return n.node
}

// A ring has the names that wait at one directory.
type ring struct {
	slot      // joins the last to the first
	due  bool // the directory will be looked at soon; it is in looks.due
}

// A slot is a waiting name's membership of a ring.
type slot struct {
	prev, next *slot // both nil if it is in no ring
	name       *place
}

func (s *slot) init() { s.prev, s.next = s, s }

func (s *slot) empty() bool { return s.next == s }

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
