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

// divide lets e wait for its sides. It returns false if it has to.
func (s *Stream) divide(e *Event) bool {
	e.sides = &sides{}
	e.unsolved++
	d := e.sides
	for i, p := range e.parents() {
		n := &d.dirs[i]
		n.event, n.parent, n.dirArg = e, p, dirNone
	}
	look := s.lookup != nil && e.PID != 0 && !e.silent && (e.view == 0 || e.view&stranger != 0)
	if look && !s.seeCwd(e) && (s.strange(e, &d.dirs[0]) || s.strange(e, &d.dirs[1]) || s.hintDue(e, fdsGap)) {
		s.seeFDs(e)
	}
	for i := range d.dirs {
		s.await(e, &d.dirs[i])
	}
	if look && d.seen == orderUnknown {
		s.seeFile(e)
	}
	if d.order = s.order; d.order != orderUnknown { // this very look was the last that it took
		e.unsolved--
	}
	if e.unsolved > 0 {
		return false
	}
	s.unite(e)
	return true
}

// sawSides notes what was seen at path: whether the first record is the old name's.
func (s *Stream) sawSides(e *Event, old bool, path string) {
	e.sides.seen, e.sides.by = orderNewFirst, s.saw(e, path)
	if old {
		e.sides.seen = orderOldFirst
	}
}

// seeCwd looks which of the directories is the working one, if a name starts from it.
func (s *Stream) seeCwd(e *Event) bool {
	for _, n := range []*Name{&e.Path, &e.Dest} {
		if dir, _ := splitName(n.given); len(dir) > 0 || !e.fromCWD(n.dirArg) {
			continue
		}
		zero, one := &e.sides.dirs[0].parent.key, &e.sides.dirs[1].parent.key
		first, second := s.lookup.Is(e.Cwd, zero.dev, zero.ino), s.lookup.Is(e.Cwd, one.dev, one.ino)
		if first != second {
			s.sawSides(e, first == (n == &e.Path), string(e.Cwd))
			s.argOf(e, &e.Path)
			s.argOf(e, &e.Dest)
			return true
		}
	}
	return false
}

// strange says whether neither records nor a look have told lately where a side is.
func (s *Stream) strange(e *Event, n *Name) bool {
	for _, p := range s.tree.inodes[n.parent.key] {
		if p.answer.path != "" && e.ID.UnixMilli()-p.answer.looked < briefly || s.tree.anchored(p) && !p.dead {
			return false
		}
	}
	return true
}

// argOf looks which side a name's descriptor is open on, -1 for none of them.
func (s *Stream) argOf(e *Event, n *Name) int {
	fd, ok := e.descriptor(n)
	if !ok {
		return -1
	}
	_, key, ok := s.openDir(e, fd)
	for i := range e.sides.dirs {
		if side := &e.sides.dirs[i]; ok && side.parent.key == key {
			side.dirArg = n.dirArg
			return i
		}
	}
	return -1
}

// seeFDs looks which descriptor is open on which side. They may stand for others by
// now, so that it is but a hint.
func (s *Stream) seeFDs(e *Event) {
	old, dest := s.argOf(e, &e.Path), s.argOf(e, &e.Dest)
	switch {
	case !s.hintDue(e, fdsGap):
	case old == 0 && dest == 1:
		s.hint(orderOldFirst, e, 1)
	case old == 1 && dest == 0:
		s.hint(orderNewFirst, e, 1)
	}
}

// seeFile looks whether the file is in the directory that its new name's descriptor is
// open on.
func (s *Stream) seeFile(e *Event) {
	key := e.Dest.item.key
	dir, last := splitName(e.Dest.given)
	if len(dir) > 0 || len(last) == 0 {
		return
	}
	for i := range e.sides.dirs {
		n := &e.sides.dirs[i]
		at := string(n.Dir)
		if at == "" && n.place != nil {
			at = n.place.answer.path
		}
		if at == "" {
			continue
		}
		file, plain := appendJoined(s.scratch[:0], []byte(at), last, true)
		s.scratch = file
		if plain && s.lookup.Is(file, key.dev, key.ino) && s.argOf(e, &e.Dest) == i {
			s.sawSides(e, i == 1, at)
			return
		}
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
		if s.hintDue(e, hintGap) {
			s.hint(o, e, hintEnough/2)
		}
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

// A hint is what looks told of the order of a boot's PARENT records.
type hint struct {
	order  order
	pid    uint32 // of the last one's process
	at     int64  // and its event's time, in Unix milliseconds
	weight int
}

const (
	// hintGap is how long after one look at files or the working directory another one
	// is no more misled by what misled the first, in milliseconds.
	hintGap = 1000

	// fdsGap is that time for looks at descriptors, of which it takes many.
	fdsGap = 50

	// hintEnough is the weight of hints that tell an order for all that follow, if none
	// ever said otherwise: of two looks, or of as many as this at descriptors.
	hintEnough = 8
)

// hintDue says whether a look for an event would tell more than the last.
func (s *Stream) hintDue(e *Event, gap int64) bool {
	h := &s.hinted
	return h.order != orderDisputed && (h.pid != e.PID || e.ID.UnixMilli()-h.at >= gap)
}

// hint weighs a look that was made for an event.
func (s *Stream) hint(o order, e *Event, weight int) {
	h := &s.hinted
	if h.order != orderUnknown && h.order != o {
		h.order = orderDisputed
		return
	}
	*h = hint{o, e.PID, e.ID.UnixMilli(), h.weight + weight}
	if h.weight >= hintEnough {
		s.learnOrder(o)
	}
}
