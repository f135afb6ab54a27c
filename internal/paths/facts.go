package paths

import (
	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// This file is the only one that changes what the tree holds as facts. Each event does so
// once, when its names have been looked for first, so that an event's own fact counts as
// after it:
//
//	mkdir a/b         b was made, in a
//	rmdir a/b         b was in a until then, and is no more
//	rename a/b c/d    b was "b" in a until then, and is "d" in c from then on
//	mount, umount     every name that a path leads through may be another's
//
// A rename of which the sides are not known moves its directory from somewhere to
// somewhere. An event that tells no inode tears: it tells that some directory moved from
// or to a name.

// apply puts the facts of an event into the tree: which directories it made, removed and
// moved, by their inodes and those of their parents, and the last parts of names.
func (s *resolver) apply(e *work) {
	if e.Success == event.No || !e.HasCall {
		return
	}
	s.tree.Keep(s.in.Low())
	switch e.Call.Verb {
	case event.VerbMount, event.VerbUnmount:
		s.doubt = max(s.doubt, e.ID.UnixMilli())
		s.renamed.note(nil, e.moment())
		return
	case event.VerbRename:
		s.applyRename(e)
		return
	}
	n := &e.path
	if e.dest.event != nil {
		n = &e.dest
	}
	if n.item == nil {
		return
	}
	if n.item.IsLink() {
		s.renamed.note(lastPart(n.given), e.moment())
	}
	if !n.item.IsDir() {
		if e.Partial && e.Call.Verb == event.VerbDelete && !n.item.HasIno {
			s.tear(e)
		}
		return
	}
	node := s.tree.Node(idOf(n.item.Key))
	switch n.item.Kind {
	case event.KindDelete:
		s.tree.Removed(node, s.edgeOf(n), e.moment())
	case event.KindCreate:
		s.tree.Made(node, s.edgeOf(n), e.moment())
	default:
		return
	}
	s.settle(node.ID())
}

// applyRename notes where a rename moved directories, and which one it replaced.
func (s *resolver) applyRename(e *work) {
	old, dest, m := &e.path, &e.dest, e.moment()
	if e.overwritten != nil && e.overwritten.IsDir() {
		replaced := s.tree.Node(idOf(e.overwritten.Key))
		s.tree.Removed(replaced, s.edgeOf(dest), m)
		s.settle(replaced.ID())
	}
	if isDirOrLink(old.item) || isDirOrLink(dest.item) || isDirOrLink(e.exchanged) {
		s.renamed.note(lastPart(old.given), m)
		s.renamed.note(lastPart(dest.given), m)
	}
	switch {
	// Nothing has an inode, or not all records came: some directory moved.
	case old.item == nil && dest.item == nil, e.Partial && !old.item.IsDir() && !dest.item.IsDir():
		s.tear(e)
	// Two names that end alike, and perhaps both moved: it is not known what stands where.
	case e.mayExchange():
		s.tearNames(e)
		s.moved(e, old.item, dirtree.Edge{}, dirtree.Edge{})
	// Both are there before and after.
	case e.Exchange:
		from, to := s.edgeOf(old), s.edgeOf(dest)
		s.moved(e, old.item, from, to)
		s.moved(e, e.exchanged, to, from)
	// The usual rename. One whose old name lost its record has the inode from the new one's.
	case old.item.IsDir() || old.item == nil && dest.item.IsDir():
		it := old.item
		if it == nil {
			it = dest.item
		}
		s.moved(e, it, s.edgeOf(old), s.edgeOf(dest))
	case dest.item != nil && !dest.item.HasIno && (old.item == nil || !old.item.HasIno):
		s.tear(e) // io_uring tells no inode
	}
}

func isDirOrLink(it *event.Item) bool {
	return it.IsDir() || it != nil && it.HasIno && it.Mode&event.ModeType == event.ModeLink
}

// moved notes that the directory it is moved.
func (s *resolver) moved(e *work, it *event.Item, from, to dirtree.Edge) {
	if !it.IsDir() {
		return
	}
	n := s.tree.Node(idOf(it.Key))
	if from.Parent == n || to.Parent == n {
		from, to = dirtree.Edge{}, dirtree.Edge{} // the kernel allows no such rename
	}
	s.tree.Moved(n, from, to, e.moment())
	s.settle(n.ID())
}

// tear notes that an event may have moved a directory of which it does not tell the
// inode: from or to a name in one of the event's directories.
//
// Of a whole event without a PARENT, or of one of which records are missing, nobody knows what
// it moved. It counts as a loss of records (missed).
func (s *resolver) tear(e *work) {
	known := false
	for i := range e.Items {
		if p := &e.Items[i]; p.Kind == event.KindParent && p.HasIno {
			known = true
			s.tree.Tear(idOf(p.Key), "", e.moment())
		}
	}
	s.renamed.note(nil, e.moment())
	if !known || e.Partial {
		s.missed(e)
	}
}

// tearNames is tear for an event that tells the names, which end alike.
func (s *resolver) tearNames(e *work) {
	for _, p := range e.parents() {
		s.tree.Tear(idOf(p.Key), string(lastPart(e.dest.given)), e.moment())
	}
}

// applyDivided notes that a rename moved directories, and that nothing tells from which
// of its two directories to which.
func (s *resolver) applyDivided(e *work) {
	if e.Success != event.No {
		for _, it := range []*event.Item{e.path.item, e.exchanged} {
			s.moved(e, it, dirtree.Edge{}, dirtree.Edge{})
		}
		if e.overwritten != nil && e.overwritten.IsDir() {
			s.moved(e, e.overwritten, dirtree.Edge{}, dirtree.Edge{})
		}
		if e.mayExchange() {
			s.tearNames(e)
		}
		if isDirOrLink(e.path.item) || isDirOrLink(e.exchanged) {
			s.renamed.note(lastPart(e.path.given), e.moment())
			s.renamed.note(lastPart(e.dest.given), e.moment())
		}
	}
	s.given(e)
	s.orphans.reunite(e)
	s.pairs.rejoin(e)
}
