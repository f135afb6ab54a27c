package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/event"
)

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
func (e *work) chooseRename() {
	c := &e.Call
	created := e.first(event.KindCreate)
	deleted := e.deleted(created)
	if deleted != nil && created == nil && e.Success == event.No {
		e.chooseRefused()
		return
	}
	if deleted == nil {
		deleted = e.merged(created)
	}
	e.use(&e.path, deleted, nil, c.Dir)
	e.use(&e.dest, created, nil, c.Dest)
	if deleted == nil || created == nil {
		return
	}
	deleted.Taken, created.Taken = true, true
	other := e.first(event.KindDelete)
	switch {
	case other == nil:
		e.sameName()
		return
	case crossed(deleted, created, other):
		e.useCrossed(deleted, created, other)
		return
	}
	if back := e.first(event.KindCreate); back != nil && back.HasIno && back.Key == other.Key {
		e.Exchange, e.exchanged = true, other
	} else if other.HasIno && e.Success != event.No {
		e.Overwrote, e.overwritten = other.Key.Ino, other
	}
	e.sameName()
}

// merged is the DELETE record of a rename onto a file whose name ends alike. The
// kernel takes that file's for the old name's, and prints one, with the old name and
// the inode of what was overwritten. Both names may be the same, from two directories.
//
// Without the old name's own record nothing has the inode of what was moved but the CREATE.
// So the DELETE gets that, and what was overwritten keeps the DELETE's own. A link that
// is renamed onto another name of its file does nothing, and has no CREATE.
func (e *work) merged(created *event.Item) *event.Item {
	d := e.first(event.KindDelete)
	if d == nil || created == nil || d.Name == nil || created.Name == nil || !d.HasIno || !created.HasIno ||
		e.Success != event.Yes || !bytes.Equal(lastPart(d.Name), lastPart(created.Name)) {
		return nil
	}
	if two := e.parents(); bytes.Equal(d.Name, created.Name) && (e.Partial || len(two) != 2 || two[0].Key == two[1].Key) {
		return nil
	}
	e.victim = *d
	e.Overwrote, e.overwritten = d.Key.Ino, &e.victim
	d.Key, d.Mode, d.Dev = created.Key, created.Mode, created.Dev
	return d
}

// crossed says whether an exchange lost a record: where both names end alike, the
// kernel takes the second CREATE for the first one's, so that the file which had
// the new name seems to have been created there.
//
// For example, an exchange of a/n (inode 1) and b/n (inode 2):
//
//	DELETE a/n 1    DELETE b/n 2    CREATE b/n 1    CREATE a/n 2     as it should be
//	DELETE b/n 1    CREATE b/n 1    DELETE a/n 2                     as it comes
func crossed(deleted, created, other *event.Item) bool {
	return deleted.Name != nil && bytes.Equal(deleted.Name, created.Name) && deleted.HasIno && created.HasIno && deleted.Key == created.Key &&
		other.HasIno && other.Key != created.Key && !bytes.Equal(other.Name, created.Name) && bytes.Equal(lastPart(other.Name), lastPart(created.Name))
}

// useCrossed takes the names of such an exchange.
func (e *work) useCrossed(deleted, created, other *event.Item) {
	e.use(&e.path, other, nil, e.Call.Dir)
	created.Key, created.Mode, created.Dev = other.Key, other.Mode, other.Dev
	e.use(&e.dest, created, nil, e.Call.Dest)
	e.Exchange, e.exchanged = true, deleted
	other.Taken = true
}

// chooseRefused is for a rename of which the records tell what it would have
// taken away: the old name, then what had the new one.
func (e *work) chooseRefused() {
	old := e.first(event.KindDelete)
	e.use(&e.path, old, nil, e.Call.Dir)
	old.Taken = true
	e.use(&e.dest, e.first(event.KindDelete), nil, e.Call.Dest)
}

// deleted is the DELETE record of what created is now.
func (e *work) deleted(created *event.Item) *event.Item {
	var found *event.Item
	for i := range e.Items {
		p := &e.Items[i]
		if p.Kind != event.KindDelete || created != nil && created.HasIno && p.HasIno && p.Key != created.Key {
			continue
		}
		// Two names of one file: the old one is not the new one.
		if found != nil && created != nil && !bytes.Equal(found.Name, created.Name) {
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
func (e *work) mayExchange() bool {
	if e.Call.Name != "renameat2" || e.Success != event.Yes || e.Exchange || e.overwritten != nil || e.first(event.KindDelete) != nil {
		return false
	}
	if passOn[string(e.Exe)] && !bytes.Contains(e.Title, []byte("\x00--e")) {
		return false
	}
	two := e.parents()
	return len(two) == 2 && two[0].Key != two[1].Key && bytes.Equal(lastPart(e.path.given), lastPart(e.dest.given))
}

// sameName fills in the old name where the caller gave one string for both: the
// kernel then prints it once, and the directory of one side only. Where it prints
// that of both, the old name was another one, which it has lost (slash.go).
func (e *work) sameName() {
	if e.path.given != nil || e.dest.given == nil || e.Uring || e.Partial {
		return
	}
	if two := e.parents(); len(two) == 2 && two[0].Name != nil && two[1].Name != nil {
		return
	}
	e.path.given = e.dest.given
}

// pair gives each of a rename's names its PARENT record; false if nothing tells
// which is whose.
//
// In this order:
//
//  1. io_uring prints no names, but the new name's PARENT twice.
//  2. One PARENT record is the directory of both, or of whom the call's failure left.
//  3. Records without the file's names are told apart by the order of this kernel.
//  4. A name that lost its slash has its PARENT once more.
//  5. The directory parts of the names, which the kernel prints with the inodes they led to.
//  6. The order of this kernel (learnOrder), where both parts are alike.
func (s *pairing) pair(e *work) bool {
	if e.Uring {
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
	case e.path.item == nil || e.dest.item == nil:
		return s.pairBlind(e, two)
	case s.pairSlashed(e, two):
		return true
	}

	newFirst := e.matches(two[0], &e.dest) && e.matches(two[1], &e.path)
	oldFirst := e.matches(two[0], &e.path) && e.matches(two[1], &e.dest)
	switch {
	case newFirst && !oldFirst:
		s.learnOrder(orderNewFirst)
	case oldFirst && !newFirst:
		s.learnOrder(orderOldFirst)
	}
	switch {
	case two[0].Key == two[1].Key:
		e.dest.parent, e.path.parent = two[0], two[1]
	case newFirst && (!oldFirst || s.order == orderNewFirst):
		e.dest.parent, e.path.parent = two[0], two[1]
	case oldFirst && (!newFirst || s.order == orderOldFirst):
		e.path.parent, e.dest.parent = two[0], two[1]
	default:
		return !newFirst && !oldFirst // what matches neither way will never be known
	}
	return true
}

// pairOne gives the only PARENT to whose it is. The kernel looks at the old
// name's directory first. A string that stands for both names has one record, which
// the new name's directory takes over.
func (e *work) pairOne(p *event.Item) {
	c := &e.Call
	oldDir, newDir := uint64(atFDCWD), uint64(atFDCWD)
	oneString := false
	if c.Dir >= 0 {
		oldDir, newDir = e.Args[c.Dir], e.Args[c.Dest]
		oneString = e.Args[c.Dir+1] == e.Args[c.Dest+1]
	}
	switch {
	case uint32(oldDir) == uint32(newDir) && oneString:
		e.path.parent, e.dest.parent = p, p
	case oneString:
		e.dest.parent = p
	case e.Success == event.No && !e.Partial:
		e.path.parent = p
	case e.path.item != nil && e.matches(p, &e.path):
		e.path.parent = p
	case e.dest.item != nil && e.matches(p, &e.dest):
		e.dest.parent = p
	}
}

// pairUring tells the PARENTs of an io_uring rename apart. Without names the
// kernel does not find an item again, so it prints the new name's PARENT twice:
// when it checks that the name may be made, and when it has been.
func (e *work) pairUring() {
	var once, twice *event.Item
	for i := range e.Items {
		p := &e.Items[i]
		if p.Kind != event.KindParent {
			continue
		}
		n := 0
		for j := range e.Items {
			if q := &e.Items[j]; q.Kind == event.KindParent && q.Key == p.Key {
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
		e.path.parent, e.dest.parent = once, twice
	}
}

// matches says whether a PARENT record may be the one of a name.
func (e *work) matches(parent *event.Item, n *place) bool {
	if n.item.Name == nil {
		return parent.Name == nil
	}
	if parent.Name == nil {
		return false
	}
	dir, _ := splitName(n.given)
	if len(dir) == 0 {
		return bytes.Equal(parent.Name, e.Cwd)
	}
	return bytes.Equal(parent.Name, dir)
}

// pairBlind gives the PARENTs of a call that failed, and of whose names the
// records tell at most the old one; false if nothing tells which is whose.
func (s *pairing) pairBlind(e *work, two []*event.Item) bool {
	newFirst, oldFirst := s.order == orderNewFirst, s.order == orderOldFirst
	if e.path.item != nil {
		if zero, one := e.matches(two[0], &e.path), e.matches(two[1], &e.path); zero != one {
			newFirst, oldFirst = one, zero
		}
	}
	switch {
	case newFirst || two[0].Key == two[1].Key:
		e.dest.parent, e.path.parent = two[0], two[1]
	case oldFirst:
		e.path.parent, e.dest.parent = two[0], two[1]
	default:
		return e.Success != event.No
	}
	return true
}
