package event

// Of a file that exists, the kernel prints the name that a call gave and the
// inode, but not the directory that a descriptor stood for. Programs make a file
// and then set its owner, mode and times by the same descriptor and name; what
// made it does have the directory.

// A giving is how a process named a file a moment ago, and in which directory.
type giving struct {
	pid  uint32
	fd   uint32
	name string
	dir  *item
	at   int64
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
		delete(s.givings, it.key)
		fd, ok := e.descriptor(n)
		if !ok || e.call.verb == verbRename || e.mayFollow() || it.kind == ntDelete || n.given == nil || n.parent == nil || !n.parent.hasIno || e.Exchange {
			continue
		}
		if s.givings == nil || len(s.givings) >= maxGivings {
			s.givings = make(map[inodeKey]giving)
		}
		dir := &item{key: n.parent.key, dev: append([]byte(nil), n.parent.dev...), mode: n.parent.mode, kind: ntParent, hasIno: true}
		s.givings[it.key] = giving{e.PID, fd, string(n.given), dir, e.ID.UnixMilli()}
	}
}

// recall finds the directory of a file that its process has named in the same
// way a moment ago.
func (s *Stream) recall(e *Event, n *Name) {
	if n.item == nil || n.parent != nil || n.given == nil || n.item.isDir() {
		return
	}
	fd, ok := e.descriptor(n)
	g, known := s.givings[n.item.key]
	now := e.ID.UnixMilli()
	if ok && known && g.pid == e.PID && g.fd == fd && g.name == string(n.given) && max(now-g.at, g.at-now) <= briefly {
		n.parent = g.dir
	}
}

// descriptor is the one that a relative name starts from.
func (e *Event) descriptor(n *Name) (fd uint32, ok bool) {
	if n.dirArg < 0 || isAbs(n.given) {
		return 0, false
	}
	fd = uint32(e.args[n.dirArg])
	return fd, fd != atFDCWD
}
