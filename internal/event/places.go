package event

import "slices"

// An inodeKey is what a PATH record identifies a file by.
type inodeKey struct {
	dev Dev
	ino uint64
}

// A place is a position in the tree of names: a name in a directory. What was
// learnt of a directory hangs on its place, and the places below follow when
// it moves.
//
// A place without a parent, other than the root, is a top: a directory known
// by its inode only. Names below it are known, and those who wait for their
// paths wait in its list until some record tells where the top is.
type place struct {
	parent *place
	name   string // empty for an alias: the same directory as parent

	key    inodeKey
	hasKey bool
	first  int64  // when a record first said that there is such a name, in Unix milliseconds
	at     int64  // and when last
	told   int64  // and when, that it is key's
	by     uint32 // the process of that record
	seen   int64  // when its path was last looked at for an event of that time, and was true
	since  uint64 // sequence of the event which made it
	was    *placement
	tops   []*place // the aliases that hang here
	view   uint64   // of the root of another view than the host's, see view.go
	dead   bool     // found to be untrue, together with all below
	proc   bool     // told by the process, not by a record

	asked   uint32 // the process that was looked at, see Stream.ask
	askedFD uint32 // at which of its descriptors
	askedAt int64
	answer  answer // what it told
	misled  bool   // what it told before was of another one
	overdue bool   // some name waited in vain for a record, and took the answer
	waiting slot   // of a top: ring of those who wait
	weight  int    // that the tree has on account for it

	older, newer *place
}

// A placement is where a directory was until it moved.
type placement struct {
	until  uint64 // sequence of the event which moved it
	parent *place
	name   string
	before *placement
}

// as is the directory and the name that p had for an event with sequence seq.
func (p *place) as(seq uint64) (parent *place, name string) {
	parent, name = p.parent, p.name
	for w := p.was; w != nil && w.until > seq; w = w.before {
		parent, name = w.parent, w.name
	}
	return parent, name
}

// leaves notes that p is elsewhere from the event with sequence seq on. Whatever
// place the directory is found at later has the same past.
func (t *tree) leaves(p *place, seq uint64) {
	p.was = &placement{until: seq, parent: p.parent, name: p.name, before: p.was}
	if p.hasKey {
		t.moved[p.key] = p.was
	}
}

// prune forgets moves before the event with sequence low, and reports whether
// that leaves few enough. It looks only when there are twice as many as it left.
func (t *tree) prune(low uint64) bool {
	if len(t.moved) < max(t.pruneAt, minMoved) {
		return true
	}
	for key, w := range t.moved {
		if w.until < low {
			delete(t.moved, key)
		}
	}
	t.pruneAt = 2 * len(t.moved)
	return len(t.moved) < maxMoved
}

const (
	minMoved = 512
	maxMoved = 1 << 14
)

// A slot is a waiting Name's membership of a ring.
type slot struct {
	prev, next *slot
	name       *Name
}

func (s *slot) init() { s.prev, s.next = s, s }

func (s *slot) unlink() {
	if s.next == nil {
		return
	}
	s.prev.next, s.next.prev = s.next, s.prev
	s.prev, s.next = nil, nil
}

func (s *slot) join(ring *slot) {
	s.prev, s.next = ring.prev, ring
	ring.prev.next, ring.prev = s, s
}

type kid struct {
	parent *place
	name   string
}

// maxNames is how many different places are remembered for one directory: it
// has several where symlinks, bind mounts or chroots show it under other names.
const maxNames = 4

// A tree is all that is known of where directories are. It forgets the places
// that were not used for longest.
type tree struct {
	root    *place
	roots   map[uint64]*place // of other views
	kids    map[kid]*place
	inodes  map[inodeKey][]*place // a directory's places, the latest confirmed last
	moved   map[inodeKey]*placement
	pruneAt int // size of moved
	late    map[inodeKey]predecessor
	lru     place // ring: newer is the oldest, older the newest
	size    int
	limit   int
	bytes   int // of names and answers
	scrap   [][]*place
}

func (t *tree) reset() {
	t.root = &place{}
	t.roots = make(map[uint64]*place)
	t.kids = make(map[kid]*place)
	t.inodes = make(map[inodeKey][]*place)
	t.moved, t.pruneAt, t.late = make(map[inodeKey]*placement), 0, nil
	t.lru.older, t.lru.newer = &t.lru, &t.lru
	t.size, t.bytes = 0, 0
}

// anchored says whether p's path from the root is known.
func (t *tree) anchored(p *place) bool { return t.top(p) == t.root }

func (t *tree) top(p *place) *place {
	for p.parent != nil {
		p = p.parent
	}
	return p
}

// said is when the first and the last was said of what makes up p's path, in Unix
// milliseconds: that its names are there, and that what p or an alias stands for is
// that directory. ok is false if it is known to be untrue.
func (t *tree) said(p *place) (first, last int64, top *place, ok bool) {
	first, last = 1<<63-1, 0
	inode := true
	for ; p.parent != nil; p = p.parent {
		if p.dead {
			return 0, 0, nil, false
		}
		inode = inode || p.name == ""
		at := p.at
		if inode {
			at = p.told
		}
		first, last = min(first, at), max(last, at)
		inode = p.name == ""
	}
	return first, last, p, !p.dead
}

// age is how long ago the oldest of what makes up p's path was said, in
// milliseconds; ok is false if the path is not known, or known to be untrue.
func (t *tree) age(p *place, now int64) (age int64, ok bool) {
	first, last, top, ok := t.said(p)
	return max(0, now-first, last-now), ok && top == t.root
}

// candidates are the places that a directory may be at, the latest said first,
// none older than maxAge.
func (t *tree) candidates(dst []*place, key inodeKey, now, maxAge int64) []*place {
	names := t.inodes[key]
	for i := len(names) - 1; i >= 0; i-- {
		if age, ok := t.age(names[i], now); ok && age <= maxAge {
			dst = append(dst, names[i])
		}
	}
	return dst
}

// confirm notes that a path is true now, because somebody has looked.
func (t *tree) confirm(p *place, pid uint32, now int64) {
	p.by, p.told = pid, now
	for ; p.parent != nil; p = p.parent {
		if p.at = now; p.name == "" {
			p.told, p.parent.told = now, now
		}
	}
}

// same says whether two places have the same path.
func (t *tree) same(p, q *place) bool {
	for {
		for p.parent != nil && p.name == "" {
			p = p.parent
		}
		for q.parent != nil && q.name == "" {
			q = q.parent
		}
		if p == q {
			return true
		}
		if p.parent == nil || q.parent == nil || p.name != q.name {
			return false
		}
		p, q = p.parent, q.parent
	}
}

// awaited is the place under which names in a directory wait whose path is not
// known: the one with its detached chain, or a new top.
func (t *tree) awaited(key inodeKey, now, doubt, torn int64) *place {
	for _, p := range t.inodes[key] {
		if t.open(p, doubt, torn) {
			return p
		}
	}
	p := t.add(nil, "")
	p.key, p.hasKey, p.at, p.told, p.was = key, true, now, now, t.moved[key]
	p.waiting.init()
	t.remember(p)
	return p
}

// open says whether p leads to a top whose place may yet be told. A directory on the
// way may have moved at a time of doubt if only its name is known, and at any rate
// when things moved from one top to another.
func (t *tree) open(p *place, doubt, torn int64) bool {
	first, _, _, ok := t.said(p)
	if !ok || first <= torn {
		return false
	}
	for ; p.parent != nil; p = p.parent {
		if !p.hasKey && p.name != "" && p.at <= doubt {
			return false
		}
	}
	return p != t.root && p.view == 0
}

// kid is the place of a name in a directory. The caller touches what it uses.
func (t *tree) kid(parent *place, name []byte) *place {
	for parent.parent != nil && parent.name == "" {
		parent = parent.parent
	}
	if p := t.child(parent, name); p != nil {
		return p
	}
	t.touch(parent)
	p := t.add(parent, string(name))
	t.kids[kid{parent, p.name}] = p
	t.touch(p)
	return p
}

// child is the place of a name in a directory that is no alias, nil if there is
// none. Names that were learnt while the directory was known by its inode only are
// put below its place; of two the one last said is believed.
func (t *tree) child(parent *place, name []byte) *place {
	p := t.kids[kid{parent, string(name)}]
	for _, top := range parent.tops {
		q := t.kids[kid{top, string(name)}]
		switch {
		case q == nil:
			continue
		case p != nil && p.at > q.at:
			t.bury(q)
			continue
		case p != nil:
			t.bury(p)
		}
		delete(t.kids, kid{top, q.name})
		q.parent = parent
		t.kids[kid{parent, q.name}] = q
		p = q
	}
	return p
}

// walk is the place below a root of an absolute path without . and .. in it.
func (t *tree) walk(root *place, path []byte, now int64) *place {
	p := root
	for i := 0; i < len(path); {
		if path[i] == '/' {
			i++
			continue
		}
		end := i
		for end < len(path) && path[end] != '/' {
			end++
		}
		p = t.kid(p, path[i:end])
		p.is(now)
		i = end
	}
	t.touch(p)
	return p
}

// is notes that there is such a name.
func (p *place) is(now int64) {
	if p.first == 0 {
		p.first = now
	}
	p.at = now
}

// peek is walk without making anything; nil if there is no such place.
func (t *tree) peek(root *place, path []byte) *place {
	p := root
	for i := 0; i < len(path); {
		if path[i] == '/' {
			i++
			continue
		}
		end := i
		for end < len(path) && path[end] != '/' {
			end++
		}
		if p = t.child(p, path[i:end]); p == nil {
			return nil
		}
		i = end
	}
	return p
}

// says reports whether a record told that a directory is at a path on the host.
func (t *tree) says(path []byte, key inodeKey) bool {
	at := t.peek(t.root, path)
	return at != nil && at.hasKey && at.key == key
}

// bind says that the directory at p is key. A place that was another directory
// before is given up with all below it. It returns the place, which may be a new
// one, and whoever waited for this directory waits at its top now.
func (t *tree) bind(p *place, key inodeKey, pid uint32, now int64) *place {
	if p == t.root || p.view != 0 {
		return p
	}
	if p.hasKey && p.key != key {
		p = t.replace(p)
	}
	if !p.hasKey {
		p.was, p.seen = t.moved[key], 0 // nobody has looked for this one yet
	}
	p.key, p.hasKey, p.at, p.told, p.by, p.proc = key, true, now, now, pid, false
	t.hang(t.inodes[key], p)
	t.remember(p)
	return p
}

// hang puts the tops among a directory's places under the place that it turned out to
// be at.
func (t *tree) hang(names []*place, at *place) {
	for _, p := range names {
		if p.parent == nil && t.top(at) != p {
			t.alias(p, at)
		}
	}
}

// replace gives a place's position to a new one.
func (t *tree) replace(p *place) *place {
	parent, name := p.parent, p.name
	t.bury(p)
	n := t.add(parent, name)
	t.kids[kid{parent, name}] = n
	t.touch(n)
	return n
}

// alias hangs a top under the place that turned out to be the same directory.
func (t *tree) alias(top, p *place) {
	top.parent, top.at, top.told = p, p.at, p.told
	if len(p.tops) == maxNames {
		p.tops = append(p.tops[:0], p.tops[1:]...)
	}
	p.tops = append(p.tops, top)
	t.splice(top, t.top(p))
}

// splice moves all who wait at from to the ring of to.
func (t *tree) splice(from, to *place) {
	if from.waiting.next == nil || from.waiting.next == &from.waiting {
		return
	}
	if to.waiting.next == nil {
		to.waiting.init()
	}
	first, last := from.waiting.next, from.waiting.prev
	from.waiting.init()
	first.prev, last.next = to.waiting.prev, &to.waiting
	to.waiting.prev.next, to.waiting.prev = first, last
}

// remember puts p last among its directory's places.
func (t *tree) remember(p *place) {
	names := t.inodes[p.key]
	if names == nil && len(t.scrap) > 0 {
		names, t.scrap = t.scrap[len(t.scrap)-1], t.scrap[:len(t.scrap)-1]
	}
	for i, q := range names {
		if q == p {
			copy(names[i:], names[i+1:])
			names[len(names)-1] = p
			return
		}
	}
	if len(names) == maxNames {
		names[0].hasKey = false
		names = append(names[:0], names[1:]...)
	}
	t.inodes[p.key] = append(names, p)
}

// forget ends the life of a directory: its inode may be given to another one.
// Whoever waits below still learns the path it had.
func (t *tree) forget(key inodeKey) {
	names := t.inodes[key]
	if names == nil {
		return
	}
	delete(t.inodes, key)
	delete(t.moved, key)
	for i, p := range names {
		p.hasKey = false
		t.bury(p)
		names[i] = nil
	}
	t.scrap = append(t.scrap, names[:0])
}

// A predecessor is a directory whose deletion no event has told yet, although another
// one has its inode already: the kernel prints the events of two processors mixed.
type predecessor struct {
	at    int64 // when the other one was made, in Unix milliseconds
	names []*place
}

// maxLate bounds how many are remembered.
const maxLate = 256

// succeed gives an inode to a directory that was made now.
func (t *tree) succeed(key inodeKey, now int64) {
	if names := t.inodes[key]; len(names) > 0 {
		if t.late == nil || len(t.late) >= maxLate {
			t.late = map[inodeKey]predecessor{}
		}
		t.late[key] = predecessor{now, slices.Clone(names)}
	}
	t.forget(key)
}

// isIn says whether a directory may have a name in another one.
func (t *tree) isIn(key, dir inodeKey, name []byte) bool {
	known := false
	for _, p := range t.inodes[key] {
		if p.name == "" || p.parent == nil {
			continue
		}
		known = true
		if p.name == string(name) && (!p.parent.hasKey || p.parent.key == dir) {
			return true
		}
	}
	return !known
}

// doubtAnswers drops what was seen of a directory, deleted at a time, then or later or
// under another name: a new one had the inode.
func (t *tree) doubtAnswers(key inodeKey, name []byte, at int64) {
	for _, p := range t.inodes[key] {
		if a := p.answer; a.path != "" && (a.looked >= at || len(name) > 0 && lastPart(a.path) != string(name)) {
			p.answer, p.misled = answer{}, true
		}
	}
}

// bury takes a place that is no more out of the tree.
func (t *tree) bury(p *place) {
	if p.parent != nil && t.kids[kid{p.parent, p.name}] == p {
		delete(t.kids, kid{p.parent, p.name})
	}
	t.unname(p)
	p.dead = true
	if p.older != nil {
		p.older.newer, p.newer.older = p.newer, p.older
		p.older, p.newer = nil, nil
		t.size--
		t.bytes, p.weight = t.bytes-p.weight, 0
	}
}

// unname takes p from its directory's places.
func (t *tree) unname(p *place) {
	if !p.hasKey {
		return
	}
	names := t.inodes[p.key]
	for i, q := range names {
		if q == p {
			names = append(names[:i], names[i+1:]...)
			break
		}
	}
	if len(names) == 0 {
		delete(t.inodes, p.key)
	} else {
		t.inodes[p.key] = names
	}
	p.hasKey = false
}

// move says that the directory key, at p until now, has the name in parent from
// the event with sequence seq on. What is below p follows; other names the
// directory had do not hold any more.
func (t *tree) move(p, parent *place, name []byte, key inodeKey, pid uint32, now int64, seq uint64) {
	t.disown(p)
	for _, q := range append([]*place(nil), t.inodes[key]...) {
		if q == p {
			continue
		}
		if t.same(q, p) && q.name == "" {
			continue
		}
		t.bury(q)
	}
	if old, ok := t.kids[kid{parent, string(name)}]; ok && old != p {
		t.bury(old)
	}
	delete(t.kids, kid{p.parent, p.name})
	if t.inside(parent, p) {
		t.bury(p) // the kernel allows no such rename: what was believed is untrue
		return
	}
	t.leaves(p, seq)
	p.parent, p.name = parent, string(name)
	t.weigh(p)
	t.kids[kid{parent, p.name}] = p
	p.at, p.told, p.by, p.proc, p.seen = now, now, pid, false, 0
	t.remember(p)
}

// disown gives up another place with p's path, which is about to end: what is
// below that one was learnt before it was known to be the same.
func (t *tree) disown(p *place) {
	if !t.anchored(p) {
		return
	}
	path, _, _ := t.render(nil, p, 1<<64-1)
	if q := t.peek(t.root, path); q != nil && q != p && q != t.root {
		t.bury(q)
	}
}

// swap lets two directories change places, each with what is below it.
func (t *tree) swap(p, q *place, seq uint64) {
	if t.inside(p, q) || t.inside(q, p) {
		t.bury(p)
		t.bury(q)
		return
	}
	t.disown(p)
	t.disown(q)
	for _, both := range [][2]*place{{p, q}, {q, p}} {
		for _, r := range append([]*place(nil), t.inodes[both[0].key]...) {
			if r != both[0] && r.name != "" {
				t.bury(r)
			}
		}
	}
	t.leaves(p, seq)
	t.leaves(q, seq)
	p.parent, q.parent = q.parent, p.parent
	p.name, q.name = q.name, p.name
	t.kids[kid{p.parent, p.name}] = p
	t.kids[kid{q.parent, q.name}] = q
}

// inside says whether p is below or at dir.
func (t *tree) inside(p, dir *place) bool {
	for ; p != nil; p = p.parent {
		if p == dir {
			return true
		}
	}
	return false
}

// maxDepth is more than any path has parts.
const maxDepth = 8192

// render appends the path that p had for an event with sequence seq, and the root
// that it starts from. ok is false if something on the way was made since, or had
// no known path then.
func (t *tree) render(dst []byte, p *place, seq uint64) (path []byte, root *place, ok bool) {
	length, depth, q := 0, 0, p
	for ; q != t.root && q.view == 0; depth++ {
		parent, name := q.as(seq)
		if q.since > seq || parent == nil || depth > maxDepth {
			return dst, nil, false
		}
		if name != "" {
			length += 1 + len(name)
		}
		q = parent
	}
	root = q
	end := len(dst) + length
	dst = grow(dst, length)
	for q := p; q != root; {
		parent, name := q.as(seq)
		if name != "" {
			end -= len(name)
			copy(dst[end:], name)
			end--
			dst[end] = '/'
		}
		q = parent
	}
	return dst, root, true
}

// below appends the names that lead from a place above p to p for an event with
// sequence seq.
func (t *tree) below(dst []byte, p, above *place, seq uint64) []byte {
	if p == above || p == nil {
		return dst
	}
	parent, name := p.as(seq)
	dst = t.below(dst, parent, above, seq)
	if name != "" {
		dst = append(append(dst, '/'), name...)
	}
	return dst
}

func grow(b []byte, n int) []byte {
	for range n {
		b = append(b, 0)
	}
	return b
}

// add makes a place and forgets the least used if there are too many. Whoever
// uses a place uses all above it, so the least used has none below it.
func (t *tree) add(parent *place, name string) *place {
	for t.size >= t.limit || t.bytes > maxPlaceBytes && t.size > 0 {
		t.bury(t.lru.newer)
	}
	p := &place{parent: parent, name: name}
	t.size++
	t.front(p)
	t.weigh(p)
	return p
}

// maxPlaceBytes bounds the names of all places and what was seen of them.
const maxPlaceBytes = 8 << 20

// weigh takes a place on account as it is now, if it is in the tree.
func (t *tree) weigh(p *place) {
	if p.older == nil {
		return
	}
	now := len(p.name) + len(p.answer.path)
	t.bytes += now - p.weight
	p.weight = now
}

// answered notes what was seen of a place.
func (t *tree) answered(p *place, a answer) {
	p.answer = a
	t.weigh(p)
}

func (t *tree) front(p *place) {
	p.newer, p.older = &t.lru, t.lru.older
	t.lru.older.newer = p
	t.lru.older = p
}

// touch marks p as used, then those above it, so that these outlive p.
func (t *tree) touch(p *place) {
	for ; p != nil && p != t.root && p.older != nil; p = p.parent {
		p.older.newer, p.newer.older = p.newer, p.older
		t.front(p)
	}
}

// dropDev forgets all directories of a file system that goes away.
func (t *tree) dropDev(dev Dev) {
	for key := range t.inodes {
		if key.dev == dev {
			t.forget(key)
		}
	}
}
