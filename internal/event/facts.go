package event

import "github.com/auditshipper/auditshipper/internal/dirtree"

// apply puts the facts of an event into the tree: which directories it made, removed and
// moved, by their inodes and those of their parents, and the last parts of names.
func (s *Stream) apply(e *Event) {
	if e.Success == No || !e.HasCall {
		return
	}
	s.tree.Keep(s.Low())
	switch e.call.verb {
	case verbMount, verbUnmount:
		s.doubt = max(s.doubt, e.ID.UnixMilli())
		s.renamed.note(nil, e.moment())
		return
	case verbRename:
		s.applyRename(e)
		return
	}
	n := &e.Path
	if e.Dest.event != nil {
		n = &e.Dest
	}
	if n.item == nil {
		return
	}
	if n.item.isLink() {
		s.renamed.note(LastPart(n.given), e.moment())
	}
	if !n.item.isDir() {
		if e.Partial && e.call.verb == verbDelete && !n.item.hasIno {
			s.tear(e)
		}
		return
	}
	node := s.tree.Node(n.item.key.id())
	switch n.item.kind {
	case ntDelete:
		s.tree.Removed(node, s.edgeOf(n), e.moment())
	case ntCreate:
		s.tree.Made(node, s.edgeOf(n), e.moment())
	default:
		return
	}
	s.settle(node.ID())
}

// edgeOf is the place that a name is; unknown without its directory or its last part.
func (s *Stream) edgeOf(n *Name) dirtree.Edge {
	last := LastPart(n.given)
	if n.parent == nil || !n.parent.hasIno || n.parent.key.ino == 0 || len(last) == 0 || string(last) == "." || string(last) == ".." {
		return dirtree.Edge{}
	}
	return dirtree.Edge{Parent: s.tree.Node(n.parent.key.id()), Name: string(last)}
}

// applyRename notes where a rename moved directories, and which one it replaced.
func (s *Stream) applyRename(e *Event) {
	old, dest, m := &e.Path, &e.Dest, e.moment()
	if e.overwritten != nil && e.overwritten.isDir() {
		replaced := s.tree.Node(e.overwritten.key.id())
		s.tree.Removed(replaced, s.edgeOf(dest), m)
		s.settle(replaced.ID())
	}
	if isDirOrLink(old.item) || isDirOrLink(dest.item) || isDirOrLink(e.exchanged) {
		s.renamed.note(LastPart(old.given), m)
		s.renamed.note(LastPart(dest.given), m)
	}
	switch {
	case old.item == nil && dest.item == nil, e.Partial && !old.item.isDir() && !dest.item.isDir():
		s.tear(e)
	case e.mayExchange():
		s.tearNames(e)
		s.moved(e, old.item, dirtree.Edge{}, dirtree.Edge{})
	case e.Exchange:
		from, to := s.edgeOf(old), s.edgeOf(dest)
		s.moved(e, old.item, from, to)
		s.moved(e, e.exchanged, to, from)
	case old.item.isDir() || old.item == nil && dest.item.isDir():
		it := old.item
		if it == nil {
			it = dest.item
		}
		s.moved(e, it, s.edgeOf(old), s.edgeOf(dest))
	case dest.item != nil && !dest.item.hasIno && (old.item == nil || !old.item.hasIno):
		s.tear(e) // io_uring tells no inode
	}
}

func isDirOrLink(it *item) bool {
	return it.isDir() || it != nil && it.hasIno && it.mode&modeType == modeLink
}

// moved notes that the directory it is moved.
func (s *Stream) moved(e *Event, it *item, from, to dirtree.Edge) {
	if !it.isDir() {
		return
	}
	n := s.tree.Node(it.key.id())
	if from.Parent == n || to.Parent == n {
		from, to = dirtree.Edge{}, dirtree.Edge{} // the kernel allows no such rename
	}
	s.tree.Moved(n, from, to, e.moment())
	s.settle(n.ID())
}

// tear notes that an event may have moved a directory of which it does not tell the
// inode: from or to a name in one of the event's directories.
func (s *Stream) tear(e *Event) {
	known := false
	for i := range e.paths {
		if p := &e.paths[i]; p.kind == ntParent && p.hasIno {
			known = true
			s.tree.Tear(p.key.id(), "", e.moment())
		}
	}
	s.renamed.note(nil, e.moment())
	if !known || e.Partial {
		s.missed(e)
	}
}

// tearNames is tear for an event that tells the names, which end alike.
func (s *Stream) tearNames(e *Event) {
	for _, p := range e.parents() {
		s.tree.Tear(p.key.id(), string(LastPart(e.Dest.given)), e.moment())
	}
}

// applyDivided notes that a rename moved directories, and that nothing tells from which
// of its two directories to which.
func (s *Stream) applyDivided(e *Event) {
	if e.Success != No {
		for _, it := range []*item{e.Path.item, e.exchanged} {
			s.moved(e, it, dirtree.Edge{}, dirtree.Edge{})
		}
		if e.overwritten != nil && e.overwritten.isDir() {
			s.moved(e, e.overwritten, dirtree.Edge{}, dirtree.Edge{})
		}
		if e.mayExchange() {
			s.tearNames(e)
		}
		if isDirOrLink(e.Path.item) || isDirOrLink(e.exchanged) {
			s.renamed.note(LastPart(e.Path.given), e.moment())
			s.renamed.note(LastPart(e.Dest.given), e.moment())
		}
	}
	s.given(e)
	s.reunite(e)
	s.rejoin(e)
}
