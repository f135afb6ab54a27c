package event

// learnGiven takes from an event what it says by itself about where directories
// are: absolute names, names from the working directory, and that directory.
func (s *Stream) learnGiven(e *Event) {
	for _, n := range []*Name{&e.Path, &e.Dest} {
		if n.event == nil || n.parent == nil && n.item == nil {
			continue
		}
		base, _, ok := e.base(n.given, n.dirArg)
		if n.given == nil || !ok {
			continue
		}
		path, plain := appendJoined(s.scratch[:0], base, n.given, base != nil)
		s.scratch = path
		if !plain {
			continue
		}
		if n.parent != nil && !e.mayFollow() {
			dir, _ := splitName(path)
			s.learn(e, dir, n.parent)
		}
		if n.item != nil && n.item.isDir() && n.item.kind == ntNormal {
			s.learn(e, path, n.item)
		}
	}
}

// learn notes that the directory it is at path.
func (s *Stream) learn(e *Event, path []byte, it *item) {
	if !it.hasIno || it.key.ino == 0 {
		return
	}
	now := e.ID.UnixMilli()
	if s.lookup != nil && e.view == 0 && !s.tree.says(path, it.key) {
		s.viewAnew(e)
	}
	s.bind(e, s.tree.walk(s.rootFor(e, path, it.key), path, now), it.key)
	s.settle(e)
}

// bind notes that the directory at p is key. What is below a name of which it was not
// known whose it is, and that may have moved since, is not below key.
func (s *Stream) bind(e *Event, p *place, key inodeKey) *place {
	if !p.hasKey && p.parent != nil && p.first <= s.doubt {
		p = s.tree.replace(p)
	}
	return s.tree.bind(p, key, e.PID, e.ID.UnixMilli())
}

// apply notes what the event did to directories. Names are learnt before
// anything changes, since those who wait stand before the change.
func (s *Stream) apply(e *Event) {
	if e.Success == No || !e.hasCall {
		return
	}
	if e.unsettles() {
		s.unseen(e)
	}
	if e.call.verb == verbRename {
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
		s.applyLink(e, n)
	}
	if !n.item.isDir() {
		return
	}
	switch n.item.kind {
	case ntDelete:
		if s.applyLate(e, n) {
			return
		}
		s.ends(e, n.item.key, lastPart(n.given), func() {
			s.placeOf(e, n)
			s.settle(e)
		})
	case ntCreate:
		s.tree.succeed(n.item.key, e.ID.UnixMilli())
		if p := s.placeOf(e, n); p != nil {
			p.since = e.First
		}
	}
}

// applyLate is for the deletion of a directory of which the records end behind those
// of the event by which another one got its inode: by another name, or in another
// directory, than that one has.
func (s *Stream) applyLate(e *Event, n *Name) bool {
	before, ok := s.tree.late[n.item.key]
	now := e.ID.UnixMilli()
	if !ok || n.parent == nil || max(now-before.at, before.at-now) > briefly || s.tree.isIn(n.item.key, n.parent.key, lastPart(n.given)) {
		return false
	}
	delete(s.tree.late, n.item.key)
	last := lastPart(n.given)
	if parent := s.dirPlace(e, n); parent != nil && len(last) > 0 {
		at := s.tree.kid(parent, last)
		s.tree.hang(before.names, at) // whoever waits below it waits at its top now
		s.tree.bury(at)
		s.settle(e)
	}
	return true
}

// unsettles says whether an event may have changed where directories are, in a
// way its records do not tell.
func (e *Event) unsettles() bool {
	switch e.call.verb {
	case verbMount, verbUnmount:
		return true
	case verbDelete, verbRename:
		return e.Partial
	}
	return false
}

// placeOf binds the directory that n names to its place, known or awaited.
func (s *Stream) placeOf(e *Event, n *Name) *place {
	parent := s.dirPlace(e, n)
	last := lastPart(n.given)
	if parent == nil || len(last) == 0 || string(last) == "." || string(last) == ".." {
		return nil
	}
	p := s.tree.kid(parent, last)
	p.is(e.ID.UnixMilli())
	return s.bind(e, p, n.item.key)
}

// dirPlace is the place of the directory that holds n; nil if nothing is known.
func (s *Stream) dirPlace(e *Event, n *Name) *place {
	if n.place != nil && !n.place.dead {
		return n.place
	}
	if n.parent == nil || !n.parent.hasIno || n.given == nil {
		return nil
	}
	if p := s.known(e, n.parent.key); p != nil {
		return p
	}
	if n.Path == nil || n.From == FromUnresolved {
		return nil
	}
	lexical := appendLexical(s.scratch[:0], n.Path)
	s.scratch = lexical
	if len(lexical) != len(n.Path) {
		return nil
	}
	dir, _ := splitName(lexical)
	return s.tree.walk(s.tree.rootOf(e.view), dir, e.ID.UnixMilli())
}

// applyRename lets a renamed directory take its new place, and ends the life of
// one that was replaced.
func (s *Stream) applyRename(e *Event) {
	if e.overwritten != nil && e.overwritten.isDir() {
		s.ends(e, e.overwritten.key, lastPart(e.Dest.given), func() {})
	}
	old, dest := &e.Path, &e.Dest
	if old.item.isDir() || dest.item.isDir() || e.Exchange {
		s.moves(e)
	}
	for _, n := range []*Name{old, dest} {
		if n.item != nil && n.item.isLink() {
			s.applyLink(e, n)
		}
	}
	if e.Exchange {
		s.exchange(e)
		return
	}
	if old.item == nil && dest.item != nil && dest.item.isDir() { // an overlay lost the old name with its slash
		s.unseen(e)
		s.leaves(e, dest.item.key)
	}
	if old.item == nil || !old.item.isDir() {
		return
	}
	s.relocate(e, old, dest)
}

// applyDivided is applyRename for one whose directories nothing tells apart.
func (s *Stream) applyDivided(e *Event) {
	if e.Success != No {
		moved := false
		for _, it := range []*item{e.Path.item, e.Dest.item, e.exchanged, e.overwritten} {
			if it != nil && it.isDir() {
				s.leaves(e, it.key)
				moved = true
			}
		}
		if moved {
			s.moves(e)
			s.shaken(e)
		}
	}
	s.given(e)
	s.reunite(e)
	s.rejoin(e)
}

// relocate moves the directory that was old to where dest is.
func (s *Stream) relocate(e *Event, old, dest *Name) {
	if e.mayExchange() {
		s.unseen(e)
		s.leaves(e, old.item.key)
		return
	}
	from, to := s.placeOf(e, old), s.dirPlace(e, dest)
	s.settle(e)
	if from == nil || !s.tree.anchored(from) {
		s.doubt = e.ID.UnixMilli() // what is known below it moved, and it is not known what that is
	}
	if from != nil && from.dead || to != nil && to.dead { // forgotten meanwhile, the tree is full
		from = nil
	}
	if from == nil || to == nil || !s.tree.anchored(from) || !s.tree.anchored(to) {
		s.strayed(e, from, to)
	}
	last := lastPart(dest.given)
	if from == nil || to == nil || len(last) == 0 {
		s.leaves(e, old.item.key)
		return
	}
	if !s.tree.prune(s.Low()) {
		s.astray = e.First
	}
	s.tree.move(from, to, last, old.item.key, e.PID, e.ID.UnixMilli(), e.First)
}

// unseen notes that directories may have moved, and no record tells from where to where.
func (s *Stream) unseen(e *Event) {
	s.shaken(e)
	s.astray = e.First
}

// shaken has what was said up to now confirmed before it is believed, and nothing more
// hang on chains from before.
func (s *Stream) shaken(e *Event) { s.doubt, s.torn = e.ID.UnixMilli(), e.ID.UnixMilli() }

// strayed notes that a directory moved and that one of its paths is not known: what
// hangs on the one does not on the other.
func (s *Stream) strayed(e *Event, from, to *place) {
	if from == nil || to == nil || s.tree.top(from) != s.tree.top(to) {
		s.torn = e.ID.UnixMilli()
	}
}

// lost says whether directories moved unseen after the event of a waiting name.
func (s *Stream) lost(n *Name) bool { return n.event.First < s.astray }

// exchange lets two names change places, of which one or both are directories.
func (s *Stream) exchange(e *Event) {
	old, dest := e.Path, e.Dest // copies: the DELETE records of both
	dest.item = e.exchanged
	switch {
	case !old.item.isDir() && !dest.item.isDir():
	case !dest.item.isDir():
		s.relocate(e, &old, &dest)
	case !old.item.isDir():
		s.relocate(e, &dest, &old)
	default:
		p, q := s.placeOf(e, &old), s.placeOf(e, &dest)
		s.settle(e)
		if p == nil || q == nil || p.dead || q.dead {
			s.unseen(e)
			s.leaves(e, old.item.key)
			s.leaves(e, dest.item.key)
			return
		}
		if !s.tree.anchored(p) || !s.tree.anchored(q) {
			s.doubt = e.ID.UnixMilli()
			s.strayed(e, p, q)
		}
		s.tree.swap(p, q, e.First)
	}
}

// applyLink notes that a symlink came or went, and with it the names that led
// through it.
func (s *Stream) applyLink(e *Event, n *Name) {
	path := n.Path
	if n.From == FromUnresolved || !isAbs(path) {
		return
	}
	for _, root := range []*place{s.tree.root, s.tree.rootOf(e.view)} { // a stranger's may be the host's
		if p := s.tree.peek(root, path); p != nil && p.parent != nil {
			s.tree.bury(p)
		}
	}
	if n.item.kind == ntCreate {
		s.tree.walk(s.tree.rootOf(e.view), path, e.ID.UnixMilli()).since = e.First
	}
}
