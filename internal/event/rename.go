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
	orderDisputed // by what was told, or never to be known; not that of a stream
)

// chooseRename tells old from new name, and finds what the new one replaced.
//
// A rename prints DELETE for the old name and CREATE, with the same inode, for
// the new one; one that replaces a file prints DELETE for that as well. An
// exchange prints DELETE and CREATE for both, inodes crossed. One that the file
// system refused prints the DELETEs only.
func (e *Event) chooseRename() {
	c := &e.call
	created := e.first(ntCreate)
	deleted := e.deleted(created)
	if deleted != nil && created == nil && e.Success == No {
		e.chooseRefused()
		return
	}
	if deleted == nil {
		deleted = e.merged(created)
	}
	e.use(&e.Path, deleted, nil, c.dir)
	e.use(&e.Dest, created, nil, c.dest)
	if deleted == nil || created == nil {
		return
	}
	deleted.taken, created.taken = true, true
	other := e.first(ntDelete)
	switch {
	case other == nil:
		e.sameName()
		return
	case crossed(deleted, created, other):
		e.useCrossed(deleted, created, other)
		return
	}
	if back := e.first(ntCreate); back != nil && back.hasIno && back.key == other.key {
		e.Exchange, e.exchanged = true, other
	} else if other.hasIno && e.Success != No {
		e.Overwrote, e.overwritten = other.key.ino, other
	}
	e.sameName()
}

// merged is the DELETE record of a rename onto a file whose name ends alike. The
// kernel takes that file's for the old name's, and prints one, with the old name and
// the inode of what was overwritten. Both names may be the same, from two directories.
func (e *Event) merged(created *item) *item {
	d := e.first(ntDelete)
	if d == nil || created == nil || d.name == nil || created.name == nil || !d.hasIno || !created.hasIno ||
		e.Success != Yes || !bytes.Equal(LastPart(d.name), LastPart(created.name)) {
		return nil
	}
	if two := e.parents(); bytes.Equal(d.name, created.name) && (e.Partial || len(two) != 2 || two[0].key == two[1].key) {
		return nil
	}
	e.victim = *d
	e.Overwrote, e.overwritten = d.key.ino, &e.victim
	d.key, d.mode, d.dev = created.key, created.mode, created.dev
	return d
}

// crossed says whether an exchange lost a record: where both names end alike, the
// kernel takes the second CREATE for the first one's, so that the file which had
// the new name seems to have been created there.
func crossed(deleted, created, other *item) bool {
	return deleted.name != nil && bytes.Equal(deleted.name, created.name) && deleted.hasIno && created.hasIno && deleted.key == created.key &&
		other.hasIno && other.key != created.key && !bytes.Equal(other.name, created.name) && bytes.Equal(LastPart(other.name), LastPart(created.name))
}

// useCrossed takes the names of such an exchange.
func (e *Event) useCrossed(deleted, created, other *item) {
	e.use(&e.Path, other, nil, e.call.dir)
	created.key, created.mode, created.dev = other.key, other.mode, other.dev
	e.use(&e.Dest, created, nil, e.call.dest)
	e.Exchange, e.exchanged = true, deleted
	other.taken = true
}

// chooseRefused is for a rename of which the records tell what it would have
// taken away: the old name, then what had the new one.
func (e *Event) chooseRefused() {
	old := e.first(ntDelete)
	e.use(&e.Path, old, nil, e.call.dir)
	old.taken = true
	e.use(&e.Dest, e.first(ntDelete), nil, e.call.dest)
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

// mayExchange says whether the records are those of an exchange just as well. Where two
// names that change places end alike, the kernel takes one file's records for the
// other's, and prints one DELETE and one CREATE, as of any rename; the flags that would
// tell are not among the arguments that it prints. mv exchanges only if it is told to.
func (e *Event) mayExchange() bool {
	if e.call.name != "renameat2" || e.Success != Yes || e.Exchange || e.overwritten != nil || e.first(ntDelete) != nil {
		return false
	}
	if passOn[string(e.Exe)] && !bytes.Contains(e.Title, []byte("\x00--e")) {
		return false
	}
	two := e.parents()
	return len(two) == 2 && two[0].key != two[1].key && bytes.Equal(LastPart(e.Path.given), LastPart(e.Dest.given))
}

// sameName fills in the old name where the caller gave one string for both: the
// kernel then prints it once, and the directory of one side only. Where it prints
// that of both, the old name was another one, which it has lost (slash.go).
func (e *Event) sameName() {
	if e.Path.given != nil || e.Dest.given == nil || e.uring || e.Partial {
		return
	}
	if two := e.parents(); len(two) == 2 && two[0].name != nil && two[1].name != nil {
		return
	}
	e.Path.given = e.Dest.given
}

// pair gives each of a rename's names its PARENT record; false if nothing tells
// which is whose.
func (s *Stream) pair(e *Event) bool {
	if e.uring {
		e.pairUring()
		return true
	}
	two := e.parents()
	switch {
	case len(two) == 0:
		return true
	case len(two) == 1:
		e.pairOne(two[0])
		return true
	case e.Path.item == nil || e.Dest.item == nil:
		return s.pairBlind(e, two)
	case s.pairSlashed(e, two):
		return true
	}

	newFirst := e.matches(two[0], &e.Dest) && e.matches(two[1], &e.Path)
	oldFirst := e.matches(two[0], &e.Path) && e.matches(two[1], &e.Dest)
	switch {
	case newFirst && !oldFirst:
		s.learnOrder(orderNewFirst)
	case oldFirst && !newFirst:
		s.learnOrder(orderOldFirst)
	}
	switch {
	case two[0].key == two[1].key:
		e.Dest.parent, e.Path.parent = two[0], two[1]
	case newFirst && (!oldFirst || s.order == orderNewFirst):
		e.Dest.parent, e.Path.parent = two[0], two[1]
	case oldFirst && (!newFirst || s.order == orderOldFirst):
		e.Path.parent, e.Dest.parent = two[0], two[1]
	default:
		return !newFirst && !oldFirst // what matches neither way will never be known
	}
	return true
}

// pairOne gives the only PARENT to whose it is. The kernel looks at the old
// name's directory first. A string that stands for both names has one record, which
// the new name's directory takes over.
func (e *Event) pairOne(p *item) {
	c := &e.call
	oldDir, newDir := uint64(atFDCWD), uint64(atFDCWD)
	oneString := false
	if c.dir >= 0 {
		oldDir, newDir = e.args[c.dir], e.args[c.dest]
		oneString = e.args[c.dir+1] == e.args[c.dest+1]
	}
	switch {
	case uint32(oldDir) == uint32(newDir) && oneString:
		e.Path.parent, e.Dest.parent = p, p
	case oneString:
		e.Dest.parent = p
	case e.Success == No && !e.Partial:
		e.Path.parent = p
	case e.Path.item != nil && e.matches(p, &e.Path):
		e.Path.parent = p
	case e.Dest.item != nil && e.matches(p, &e.Dest):
		e.Dest.parent = p
	}
}

// startsFrom says whether the directory that a name is relative to is certainly dir.
func (s *Stream) startsFrom(e *Event, n *Name, dir *item) bool {
	if e.fromCWD(n.dirArg) {
		return s.lookup != nil && s.lookup.Is(e.Cwd, dir.key.dev, dir.key.ino)
	}
	if s.lookup == nil || n.dirArg < 0 {
		return false
	}
	_, key, ok := s.openDir(e, uint32(e.args[n.dirArg]))
	return ok && dir.key == key
}

// pairUring tells the PARENTs of an io_uring rename apart. Without names the
// kernel does not find an item again, so it prints the new name's PARENT twice:
// when it checks that the name may be made, and when it has been.
func (e *Event) pairUring() {
	var once, twice *item
	for i := range e.paths {
		p := &e.paths[i]
		if p.kind != ntParent {
			continue
		}
		n := 0
		for j := range e.paths {
			if q := &e.paths[j]; q.kind == ntParent && q.key == p.key {
				n++
			}
		}
		switch n {
		case 1:
			once = p
		case 2:
			twice = p
		case 3:
			once, twice = p, p
		}
	}
	if once != nil && twice != nil {
		e.Path.parent, e.Dest.parent = once, twice
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

// pairBlind gives the PARENTs of a call that failed, and of whose names the
// records tell at most the old one; false if nothing tells which is whose.
func (s *Stream) pairBlind(e *Event, two []*item) bool {
	newFirst, oldFirst := s.order == orderNewFirst, s.order == orderOldFirst
	if e.Path.item != nil {
		if zero, one := e.matches(two[0], &e.Path), e.matches(two[1], &e.Path); zero != one {
			newFirst, oldFirst = one, zero
		}
	}
	switch {
	case newFirst || two[0].key == two[1].key:
		e.Dest.parent, e.Path.parent = two[0], two[1]
	case oldFirst:
		e.Path.parent, e.Dest.parent = two[0], two[1]
	default:
		return e.Success != No
	}
	return true
}
