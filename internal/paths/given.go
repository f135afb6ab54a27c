package paths

import "github.com/auditshipper/auditshipper/internal/event"

// Of a file that exists, the kernel prints the name that a call gave and the
// inode, but not the directory that a descriptor stood for. Programs make a file
// and then set its owner, mode and times by the same descriptor and name, or by
// the descriptor they have it open on; what made it does have the directory.

// A memory is what processes did a moment ago with files and directories, by which they
// are known again where the records lack a directory.
type memory struct {
	knowledge

	givings map[event.Inode]giving // how files were named; at most maxGivings
	visits  []visit                // the directories that processes named, the latest first; maxVisits or none
	scratch []byte                 // a path that is valid until the next one
}

// A giving is how a process named a file a moment ago, and in which directory.
type giving struct {
	pid  uint32
	fd   uint32
	name string
	dir  *event.Item
	at   int64

	file int64  // the descriptor it was opened on, -1 for none
	last []byte // of its name then

	loose bool        // the open may have followed a link, or says nothing of the directory
	leads bool        // all the same, the name in dir is the file's or a link's to it
	path  string      // of a loose one, if known
	start event.Inode // of the descriptor's directory, shortly after the open; zero if not known
}

// maxGivings bounds how many files are remembered; all are forgotten when there
// are more.
const maxGivings = 4096

// given remembers how the event named files in directories it tells of. A rename
// ends what was known: programs do all the rest before it.
func (s *memory) given(e *work) {
	if e.Success != event.Yes {
		return
	}
	for _, n := range []*place{&e.path, &e.dest} {
		it := n.item
		if it == nil || !it.HasIno || it.IsDir() || it.Key.Ino == 0 {
			continue
		}
		if _, open := e.openFile(n); open {
			continue // about what is open, which says nothing of its name
		}
		delete(s.givings, it.Key)
		fd, ok := e.descriptor(n)
		ok = ok || e.Call.Verb == event.VerbOpen
		loose := e.Call.Verb == event.VerbOpen && (e.mayFollow() || n.parent == nil)
		proven := e.Call.Verb != event.VerbRename && !loose && it.Kind != event.KindDelete && n.parent != nil && n.parent.HasIno && !e.Exchange
		if !ok || n.given == nil || !proven && !loose {
			continue
		}
		if s.givings == nil || len(s.givings) >= maxGivings {
			s.givings = make(map[event.Inode]giving)
		}
		g := giving{pid: e.PID, fd: fd, name: string(n.given), at: e.ID.UnixMilli(), file: -1, loose: loose, leads: n.starts, start: n.orphan.start}
		if n.parent != nil && n.parent.HasIno {
			g.dir = n.parent.Keep()
		}
		if loose && n.known() {
			g.path = string(n.Path)
		}
		if e.Call.Verb == event.VerbOpen {
			g.file, g.last = e.Exit, append(g.last, lastPart(n.given)...)
		}
		s.givings[it.Key] = g
	}
}

// recall finds the directory of a file that its process has named in the same
// way a moment ago.
//
// Claim: the same process, by the same number of a descriptor and the same name, means the
// directory in which it made the file a moment ago.
// Why it is sound: the event that made the file has its PARENT, the inode is the same, and a
// rename of the file would have ended what is remembered.
// What would break it: the descriptor closed and opened again on another directory, where
// the file has a second name alike, within five seconds (briefly).
// Test: TestRecallName.
func (s *memory) recall(e *work, n *place) {
	if n.item == nil || n.parent != nil || n.given == nil || n.item.IsDir() || e.isVia(n) {
		return
	}
	fd, ok := e.descriptor(n)
	g, known := s.giving(e, n.item.Key)
	if ok && known && (!g.loose || g.leads) && g.fd == fd && g.name == string(n.given) {
		n.parent, n.starts = g.dir, g.leads
	}
}

// recallOpen finds the name of a file by the descriptor on which its process has
// opened it a moment ago, if that was what made it: no link was followed then.
//
// Claim: a file that a process has open is in the directory in which it opened it.
// Why it is sound: the open made the file, so no link was followed, and the PARENT is the
// directory; a rename since would have ended what is remembered.
// What would break it: the descriptor closed and opened again on a second name of the file.
// Test: TestRecallName.
func (s *memory) recallOpen(e *work, n *place) bool {
	fd, open := e.openFile(n)
	if !open || n.parent != nil {
		return false
	}
	g, known := s.giving(e, n.item.Key)
	if !known || g.loose || g.file != int64(fd) {
		return false
	}
	n.given, n.parent = g.last, g.dir
	return true
}

// giving returns how the event's process named a file a moment ago.
func (s *memory) giving(e *work, key event.Inode) (giving, bool) {
	g, known := s.givings[key]
	now := e.ID.UnixMilli()
	return g, known && g.pid == e.PID && max(now-g.at, g.at-now) <= briefly
}

// descriptor is the one that a relative name starts from.
func (e *work) descriptor(n *place) (fd uint32, ok bool) {
	if n.dirArg < 0 || isAbs(n.given) {
		return 0, false
	}
	fd = uint32(e.Args[n.dirArg])
	return fd, fd != atFDCWD
}

// recallLoose seeks a file that is known by its own descriptor by the name that its
// process opened it by.
func (s *memory) recallLoose(e *work, n *place, fd int32) {
	g, known := s.giving(e, n.item.Key)
	if !known || g.file != int64(fd) {
		return
	}
	n.orphan = orphan{name: []byte(g.name), fd: g.fd, start: g.start, dir: g.dir}
	if g.path != "" {
		n.orphan = orphan{name: []byte(g.path), fd: g.fd, start: g.start}
	}
}
