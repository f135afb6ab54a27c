package paths

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
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
	key  event.Inode // not zero
	at   int64       // when it was last seen, in Unix milliseconds; not 0
	torn int64       // when it was last another directory's; 0 for never, at most at
}

// twins tell from a layer's identity of a directory the one its users see.
type twins struct {
	of    map[event.Inode]twin // by the identity below; at most limit
	limit int                  // never changes
}

// learn notes that a directory has one identity below and another one above.
//
// Claim: whoever names the one means the other.
// Why it is sound: a single event told of both, and left no choice (learnTwins).
// What would break it: the layer gives the inode to another directory. Then find knows
// neither for a while.
// Test: TestStrangersTop, TestTruth over captures of overlayfs.
func (t *twins) learn(below, above event.Inode, now int64) {
	if below.Ino == 0 || above.Ino == 0 {
		return
	}
	if t.of == nil || len(t.of) >= t.limit {
		t.of = make(map[event.Inode]twin)
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
func (t *twins) find(below event.Inode, dev event.Dev, now int64) (event.Inode, bool) {
	w, ok := t.of[below]
	if age := max(now-w.at, w.at-now); !ok || w.key.Dev != dev || age > ownWord || now-w.torn <= briefly {
		return event.Inode{}, false
	}
	return w.key, true
}

// dropDev forgets what is or was on a device that goes away.
func (t *twins) dropDev(dev event.Dev) {
	for below, w := range t.of {
		if below.Dev == dev || w.key.Dev == dev {
			delete(t.of, below)
		}
	}
}

// A layers makes of the records on stacked file systems those of any other one.
type layers struct {
	tree  *dirtree.Tree // that of the resolver
	twins twins
}

// A stack is an event on a stacked file system. The caller saw its files on the
// device top.
type stack struct {
	*work
	top event.Dev
	now int64
}

// below says whether a record tells of a layer's own affairs. The kernel prints
// no names there.
func (k stack) below(p *event.Item) bool { return p.Name == nil && (!p.HasIno || p.Key.Dev != k.top) }

// unstack makes of the records of a stacked file system those that any other
// one would have given.
func (s *layers) unstack(e *work) {
	top, ok := e.stacked()
	if !ok {
		return
	}
	e.Stacked = true
	k := stack{e, top, e.ID.UnixMilli()}
	s.learnTwins(k)
	if e.Call.Verb == event.VerbRename || e.Call.Verb == event.VerbOther && e.Has(event.KindDelete) {
		s.unstackRename(k)
	}
	for i := range e.Items {
		if p := &e.Items[i]; !k.below(p) && p.Kind == event.KindDelete && p.IsDir() && p.Key.Dev != top {
			s.unstackGone(k, p)
		}
	}
	kept := e.Items[:0]
	for _, p := range e.Items {
		if !k.below(&p) {
			kept = append(kept, p)
		}
	}
	e.Items = kept
}

// stacked says whether the event has records of a layer below, and on which
// device the caller saw the files. A rename between file systems, which fails,
// has PARENTs on two devices, too.
func (e *work) stacked() (top event.Dev, ok bool) {
	var first *event.Item
	for i := range e.Items {
		if p := &e.Items[i]; p.HasIno && (first == nil || p.Number < first.Number) {
			first = p
		}
	}
	if first == nil {
		return 0, false
	}
	parents := 0
	for i := range e.Items {
		switch p := &e.Items[i]; {
		case p.Kind != event.KindParent || !p.HasIno:
		case p.Key.Dev == first.Key.Dev:
			parents++
		case p.Name == nil && p.Number > first.Number:
			ok = true
		}
	}
	switch e.Call.Verb {
	case event.VerbRename:
		ok = ok && parents >= 2
	case event.VerbLink:
		ok = ok && e.Success == event.Yes
	}
	return first.Key.Dev, ok
}

// learnTwins notes which directories of the layers are the caller's one, if the
// event was in a single one and a layer leaves no doubt either. A link copies
// the file up in its old directory first.
func (s *layers) learnTwins(k stack) {
	if k.Success == event.No || k.Call.Verb == event.VerbLink {
		return
	}
	var above *event.Item
	for i := range k.Items {
		p := &k.Items[i]
		if p.Kind != event.KindParent || p.Key.Dev != k.top {
			continue
		}
		if above != nil && above.Key != p.Key {
			return
		}
		above = p
	}
	for i := range k.Items {
		p := &k.Items[i]
		if above == nil || p.Kind != event.KindParent || !k.below(p) {
			continue
		}
		if dir := k.layerDir(p.Key.Dev); dir != nil && dir.Key == p.Key {
			s.twins.learn(p.Key, above.Key, k.now)
		}
	}
}

// What an overlay makes in its layers, by its mode.
const (
	modeWork     = event.ModeDir // the work directory, which nobody may enter
	modeWhiteout = 0o020000      // a character device: nothing of that name is here
)

// layerDir is the one directory of a layer in which the call was done; nil if
// there may be another one, as where directories are copied up first.
func (k stack) layerDir(dev event.Dev) *event.Item {
	var dir *event.Item
	work, copied, several := false, false, false
	for i := range k.Items {
		p := &k.Items[i]
		switch {
		case !k.below(p) || p.Key.Dev != dev:
		case p.Kind == event.KindCreate && p.IsDir():
			copied = true
		case p.Kind != event.KindParent:
		case p.Mode == modeWork:
			work = true
		case dir == nil:
			dir = p
		case dir.Key != p.Key:
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
func (k stack) whitedOut(dev event.Dev) *event.Item {
	if k.Call.Verb != event.VerbDelete {
		return nil
	}
	var last, dir *event.Item
	for i := range k.Items {
		p := &k.Items[i]
		if k.below(p) && p.Kind == event.KindCreate && p.HasIno && p.Mode == modeWhiteout && (last == nil || p.Number > last.Number) {
			last = p
		}
	}
	for i := range k.Items {
		p := &k.Items[i]
		if last != nil && k.below(p) && p.Kind == event.KindParent && p.Number < last.Number && (dir == nil || p.Number > dir.Number) {
			dir = p
		}
	}
	if dir == nil || dir.Mode == modeWork || dir.Key.Dev != dev {
		return nil
	}
	return dir
}

// unstackGone gives a deleted directory the identity under which its contents
// were seen. Where that is not known, an equal inode number must not live on:
// layers usually have the same one.
func (s *layers) unstackGone(k stack, it *event.Item) {
	if k.Success == event.No {
		return
	}
	if gone, ok := k.layerGone(it); ok {
		above, ok := s.twins.find(gone, k.top, k.now)
		delete(s.twins.of, gone)
		if ok {
			it.Key, it.Dev = above, k.topDev()
			return
		}
	}
	it.Key = event.Inode{Dev: k.top, Ino: it.Key.Ino}
	if n := s.tree.Find(idOf(it.Key)); n != nil {
		s.tree.Moved(n, dirtree.Edge{}, dirtree.Edge{}, k.moment())
	}
}

// layerGone is the identity that a deleted directory had in the layer. Over
// something of the same name in a lower layer, an overlay first puts an empty
// directory in its place, of which the DELETE record then tells.
func (k stack) layerGone(it *event.Item) (key event.Inode, ok bool) {
	key = it.Key
	for i := range k.Items {
		p := &k.Items[i]
		if k.Call.Verb != event.VerbDelete || !k.below(p) || p.Kind != event.KindDelete || !p.IsDir() || p.Key == it.Key || p.Key.Dev != it.Key.Dev {
			continue
		}
		if key != it.Key && key != p.Key {
			return event.Inode{}, false
		}
		key = p.Key
	}
	return key, true
}

// topDev is the device top as the records print it.
func (k stack) topDev() []byte {
	for i := range k.Items {
		if p := &k.Items[i]; p.HasIno && p.Key.Dev == k.top {
			return p.Dev
		}
	}
	return nil
}

// unstackRename gives the DELETEs of a rename the identity that their CREATEs
// have. The kernel looks at the old name first, then at the new one.
func (s *layers) unstackRename(k stack) {
	gone, made := k.named(event.KindDelete), k.named(event.KindCreate)
	switch {
	case len(gone) == 2 && len(made) == 2: // an exchange
		if bytes.Equal(gone[0].Name, made[0].Name) && !bytes.Equal(gone[0].Name, gone[1].Name) {
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
func (k stack) named(kind event.Kind) (items []*event.Item) {
	for i := range k.Items {
		if p := &k.Items[i]; p.Kind == kind && p.HasIno && !k.below(p) {
			items = append(items, p)
		}
	}
	slices.SortFunc(items, func(p, q *event.Item) int { return cmp.Compare(p.Number, q.Number) })
	return items
}

// moved is the one of a rename's DELETEs that stands for the file which has the
// name made now; the other one's file was replaced. Where both have that name,
// in two directories, it is the first.
func moved(gone []*event.Item, made *event.Item) *event.Item {
	switch len(gone) {
	case 1:
		return gone[0]
	case 2:
		for i, p := range gone {
			if p.Key == made.Key {
				return p
			}
			if other := gone[1-i]; !bytes.Equal(p.Name, made.Name) && bytes.Equal(other.Name, made.Name) && other.Key != made.Key {
				return p
			}
		}
		if bytes.Equal(gone[0].Name, made.Name) && bytes.Equal(gone[1].Name, made.Name) {
			return gone[0]
		}
	}
	return nil
}

// sameFile says that two records are of one file.
func (s *layers) sameFile(k stack, gone, made *event.Item) {
	if gone.Key.Dev == k.top || made.Key.Dev != k.top || gone.Mode&event.ModeType != made.Mode&event.ModeType {
		return
	}
	if made.IsDir() && k.Success == event.Yes {
		s.twins.learn(gone.Key, made.Key, k.now)
	}
	gone.Key, gone.Dev = made.Key, made.Dev
}
