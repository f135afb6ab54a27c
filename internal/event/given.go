package event

// Of a file that exists, the kernel prints the name that a call gave and the
// inode, but not the directory that a descriptor stood for. Programs make a file
// and then set its owner, mode and times by the same descriptor and name, or by
// the descriptor they have it open on; what made it does have the directory.

// A giving is how a process named a file a moment ago, and in which directory.
type giving struct {
	pid  uint32
	fd   uint32
	name string
	dir  *item
	at   int64

	file int64  // the descriptor it was opened on, -1 for none
	last []byte // of its name then

	loose bool     // the open may have followed a link, or says nothing of the directory
	leads bool     // all the same, the name in dir is the file's or a link's to it
	path  string   // of a loose one, if known
	start inodeKey // of the descriptor's directory, shortly after the open; zero if not known
}

// maxGivings bounds how many files are remembered; all are forgotten when there
// are more.
const maxGivings = 4096

// given remembers how the event named files in directories it tells of. A rename
// ends what was known: programs do all the rest before it.
func (s *Stream) given(e *Event) {
	if e.Success != Yes {
		return
	}
	for _, n := range []*Name{&e.Path, &e.Dest} {
		it := n.item
		if it == nil || !it.hasIno || it.isDir() || it.key.ino == 0 {
			continue
		}
		if _, open := e.openFile(n); open {
			continue // about what is open, which says nothing of its name
		}
		delete(s.givings, it.key)
		fd, ok := e.descriptor(n)
		ok = ok || e.call.verb == verbOpen
		loose := e.call.verb == verbOpen && (e.mayFollow() || n.parent == nil)
		proven := e.call.verb != verbRename && !loose && it.kind != ntDelete && n.parent != nil && n.parent.hasIno && !e.Exchange
		if !ok || n.given == nil || !proven && !loose {
			continue
		}
		if s.givings == nil || len(s.givings) >= maxGivings {
			s.givings = make(map[inodeKey]giving)
		}
		g := giving{pid: e.PID, fd: fd, name: string(n.given), at: e.ID.UnixMilli(), file: -1, loose: loose, leads: n.starts, start: n.orphan.start}
		if n.parent != nil && n.parent.hasIno {
			g.dir = n.parent.keep()
		}
		if loose && n.known() {
			g.path = string(n.Path)
		}
		if e.call.verb == verbOpen {
			g.file, g.last = e.exit, append(g.last, LastPart(n.given)...)
		}
		s.givings[it.key] = g
	}
}

// recall finds the directory of a file that its process has named in the same
// way a moment ago.
func (s *Stream) recall(e *Event, n *Name) {
	if n.item == nil || n.parent != nil || n.given == nil || n.item.isDir() || e.isVia(n) {
		return
	}
	fd, ok := e.descriptor(n)
	g, known := s.giving(e, n.item.key)
	if ok && known && (!g.loose || g.leads) && g.fd == fd && g.name == string(n.given) {
		n.parent, n.starts = g.dir, g.leads
	}
}

// recallOpen finds the name of a file by the descriptor on which its process has
// opened it a moment ago, if that was what made it: no link was followed then.
func (s *Stream) recallOpen(e *Event, n *Name) bool {
	fd, open := e.openFile(n)
	if !open || n.parent != nil {
		return false
	}
	g, known := s.giving(e, n.item.key)
	if !known || g.loose || g.file != int64(fd) {
		return false
	}
	n.given, n.parent = g.last, g.dir
	return true
}

// giving returns how the event's process named a file a moment ago.
func (s *Stream) giving(e *Event, key inodeKey) (giving, bool) {
	g, known := s.givings[key]
	now := e.ID.UnixMilli()
	return g, known && g.pid == e.PID && max(now-g.at, g.at-now) <= briefly
}

// descriptor is the one that a relative name starts from.
func (e *Event) descriptor(n *Name) (fd uint32, ok bool) {
	if n.dirArg < 0 || isAbs(n.given) {
		return 0, false
	}
	fd = uint32(e.args[n.dirArg])
	return fd, fd != atFDCWD
}
