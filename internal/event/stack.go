package event

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

// unstack makes of the records of a stacked file system those that any other
// one would have given.
func (s *Stream) unstack(e *Event) {
	top, ok := e.stacked()
	if !ok {
		return
	}
	below := func(p *item) bool { return p.name == nil && (!p.hasIno || p.key.dev != top) }
	if e.Success != No {
		for i := range e.paths {
			if p := &e.paths[i]; below(p) && p.kind == ntParent {
				s.learnTwin(e, top, p.key.dev, below)
			}
		}
	}
	if e.call.verb == verbRename || e.has(ntDelete) && e.call.verb == verbOther {
		s.unstackRename(e, top, below)
	}
	for i := range e.paths {
		if p := &e.paths[i]; !below(p) && p.kind == ntDelete && p.isDir() && p.key.dev != top {
			s.unstackGone(e, p, top, below)
		}
	}
	kept := e.paths[:0]
	for _, p := range e.paths {
		if !below(&p) {
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
	parents, others := 0, false
	for i := range e.paths {
		switch p := &e.paths[i]; {
		case p.kind != ntParent || !p.hasIno:
		case p.key.dev == first.key.dev:
			parents++
		case p.name == nil && p.number > first.number:
			others = true
		}
	}
	switch e.call.verb {
	case verbRename:
		others = others && parents >= 2
	case verbLink:
		others = others && e.Success == Yes
	}
	return first.key.dev, others
}

// learnTwin notes which directory of the layer dev is the caller's one, if the
// event was in a single one and the layer leaves no doubt either.
func (s *Stream) learnTwin(e *Event, top, dev Dev, below func(*item) bool) {
	if e.call.verb == verbLink {
		return
	}
	var above *item
	for i := range e.paths {
		p := &e.paths[i]
		if p.kind != ntParent || below(p) || p.key.dev != top {
			continue
		}
		if above != nil && above.key != p.key {
			return
		}
		above = p
	}
	if above == nil {
		return
	}
	if p := e.layerDir(dev, below); p != nil {
		s.twins.learn(p.key, above.key, e.ID.UnixMilli())
	}
}

// modeWork is the mode of an overlay's work directory.
const (
	modeWork     = modeDir
	modeWhiteout = 0o020000
)

// layerDir is the one directory of a layer in which the call was done; nil if
// there may be another one, as where directories are copied up first.
func (e *Event) layerDir(dev Dev, below func(*item) bool) *item {
	var dir *item
	work, copied, several := false, false, false
	for i := range e.paths {
		p := &e.paths[i]
		switch {
		case !below(p) || p.key.dev != dev:
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
	return e.whitedOut(dev, below)
}

// whitedOut is the directory of a layer in which a whiteout took the place of
// what was deleted. It is made in the work directory and moved from there.
func (e *Event) whitedOut(dev Dev, below func(*item) bool) *item {
	if e.call.verb != verbDelete {
		return nil
	}
	var last, dir *item
	for i := range e.paths {
		p := &e.paths[i]
		if below(p) && p.kind == ntCreate && p.hasIno && p.mode == modeWhiteout && (last == nil || p.number > last.number) {
			last = p
		}
	}
	for i := range e.paths {
		p := &e.paths[i]
		if last != nil && below(p) && p.kind == ntParent && p.number < last.number && (dir == nil || p.number > dir.number) {
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
func (s *Stream) unstackGone(e *Event, it *item, top Dev, below func(*item) bool) {
	if e.Success == No {
		return
	}
	var above inodeKey
	gone, ok := e.layerGone(it, below)
	if ok {
		above, ok = s.twins.find(gone, top, e.ID.UnixMilli())
		delete(s.twins.of, gone)
	}
	if !ok {
		above = inodeKey{top, it.key.ino}
		s.tree.forget(above)
		it.key = above
		return
	}
	it.key, it.dev = above, e.topDev(top)
}

// layerGone is the identity that a deleted directory had in the layer. Over
// something of the same name in a lower layer, an overlay first puts an empty
// directory in its place, of which the DELETE record then tells.
func (e *Event) layerGone(it *item, below func(*item) bool) (key inodeKey, ok bool) {
	key = it.key
	if e.call.verb != verbDelete {
		return key, true
	}
	for i := range e.paths {
		p := &e.paths[i]
		if !below(p) || p.kind != ntDelete || !p.isDir() || p.key == it.key || p.key.dev != it.key.dev {
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
func (e *Event) topDev(top Dev) []byte {
	for i := range e.paths {
		if p := &e.paths[i]; p.hasIno && p.key.dev == top {
			return p.dev
		}
	}
	return nil
}

// unstackRename gives the DELETEs of a rename the identity that their CREATEs
// have.
func (s *Stream) unstackRename(e *Event, top Dev, below func(*item) bool) {
	var gone, made [2]*item
	deletes, creates := 0, 0
	for i := range e.paths {
		p := &e.paths[i]
		switch {
		case below(p) || !p.hasIno:
		case p.kind == ntDelete:
			deletes = keepOrder(&gone, deletes, p)
		case p.kind == ntCreate:
			creates = keepOrder(&made, creates, p)
		}
	}
	switch {
	case deletes == 2 && creates == 2:
		if string(gone[0].name) == string(made[0].name) && string(gone[1].name) == string(made[1].name) && string(gone[0].name) != string(gone[1].name) {
			gone[0], gone[1] = gone[1], gone[0]
		}
		s.sameFile(e, gone[0], made[0], top)
		s.sameFile(e, gone[1], made[1], top)
	case creates == 1:
		if it := moved(gone[:min(deletes, 2)], made[0], deletes); it != nil {
			s.sameFile(e, it, made[0], top)
		}
	}
}

// keepOrder adds p to two items, in the order of their numbers, and returns how
// many there were.
func keepOrder(two *[2]*item, n int, p *item) int {
	if n < len(two) {
		two[n] = p
		if n == 1 && two[1].number < two[0].number {
			two[0], two[1] = two[1], two[0]
		}
	}
	return n + 1
}

// moved is the one of a rename's DELETEs that stands for the file which has the
// name made now; the other one's file was replaced.
func moved(gone []*item, made *item, n int) *item {
	switch {
	case n == 1:
		return gone[0]
	case n != 2:
		return nil
	case gone[0].key == made.key:
		return gone[0]
	case gone[1].key == made.key:
		return gone[1]
	}
	zero, one := string(gone[0].name) == string(made.name), string(gone[1].name) == string(made.name)
	switch {
	case zero && !one:
		return gone[1]
	case one && !zero:
		return gone[0]
	}
	return nil
}

// sameFile says that two records are of one file.
func (s *Stream) sameFile(e *Event, gone, made *item, top Dev) {
	if gone.key.dev == top || made.key.dev != top || gone.mode&modeType != made.mode&modeType {
		return
	}
	if made.isDir() && e.Success == Yes {
		s.twins.learn(gone.key, made.key, e.ID.UnixMilli())
	}
	gone.key, gone.dev = made.key, made.dev
}

// dropDev forgets what is or was on a device that goes away.
func (t *twins) dropDev(dev Dev) {
	for below, w := range t.of {
		if below.dev == dev || w.key.dev == dev {
			delete(t.of, below)
		}
	}
}
