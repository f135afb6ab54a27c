package event

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/auditshipper/auditshipper/internal/dirtree"
)

// A file system that keeps its files in another one, as overlayfs does, is seen
// by the kernel twice in one call. The records of a delete in an overlay are
//
//	PARENT name="/usr" inode=44 dev=00:27     the directory, as the caller sees it
//	DELETE name="d0"   inode=46 dev=fe:00     the file, as the layer below knows it
//	PARENT name=(null) inode=44 dev=fe:00     the directory's other self in that layer
//
// and, where lower layers have something of the same name, a dozen more of the
// layer's own affairs: whiteouts, copies, its work directory. So a directory
// comes as the parent of what is in it with one identity, and with another one
// when it is deleted itself. Which two are one directory is learnt from events
// that leave no choice.

// A twin is the upper identity of a directory.
type twin struct {
	key  inodeKey
	at   int64 // when it was last seen, in Unix milliseconds
	torn int64 // when it was last another directory's
}

// twins tell from a layer's identity of a directory the one its users see.
type twins struct {
	of    map[inodeKey]twin
	limit int
}

func (t *twins) learn(below, above inodeKey, now int64) {
	if below.ino == 0 || above.ino == 0 {
		return
	}
	if t.of == nil || len(t.of) >= t.limit {
		t.of = make(map[inodeKey]twin)
	}
	w := t.of[below]
	if w.at != 0 && w.key != above {
		w.torn = now
	}
	w.key, w.at = above, now
	t.of[below] = w
}

// find returns below's other self on the device dev. Where the layer gave an
// inode to another directory a moment ago, the event that deleted the first one
// may still be to come, so it is not known which of the two is meant.
func (t *twins) find(below inodeKey, dev Dev, now int64) (inodeKey, bool) {
	w, ok := t.of[below]
	if age := max(now-w.at, w.at-now); !ok || w.key.dev != dev || age > ownWord || now-w.torn <= briefly {
		return inodeKey{}, false
	}
	return w.key, true
}

// dropDev forgets what is or was on a device that goes away.
func (t *twins) dropDev(dev Dev) {
	for below, w := range t.of {
		if below.dev == dev || w.key.dev == dev {
			delete(t.of, below)
		}
	}
}

// A stack is an event on a stacked file system. The caller saw its files on the
// device top.
type stack struct {
	*Event
	top Dev
	now int64
}

// below says whether a record tells of a layer's own affairs. The kernel prints
// no names there.
func (k stack) below(p *item) bool { return p.name == nil && (!p.hasIno || p.key.dev != k.top) }

// unstack makes of the records of a stacked file system those that any other
// one would have given.
func (s *Stream) unstack(e *Event) {
	top, ok := e.stacked()
	if !ok {
		return
	}
	e.Stacked = true
	k := stack{e, top, e.ID.UnixMilli()}
	s.learnTwins(k)
	if e.call.verb == verbRename || e.call.verb == verbOther && e.has(ntDelete) {
		s.unstackRename(k)
	}
	for i := range e.paths {
		if p := &e.paths[i]; !k.below(p) && p.kind == ntDelete && p.isDir() && p.key.dev != top {
			s.unstackGone(k, p)
		}
	}
	kept := e.paths[:0]
	for _, p := range e.paths {
		if !k.below(&p) {
			kept = append(kept, p)
		}
	}
	e.paths = kept
}

// stacked says whether the event has records of a layer below, and on which
// device the caller saw the files. A rename between file systems, which fails,
// has PARENTs on two devices, too.
func (e *Event) stacked() (top Dev, ok bool) {
	var first *item
	for i := range e.paths {
		if p := &e.paths[i]; p.hasIno && (first == nil || p.number < first.number) {
			first = p
		}
	}
	if first == nil {
		return 0, false
	}
	parents := 0
	for i := range e.paths {
		switch p := &e.paths[i]; {
		case p.kind != ntParent || !p.hasIno:
		case p.key.dev == first.key.dev:
			parents++
		case p.name == nil && p.number > first.number:
			ok = true
		}
	}
	switch e.call.verb {
	case verbRename:
		ok = ok && parents >= 2
	case verbLink:
		ok = ok && e.Success == Yes
	}
	return first.key.dev, ok
}

// learnTwins notes which directories of the layers are the caller's one, if the
// event was in a single one and a layer leaves no doubt either. A link copies
// the file up in its old directory first.
func (s *Stream) learnTwins(k stack) {
	if k.Success == No || k.call.verb == verbLink {
		return
	}
	var above *item
	for i := range k.paths {
		p := &k.paths[i]
		if p.kind != ntParent || p.key.dev != k.top {
			continue
		}
		if above != nil && above.key != p.key {
			return
		}
		above = p
	}
	for i := range k.paths {
		p := &k.paths[i]
		if above == nil || p.kind != ntParent || !k.below(p) {
			continue
		}
		if dir := k.layerDir(p.key.dev); dir != nil && dir.key == p.key {
			s.twins.learn(p.key, above.key, k.now)
		}
	}
}

// What an overlay makes in its layers, by its mode.
const (
	modeWork     = modeDir  // the work directory, which nobody may enter
	modeWhiteout = 0o020000 // a character device: nothing of that name is here
)

// layerDir is the one directory of a layer in which the call was done; nil if
// there may be another one, as where directories are copied up first.
func (k stack) layerDir(dev Dev) *item {
	var dir *item
	work, copied, several := false, false, false
	for i := range k.paths {
		p := &k.paths[i]
		switch {
		case !k.below(p) || p.key.dev != dev:
		case p.kind == ntCreate && p.isDir():
			copied = true
		case p.kind != ntParent:
		case p.mode == modeWork:
			work = true
		case dir == nil:
			dir = p
		case dir.key != p.key:
			several = true
		}
	}
	if !several && !(work && copied) {
		return dir
	}
	return k.whitedOut(dev)
}

// whitedOut is the directory of a layer in which a whiteout took the place of
// what was deleted. It is made in the work directory and moved from there.
func (k stack) whitedOut(dev Dev) *item {
	if k.call.verb != verbDelete {
		return nil
	}
	var last, dir *item
	for i := range k.paths {
		p := &k.paths[i]
		if k.below(p) && p.kind == ntCreate && p.hasIno && p.mode == modeWhiteout && (last == nil || p.number > last.number) {
			last = p
		}
	}
	for i := range k.paths {
		p := &k.paths[i]
		if last != nil && k.below(p) && p.kind == ntParent && p.number < last.number && (dir == nil || p.number > dir.number) {
			dir = p
		}
	}
	if dir == nil || dir.mode == modeWork || dir.key.dev != dev {
		return nil
	}
	return dir
}

// unstackGone gives a deleted directory the identity under which its contents
// were seen. Where that is not known, an equal inode number must not live on:
// layers usually have the same one.
func (s *Stream) unstackGone(k stack, it *item) {
	if k.Success == No {
		return
	}
	if gone, ok := k.layerGone(it); ok {
		above, ok := s.twins.find(gone, k.top, k.now)
		delete(s.twins.of, gone)
		if ok {
			it.key, it.dev = above, k.topDev()
			return
		}
	}
	it.key = inodeKey{k.top, it.key.ino}
	if n := s.tree.Find(it.key.id()); n != nil {
		s.tree.Moved(n, dirtree.Edge{}, dirtree.Edge{}, k.moment())
	}
}

// layerGone is the identity that a deleted directory had in the layer. Over
// something of the same name in a lower layer, an overlay first puts an empty
// directory in its place, of which the DELETE record then tells.
func (k stack) layerGone(it *item) (key inodeKey, ok bool) {
	key = it.key
	for i := range k.paths {
		p := &k.paths[i]
		if k.call.verb != verbDelete || !k.below(p) || p.kind != ntDelete || !p.isDir() || p.key == it.key || p.key.dev != it.key.dev {
			continue
		}
		if key != it.key && key != p.key {
			return inodeKey{}, false
		}
		key = p.key
	}
	return key, true
}

// topDev is the device top as the records print it.
func (k stack) topDev() []byte {
	for i := range k.paths {
		if p := &k.paths[i]; p.hasIno && p.key.dev == k.top {
			return p.dev
		}
	}
	return nil
}

// unstackRename gives the DELETEs of a rename the identity that their CREATEs
// have. The kernel looks at the old name first, then at the new one.
func (s *Stream) unstackRename(k stack) {
	gone, made := k.named(ntDelete), k.named(ntCreate)
	switch {
	case len(gone) == 2 && len(made) == 2: // an exchange
		if bytes.Equal(gone[0].name, made[0].name) && !bytes.Equal(gone[0].name, gone[1].name) {
			gone[0], gone[1] = gone[1], gone[0]
		}
		s.sameFile(k, gone[0], made[0])
		s.sameFile(k, gone[1], made[1])
	case len(made) == 1:
		if it := moved(gone, made[0]); it != nil {
			s.sameFile(k, it, made[0])
		}
	}
}

// named are the records of a kind that are not a layer's own, by their numbers.
func (k stack) named(kind nametype) (items []*item) {
	for i := range k.paths {
		if p := &k.paths[i]; p.kind == kind && p.hasIno && !k.below(p) {
			items = append(items, p)
		}
	}
	slices.SortFunc(items, func(p, q *item) int { return cmp.Compare(p.number, q.number) })
	return items
}

// moved is the one of a rename's DELETEs that stands for the file which has the
// name made now; the other one's file was replaced. Where both have that name,
// in two directories, it is the first.
func moved(gone []*item, made *item) *item {
	switch len(gone) {
	case 1:
		return gone[0]
	case 2:
		for i, p := range gone {
			if p.key == made.key {
				return p
			}
			if other := gone[1-i]; !bytes.Equal(p.name, made.name) && bytes.Equal(other.name, made.name) && other.key != made.key {
				return p
			}
		}
		if bytes.Equal(gone[0].name, made.name) && bytes.Equal(gone[1].name, made.name) {
			return gone[0]
		}
	}
	return nil
}

// sameFile says that two records are of one file.
func (s *Stream) sameFile(k stack, gone, made *item) {
	if gone.key.dev == k.top || made.key.dev != k.top || gone.mode&modeType != made.mode&modeType {
		return
	}
	if made.isDir() && k.Success == Yes {
		s.twins.learn(gone.key, made.key, k.now)
	}
	gone.key, gone.dev = made.key, made.dev
}
