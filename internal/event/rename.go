package event

import "bytes"

// An order says which of a rename's two PARENT records comes first. It depends
// on how the kernel was compiled, so it is learnt from the first rename of a
// boot whose names tell the two apart.
type order uint8

const (
	orderUnknown order = iota
	orderNewFirst
	orderOldFirst
)

// chooseRename tells old from new name, and finds what the new one replaced.
//
// A rename prints DELETE for the old name and CREATE, with the same inode, for
// the new one; one that replaces a file prints DELETE for that as well. An
// exchange prints DELETE and CREATE for both, inodes crossed.
func (e *Event) chooseRename() {
	c := &e.call
	created := e.first(ntCreate)
	deleted := e.deleted(created)
	e.use(&e.Path, deleted, nil, c.dir)
	e.use(&e.Dest, created, nil, c.dest)
	if deleted == nil || created == nil {
		return
	}
	deleted.taken, created.taken = true, true
	other := e.first(ntDelete)
	if other == nil {
		e.sameName()
		return
	}
	if back := e.first(ntCreate); back != nil && back.hasIno && back.key == other.key {
		e.Exchange = true
	} else if other.hasIno && e.Success != No {
		e.Overwrote, e.overwritten = other.key.ino, other
	}
	e.sameName()
}

// deleted is the DELETE record of what created is now.
func (e *Event) deleted(created *item) *item {
	var found *item
	for i := range e.paths {
		p := &e.paths[i]
		if p.kind != ntDelete || created != nil && created.hasIno && p.hasIno && p.key != created.key {
			continue
		}
		// Two names of one file: the old one is not the new one.
		if found != nil && created != nil && !bytes.Equal(found.name, created.name) {
			continue
		}
		found = p
	}
	return found
}

// sameName fills in the old name where the caller gave one string for both: the
// kernel then prints it once.
func (e *Event) sameName() {
	if e.Path.given == nil && e.Dest.given != nil && !e.uring {
		e.Path.given = e.Dest.given
		e.samePointer = true
	}
}

// pair gives each of a rename's names its PARENT record.
func (s *Stream) pair(e *Event) {
	if e.call.verb != verbRename {
		return
	}
	two := e.parents()
	switch {
	case len(two) == 0:
		return
	case len(two) == 1 || two[0].key == two[1].key:
		e.Path.parent, e.Dest.parent = two[len(two)-1], two[0]
		s.observe(e, two)
	case e.Path.item == nil || e.Dest.item == nil:
		s.pairBlind(e, two)
	default:
		s.pairNamed(e, two)
	}
	s.learnGiven(e)
}

// pairNamed uses what the kernel prints as a PARENT's name: the directory part
// of the name as given, or the working directory.
func (s *Stream) pairNamed(e *Event, two []*item) {
	newFirst := e.matches(two[0], &e.Dest) && e.matches(two[1], &e.Path)
	oldFirst := e.matches(two[0], &e.Path) && e.matches(two[1], &e.Dest)
	switch {
	case newFirst && !oldFirst:
		s.order = orderNewFirst
	case oldFirst && !newFirst:
		s.order = orderOldFirst
	}
	switch {
	case newFirst && (!oldFirst || s.order == orderNewFirst):
		e.Dest.parent, e.Path.parent = two[0], two[1]
	case oldFirst && (!newFirst || s.order == orderOldFirst):
		e.Path.parent, e.Dest.parent = two[0], two[1]
	}
}

// observe learns the order from a rename within one directory.
func (s *Stream) observe(e *Event, two []*item) {
	if len(two) < 2 || e.Path.item == nil || e.Dest.item == nil {
		return
	}
	newFirst := e.matches(two[0], &e.Dest) && e.matches(two[1], &e.Path)
	oldFirst := e.matches(two[0], &e.Path) && e.matches(two[1], &e.Dest)
	if newFirst && !oldFirst {
		s.order = orderNewFirst
	}
	if oldFirst && !newFirst {
		s.order = orderOldFirst
	}
}

// matches says whether a PARENT record may be the one of a name.
func (e *Event) matches(parent *item, n *Name) bool {
	if n.item.name == nil {
		return parent.name == nil
	}
	if parent.name == nil {
		return false
	}
	dir, _ := splitName(n.given)
	if len(dir) == 0 {
		return bytes.Equal(parent.name, e.Cwd)
	}
	return bytes.Equal(parent.name, dir)
}

// pairBlind gives the PARENTs of a call without names, by the order alone.
func (s *Stream) pairBlind(e *Event, two []*item) {
	switch s.order {
	case orderNewFirst:
		e.Dest.parent, e.Path.parent = two[0], two[1]
	case orderOldFirst:
		e.Path.parent, e.Dest.parent = two[0], two[1]
	}
}
