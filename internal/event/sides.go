package event

// A rename from one directory to another prints a PARENT record for each, and which
// is the old name's depends on how the kernel was compiled. Until records of this boot
// have told, mv report.csv archive/ waits for them. The directories are found
// meanwhile, as those of any name; what is left open is which of the two is whose.

// sides are the directories of a rename that nothing tells apart yet.
type sides struct {
	dirs  [2]Name // in the order of their records
	order order   // once records have told
	seen  order   // what a look at the directories told
	by    answer  // which it saw
}

// divide lets e wait for its sides.
func (s *Stream) divide(e *Event) {
	two := e.parents()
	e.sides = &sides{}
	e.unsolved++
	for i, p := range two {
		n := &e.sides.dirs[i]
		n.event, n.parent, n.dirArg = e, p, s.argOf(e, p)
		s.await(e, n)
	}
	if s.lookup != nil && !e.silent {
		s.look(e, two)
	}
}

// argOf is the argument of a rename which is open on a directory, dirNone for none.
func (s *Stream) argOf(e *Event, dir *item) int8 {
	if s.lookup == nil || e.PID == 0 {
		return dirNone
	}
	for _, n := range []*Name{&e.Path, &e.Dest} {
		if fd, ok := e.descriptor(n); ok {
			if _, key, ok := s.openDir(e, fd); ok && key == dir.key {
				return n.dirArg
			}
		}
	}
	return dirNone
}

// look sees which directory is the working one, or holds the new name now.
func (s *Stream) look(e *Event, two []*item) {
	for _, n := range []*Name{&e.Path, &e.Dest} {
		dir, last := splitName(n.given)
		if len(dir) > 0 || len(last) == 0 {
			continue
		}
		var path string
		var first, second bool
		if e.fromCWD(n.dirArg) {
			path = string(e.Cwd)
			first, second = s.lookup.Is(e.Cwd, two[0].key.dev, two[0].key.ino), s.lookup.Is(e.Cwd, two[1].key.dev, two[1].key.ino)
		} else if fd, ok := e.descriptor(n); ok && n == &e.Dest && n.item.hasIno {
			at, key, ok := s.openDir(e, fd)
			file, plain := appendJoined(s.scratch[:0], []byte(at), last, true)
			s.scratch = file
			if ok && plain && isAbs(file) && s.lookup.Is(file, n.item.key.dev, n.item.key.ino) {
				path, first, second = at, key == two[0].key, key == two[1].key
			}
		}
		if first == second {
			continue
		}
		e.sides.seen = orderNewFirst
		if first == (n == &e.Path) {
			e.sides.seen = orderOldFirst
		}
		e.sides.by = s.saw(e, path)
		return
	}
}

// learnOrder is told by records; events that waited for nothing else go.
func (s *Stream) learnOrder(o order) {
	if o == orderUnknown || s.order == o {
		return
	}
	s.order = o
	for e := s.held.head; e != nil; {
		next := e.queue.next
		if e.sides != nil && e.sides.order == orderUnknown {
			e.sides.order = o
			s.solved(e)
		}
		e = next
	}
}

// unite gives the names of a rename their sides, if anything has told them: records,
// or a look that no rename of directories makes doubtful.
func (s *Stream) unite(e *Event) {
	d := e.sides
	o := d.order
	if o == orderUnknown && d.seen != orderUnknown && s.counts(d.by, e) {
		o = d.seen
		s.hint(o, e.PID)
	}
	switch o {
	case orderOldFirst:
		e.Path.takeSide(e, &d.dirs[0])
		e.Dest.takeSide(e, &d.dirs[1])
	case orderNewFirst:
		e.Path.takeSide(e, &d.dirs[1])
		e.Dest.takeSide(e, &d.dirs[0])
	default:
		e.Path.unpaired(e)
		e.Dest.unpaired(e)
	}
	e.sides = nil
}

// takeSide makes n's path from its directory.
func (n *Name) takeSide(e *Event, dir *Name) {
	n.parent = dir.parent
	_, _, based := e.base(n.given, n.dirArg)
	switch {
	case based:
		n.unpaired(e)
	case dir.Dir != nil:
		start := len(e.built)
		n.complete(append(e.built, dir.Dir...), start, dir.From)
	default:
		n.unresolved()
	}
}

// unpaired is for a rename that nothing tells the sides of: a name that needs no
// directory is known all the same.
func (n *Name) unpaired(e *Event) {
	base, from, ok := e.base(n.given, n.dirArg)
	if !ok {
		n.unresolved()
		return
	}
	start := len(e.built)
	e.built, _ = appendJoined(e.built, base, n.given, base != nil)
	n.Path, n.From = e.built[start:len(e.built):len(e.built)], from
}

// A hint is what a look told of the order of a boot's PARENT records, and in whose
// event.
type hint struct {
	order order
	pid   uint32
}

// hint takes the word of two processes, if none ever says otherwise.
func (s *Stream) hint(o order, pid uint32) {
	switch h := &s.hinted; {
	case h.order == orderUnknown:
		*h = hint{o, pid}
	case h.order != o:
		h.order = orderDisputed
	case h.pid != pid:
		s.learnOrder(o)
	}
}
