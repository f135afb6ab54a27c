package event

import (
	"bytes"
	"slices"
)

// A rename from one directory to another prints a PARENT record for each, and which
// is the old name's depends on how the kernel was compiled. Until records of this boot
// have told, mv report.csv archive/ waits for them. The directories are found
// meanwhile, as those of any name; what is left open is which of the two is whose.

// sides are the directories of a rename that nothing tells apart yet.
type sides struct {
	dirs  [2]Name // in the order of their records
	order order   // once records have told
	seen  order   // what a look told
	by    answer  // which it saw
	file  bool    // of the file: another record of that spoils it
}

// divide lets e wait for its sides.
func (s *Stream) divide(e *Event) {
	e.sides = &sides{}
	e.unsolved++
	d := e.sides
	for i, p := range e.parents() {
		n := &d.dirs[i]
		n.event, n.parent, n.dirArg = e, p, dirNone
	}
	look := s.lookup != nil && e.PID != 0 && !e.silent && e.maySeeAsHost()
	if look && (s.seeCwd(e) || s.strange(e, &d.dirs[0]) || s.strange(e, &d.dirs[1])) {
		s.argOf(e, &e.Path)
		s.argOf(e, &e.Dest)
	}
	for i := range d.dirs {
		s.await(e, &d.dirs[i])
	}
	if e.mayExchange() { // the file may be on the other side
		return
	}
	if look && d.seen == orderUnknown {
		s.seeFile(e)
	}
	if key := e.Dest.item.key; !e.silent && e.Dest.item.hasIno {
		if s.divided == nil {
			s.divided = map[inodeKey][]*Event{}
		}
		s.divided[key] = append(s.divided[key], e)
	}
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

// argOf looks which side a name's descriptor is open on, for the path of that. Whose
// side it is does not follow: programs open both again, the other way round.
func (s *Stream) argOf(e *Event, n *Name) {
	fd, ok := e.descriptor(n)
	if !ok {
		return
	}
	_, key, ok := s.openDir(e, fd)
	for i := range e.sides.dirs {
		if side := &e.sides.dirs[i]; ok && side.parent.key == key {
			side.dirArg = n.dirArg
		}
	}
}

// seeFile looks in which directory the file is, by its only name.
func (s *Stream) seeFile(e *Event) {
	key, last := e.Dest.item.key, lastPart(e.Dest.given)
	if e.Dest.item.isDir() || e.Exchange || len(last) == 0 {
		return
	}
	var there [2]bool
	var at [2]string
	for i := range there {
		n := &e.sides.dirs[i]
		if at[i] = string(n.Dir); at[i] == "" && n.place != nil {
			at[i] = n.place.answer.path
		}
		if at[i] == "" {
			return
		}
		file, plain := appendJoined(s.scratch[:0], []byte(at[i]), last, true)
		s.scratch = file
		there[i] = plain && s.lookup.Only(file, key.dev, key.ino, anyAge)
	}
	if e.sides.file = there[0] != there[1]; !e.sides.file {
		return
	}
	if there[0] {
		s.sawSides(e, false, at[0])
	} else {
		s.sawSides(e, true, at[1])
	}
}

// rejoin takes from an event what it says of the sides of those who wait: the next
// record of a renamed file tells in which directory it was. What is seen of the file
// from then on says nothing of the rename.
func (s *Stream) rejoin(e *Event) {
	if len(s.divided) == 0 || e.Success == No {
		return
	}
	for i := range e.paths {
		p := &e.paths[i]
		if p.kind != ntDelete && p.kind != ntCreate {
			continue
		}
		waiting := s.divided[p.key]
		delete(s.divided, p.key)
		for _, w := range waiting {
			if w.sides != nil { // it may have gone when another one taught the order
				if w.sides.file {
					w.sides.seen = orderUnknown
				}
				s.takes(e, p, w)
			}
		}
	}
}

// forgo ends e's wait for the next record of its file.
func (s *Stream) forgo(e *Event) {
	key := e.Dest.item.key
	if left := slices.DeleteFunc(s.divided[key], func(w *Event) bool { return w == e }); len(left) > 0 {
		s.divided[key] = left
	} else {
		delete(s.divided, key)
	}
}

// takes finds w's sides if e takes its file away by the name that w gave it. A layer's
// identity of a file tells nothing: the next one may have its number.
func (s *Stream) takes(e *Event, it *item, w *Event) {
	gone := &e.Path
	if it != gone.item || it.kind != ntDelete || e.Stacked || it.mode&modeType != w.Dest.item.mode&modeType || gone.parent == nil || !gone.parent.hasIno || e.Exchange ||
		!bytes.Equal(lastPart(gone.given), lastPart(w.Dest.given)) {
		return
	}
	d := w.sides
	if d.order != orderUnknown {
		return
	}
	switch gone.parent.key {
	case d.dirs[0].parent.key:
		d.order = orderNewFirst
	case d.dirs[1].parent.key:
		d.order = orderOldFirst
	default:
		return
	}
	s.hint(d.order, w)
	s.solved(w)
}

// learnOrder is told by records; events that waited for nothing else go.
func (s *Stream) learnOrder(o order) {
	if o == orderUnknown || s.order == o {
		return
	}
	s.order = o
	s.endWait(o)
}

// nextBoot forgets the order: another kernel may have another one. Those who wait for
// it will never know.
func (s *Stream) nextBoot() {
	s.order, s.hinted = orderUnknown, hint{}
	s.endWait(orderDisputed)
}

// endWait tells all who wait for the order what it is.
func (s *Stream) endWait(o order) {
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
	s.forgo(e)
	o := d.order
	if o == orderUnknown && d.seen != orderUnknown && s.counts(d.by, e) {
		o = d.seen
		s.hint(o, e)
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

// A hint is what was told of the order of a boot's PARENT records by a file's next
// record, or by a look.
type hint struct {
	order order
	pid   uint32 // of its event's process
	at    int64  // and its time, in Unix milliseconds
}

// hintGap is how long after one hint another one is no more misled by what misled the
// first, in milliseconds.
const hintGap = 1000

// hint takes the word of two, if none ever says otherwise: for two processes, or one
// at different times.
func (s *Stream) hint(o order, e *Event) {
	h, now := &s.hinted, e.ID.UnixMilli()
	switch {
	case h.order == orderUnknown:
		*h = hint{o, e.PID, now}
	case h.order != o:
		h.order = orderDisputed
	case h.pid != e.PID || now-h.at >= hintGap:
		s.learnOrder(o)
	}
}
