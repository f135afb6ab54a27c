package dirtree

import "slices"

// A torn is a name, or all names of a directory, at which another directory may be
// since an event, which does not tell which one.
type torn struct {
	dir  ID
	name string // empty for all
}

// A Tree is all that is known of where directories are. When it is full, it forgets
// the directories that were not used for longest.
//
// A forgotten directory leaves one trace: the tree knows up to which event facts may be gone
// (lost), and a node that is made again after it says so of moments before ([Node.Lost]). So
// nothing that was forgotten is ever taken for something that did not happen.
type Tree struct {
	nodes map[ID]*Node // each under its ID, and in the ring
	lru   Node         // ring: newer is the oldest, older the newest
	bytes int          // sum of the nodes' bytes; at most limit
	limit int          // of bytes; never changes

	torn  map[torn]Moment // the last event of each; at most maxTorn
	moved Moment          // the last event that moved any directory
	lost  uint64          // the last event of which a fact was forgotten

	horizon uint64 // see Keep
}

// maxTorn bounds the names at which something happened unseen.
const maxTorn = 1 << 12

// New returns an empty tree that takes about limit directories.
func New(limit int) *Tree {
	t := &Tree{limit: limit * (nodeBytes + edgeBytes)}
	t.Forget()
	return t
}

// Forget drops all that is known.
func (t *Tree) Forget() {
	for _, n := range t.nodes {
		n.older, n.newer = nil, nil
	}
	t.nodes, t.torn, t.bytes = make(map[ID]*Node), nil, 0
	t.lru.older, t.lru.newer = &t.lru, &t.lru
}

// ForgetDevice drops the directories of a file system.
func (t *Tree) ForgetDevice(dev uint64) {
	for id, n := range t.nodes {
		if id.Dev == dev {
			t.forget(n)
		}
	}
}

func (t *Tree) forget(n *Node) {
	n.older.newer, n.newer.older = n.newer, n.older
	n.older, n.newer = nil, nil
	if k := len(n.facts); k > 0 {
		t.lost = max(t.lost, n.facts[k-1].Seq)
	}
	t.bytes -= n.bytes
	delete(t.nodes, n.id)
}

// Find returns the node of a directory, nil if nothing is known of it.
func (t *Tree) Find(id ID) *Node { return t.nodes[id] }

// Node returns the node of a directory, and makes it if need be.
func (t *Tree) Node(id ID) *Node {
	n := t.nodes[id]
	if n != nil {
		t.touch(n)
		return n
	}
	for t.bytes+nodeBytes > t.limit && t.lru.newer != &t.lru {
		t.forget(t.lru.newer)
	}
	n = &Node{id: id, bytes: nodeBytes, lost: t.lost}
	t.bytes += nodeBytes
	t.nodes[id] = n
	t.front(n)
	return n
}

// Live returns the node that stands for n's directory now: n, or the one that was
// made after n was forgotten; nil for none.
func (t *Tree) Live(n *Node) *Node {
	if n.Forgotten() {
		return t.nodes[n.id]
	}
	return n
}

func (t *Tree) front(n *Node) {
	n.newer, n.older = &t.lru, t.lru.older
	t.lru.older.newer = n
	t.lru.older = n
}

// touch marks a node as used.
func (t *Tree) touch(n *Node) {
	if n.Forgotten() || t.lru.older == n {
		return
	}
	n.older.newer, n.newer.older = n.newer, n.older
	t.front(n)
}

// Touch marks a node as used, then those above it, so that these outlive it.
func (t *Tree) Touch(n *Node) {
	for depth := 0; n != nil && !n.Forgotten() && depth < maxTouch; depth++ {
		t.touch(n)
		n = n.Latest().Parent
	}
}

const maxTouch = 64

// grow counts what a node takes more than before.
func (t *Tree) grow(n *Node) {
	if n.Forgotten() {
		return
	}
	bytes := nodeBytes
	for i := range n.facts {
		bytes += edgeBytes + len(n.facts[i].was.Name) + len(n.facts[i].is.Name)
	}
	for i := range n.sights {
		bytes += edgeBytes + len(n.sights[i].Name)
	}
	t.bytes += bytes - n.bytes
	n.bytes = bytes
	for t.bytes > t.limit && t.lru.newer != n && t.lru.newer != &t.lru {
		t.forget(t.lru.newer)
	}
}

// has says whether an event has told its fact already.
func (n *Node) has(m Moment) bool {
	return slices.ContainsFunc(n.facts, func(f fact) bool { return f.Seq == m.Seq })
}

// record adds a fact.
func (t *Tree) record(n *Node, f fact) {
	if len(n.facts) >= maxFacts {
		t.prune(n)
	}
	if n.has(f.Moment) {
		return // the event is read again
	}
	at := len(n.facts)
	for at > 0 && n.facts[at-1].Seq > f.Seq {
		at--
	}
	n.facts = slices.Insert(n.facts, at, f)
	t.touch(n)
	t.grow(n)
}

// prune forgets facts that no event needs any more: all but the last one before the
// horizon. If that leaves too many, the oldest go.
//
// prune keeps the list of a directory short that is renamed again and again, as a lock or a
// "current" directory is.
func (t *Tree) prune(n *Node) {
	old := 0
	for old+1 < len(n.facts) && n.facts[old+1].Seq < t.horizon {
		old++
	}
	if lost := len(n.facts) - old - mostFacts + 1; lost > 0 {
		old += lost
		n.facts[old].obsolete = true
	}
	if old > 0 {
		n.pruned = n.facts[old-1].Done
	}
	n.facts = append(n.facts[:0], n.facts[old:]...)
}

// Keep says that nobody asks any more for moments before an event's. Facts of before
// may be forgotten, but for the last one about each directory.
//
// Events wait, and are resolved long after later ones: the horizon is where the oldest of
// them began. What stood around its moment must stay.
func (t *Tree) Keep(seq uint64) { t.horizon = seq }

// Made notes that an event made the directory n at a place. An older directory with
// its ID is no more.
func (t *Tree) Made(n *Node, at Edge, m Moment) { t.record(n, fact{Moment: m, is: at, made: true}) }

// Removed notes that an event removed the directory n from a place. If records have
// made a new directory n elsewhere already, the event comes late and tells of the
// older one.
func (t *Tree) Removed(n *Node, at Edge, m Moment) {
	if k := len(n.facts); k > 0 && !n.has(m) {
		last := &n.facts[k-1]
		if last.made && last.is.Known() && !last.is.Same(at) {
			if !last.was.Known() {
				last.was = at
				t.grow(n)
			}
			return
		}
	}
	t.record(n, fact{Moment: m, was: at, gone: true})
}

// Moved notes that an event moved the directory n. Either place may be unknown.
func (t *Tree) Moved(n *Node, from, to Edge, m Moment) {
	t.moved = m
	t.record(n, fact{Moment: m, was: from, is: to})
}

// Tear notes that an event moved a directory, it does not tell which one, from or to a
// name in dir. An empty name stands for any.
//
// What is torn stays so until a look of later sees the place: a look before the tear, and a
// fact before it, say nothing of after it.
func (t *Tree) Tear(dir ID, name string, m Moment) {
	t.moved = m
	if t.torn == nil {
		t.torn = make(map[torn]Moment)
	}
	if len(t.torn) >= maxTorn {
		t.Forget()
		t.torn = make(map[torn]Moment)
	}
	t.torn[torn{dir, name}] = m
}

// LastMove is the last event that moved any directory.
func (t *Tree) LastMove() Moment { return t.moved }

// Seen notes that the directory n was seen at a place. It says whether that is news.
func (t *Tree) Seen(n *Node, at Edge, look Look, born int64, process bool) bool {
	t.touch(n)
	if k := len(n.sights); k > 0 && n.sights[k-1].Same(at) {
		s := &n.sights[k-1]
		s.Edge = at // its parent may have been forgotten and made again
		s.Last = look
		if born != 0 {
			s.Born = born
		}
		return false
	}
	if len(n.sights) == maxSights {
		n.sights = append(n.sights[:0], n.sights[1:]...)
	}
	n.sights = append(n.sights, Sight{Edge: at, First: look, Last: look, Born: born, Process: process})
	t.grow(n)
	return true
}

// Torn calls f with the events that moved an unknown directory from or to a place.
func (t *Tree) Torn(e Edge, f func(Moment)) {
	if len(t.torn) == 0 || e.Parent == nil {
		return
	}
	for _, name := range []string{e.Name, ""} {
		if m, ok := t.torn[torn{e.Parent.id, name}]; ok {
			f(m)
		}
	}
}
