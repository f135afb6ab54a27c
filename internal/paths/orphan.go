package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// An orphan is the name of a file of which no record has the directory: it starts
// from a descriptor, or is one. Its event waits, and one of three finds it:
//
//   - The process, if it lives and has the file or the directory open still.
//   - The file itself, seen in a directory that the process named a moment ago,
//     with this only name and not changed since, by its times: chmod -R has ended.
//   - A record by which the file is deleted or renamed: by the same process, name and
//     descriptor, which stood for the same directory shortly after both calls; or by
//     anybody, in the directory in which it was made under that name.
//
// What was seen counts only if no record tells that the file moved meanwhile. A file
// that is known by its own descriptor is sought by the name it was opened by.
type orphan struct {
	name  []byte      // that it was given, or opened by
	fd    uint32      // that the name starts from
	start event.Inode // of that directory, shortly after the call; zero if not known
	dir   *event.Item // the PARENT of what made it, perhaps through a link; nil if there was none
	seen  sight       // where the file was seen
}

// A sight is where a file was seen.
type sight struct {
	dir  *dirtree.Node // nil for nowhere
	last string        // the file's name there
	at   int64         // when, in Unix milliseconds
}

// An orphanage has the names that wait for the directory of their file.
type orphanage struct {
	*resolver

	of map[event.Inode]*slot // rings of those who wait, by their files; none is empty, at most maxOrphans
}

// orphanSeen makes n's path from where its file was seen. Records of the file since
// would have told, see amend.
//
// Claim: the file had at the event the path at which it was seen.
// Why it is sound: it was seen under its inode in a directory whose own place is proven by
// facts or looks. Every record of the file since would have amended what was seen, and all
// records up to the look are read.
// What would break it: a second name of the file, made out of sight. ofFile, fromDir and
// nearby each say what they require against that.
// Test: TestOrphanSeen, TestNoPathInvented.
func (s *orphanage) orphanSeen(n *place) bool {
	o, e := &n.orphan.seen, n.event
	if o.dir == nil || !s.hasRead(dirtree.Look{At: o.at}) || s.dropped.spans(e, o.at) {
		return false
	}
	t := s.climb(e, o.dir, true)
	if t.answer != proven || t.from == event.FromClaimed {
		return false
	}
	start := len(e.Built)
	e.Built = append(append(s.appendTrace(e.Built, t), '/'), o.last...)
	n.Path, n.From = e.Built[start:len(e.Built):len(e.Built)], event.FromProc
	return true
}

// maxOrphans bounds how many files wait so; others are unresolved at once.
const maxOrphans = 4096

// adopt lets n wait as an orphan, and says whether there is any hope for it.
func (s *orphanage) adopt(e *work, n *place) bool {
	if !s.seek(e, n) || len(s.of) >= maxOrphans {
		return false
	}
	if s.of == nil {
		s.of = map[event.Inode]*slot{}
	}
	ring := s.of[n.item.Key]
	if ring == nil {
		ring = new(slot)
		ring.init()
		s.of[n.item.Key] = ring
	}
	n.wait.name = n
	n.wait.join(ring)
	e.unsolved++
	return true
}

// seek looks for the file that n names, and says whether anything was found.
func (s *orphanage) seek(e *work, n *place) bool {
	if s.host == nil || n.item == nil || !n.item.HasIno || n.item.Key.Ino == 0 || e.Success != event.Yes || e.PID == 0 {
		return false
	}
	n.orphan = orphan{name: n.given, dir: n.parent}
	path := s.askFile(e, n)
	if fd, open := e.openFile(n); open {
		s.recallLoose(e, n, fd)
	} else if fd, ok := e.descriptor(n); ok && len(n.given) > 0 {
		n.orphan.fd = fd
		if _, key, ok := s.openDir(e, fd); ok {
			n.orphan.start = key
		}
	}
	o := &n.orphan
	if path == "" && o.dir == nil && len(o.name) > 0 {
		path = s.nearby(e, n)
	}
	if path != "" {
		o.seen = sight{s.lookAlong(dirOf([]byte(path)), true), lastPart(path), s.host.Now()}
		e.looked = max(e.looked, o.seen.at)
	}
	return path != "" || o.dir != nil || o.start != event.Inode{}
}

// leave ends n's time as an orphan.
func (s *orphanage) leave(n *place) {
	n.wait.unlink()
	if ring := s.of[n.item.Key]; ring.next == ring {
		delete(s.of, n.item.Key)
	}
}

// reunite takes from an event what it says about the orphans' files.
func (s *orphanage) reunite(e *work) {
	if len(s.of) == 0 || e.Success == event.No {
		return
	}
	for i := range e.Items {
		p := &e.Items[i]
		ring := s.of[p.Key]
		if ring == nil || p.Kind != event.KindDelete && p.Kind != event.KindCreate {
			continue
		}
		for w := ring.next; w != ring; {
			n := w.name
			w = w.next
			if n.event == e {
				continue
			}
			s.amend(e, &n.orphan.seen, p)
			if p == e.path.item && s.shares(e, n) {
				s.leave(n)
				n.given, n.parent = n.orphan.name, e.path.parent.Keep()
				s.await(n.event, n)
				s.solved(n.event)
			}
		}
	}
}

// amend makes of where a file was seen what that was before the event, which has a
// record of the file.
//
// A look is later than the events that were not read yet when it was made. So an event of
// the file that is read after the look, but came before it, turns what was seen back by
// one step: a rename into the place that was seen means that it was at the old one.
func (s *orphanage) amend(e *work, a *sight, p *event.Item) {
	switch {
	case a.dir == nil || e.ID.UnixMilli() > a.at:
	case p == e.overwritten || e.Call.Verb == event.VerbDelete: // it was seen before
	case e.Call.Verb != event.VerbRename:
		if string(lastPart(e.dest.given)) == a.last {
			*a = sight{}
		}
	case e.Exchange || e.path.parent == nil || e.dest.parent == nil:
		*a = sight{}
	case a.in(&e.dest):
		a.dir, a.last = s.tree.Node(idOf(e.path.parent.Key)), string(lastPart(e.path.given))
	case !a.in(&e.path):
		*a = sight{}
	}
}

// in says whether the file was seen under a name.
func (a *sight) in(n *place) bool {
	return a.dir.ID() == idOf(n.parent.Key) && a.last == string(lastPart(n.given))
}

// shares says whether an event takes a file away by the very name that n is.
//
// Claim: the orphan's directory is the PARENT of the event that takes its file away.
// Why it is sound: the same process uses the same number of a descriptor and the same name,
// and shortly after both calls that descriptor stood for that very PARENT's inode. Or
// the file goes from the directory in which it was made, under the name it was made by.
// What would break it: the descriptor closed and opened again twice, on another directory
// in between, with a file of the same name and inode there.
// Test: TestOrphanGone.
func (s *orphanage) shares(e *work, n *place) bool {
	gone, o := &e.path, &n.orphan
	if gone.item.Kind != event.KindDelete || gone.parent == nil || !gone.parent.HasIno || e.Exchange || gone.given == nil {
		return false
	}
	if o.dir != nil {
		return gone.parent.Key == o.dir.Key && bytes.Equal(lastPart(gone.given), lastPart(o.name))
	}
	fd, ok := e.descriptor(gone)
	if !ok || fd != o.fd || e.PID != n.event.PID || o.start == (event.Inode{}) || !bytes.Equal(gone.given, o.name) {
		return false
	}
	if bytes.IndexByte(o.name, '/') < 0 {
		return gone.parent.Key == o.start
	}
	_, key, ok := s.openDir(e, fd)
	return ok && o.start == key
}

// doubtOrphans makes the orphans' descriptors stand for nothing: events were lost.
func (s *orphanage) doubtOrphans() {
	for _, ring := range s.of {
		for w := ring.next; w != ring; w = w.next {
			w.name.orphan.start, w.name.orphan.dir, w.name.orphan.seen = event.Inode{}, nil, sight{}
		}
	}
}

// known says whether n's path is.
func (n *place) known() bool {
	return n.From != event.FromUnresolved && n.From != event.FromNone && isAbs(n.Path)
}
