// Package dirtree remembers where directories are and were.
//
// A directory is known by its device and inode, which nobody can forge. What is
// known of its place is a name in another directory, and comes from two sources:
//
//   - A fact: an event of the kernel's that made, moved or removed the directory. It
//     tells the place until the event, or from the event on, or both.
//   - A sight: somebody looked along a path from the root and saw the directory.
//
// Statements never overwrite each other. [Node.At] returns the ones that stand
// around a moment: the last fact before it, the first fact after it, and the sights
// that no fact separates from it. Which of them prove a place is for the caller to
// decide.
//
// For example, rm -rf of t/b in /srv, of which nothing was known before:
//
//	seq 10  a file goes from the directory 81    81: nothing known, the file waits
//	seq 14  81 is removed, "b" in 80             81: fact 14, until then b in 80
//	seq 18  80 is removed, "t" in 5              80: fact 18, until then t in 5
//	look    /srv is 5                            5: sight, "srv" in the root
//
// At seq 10, the first fact after it places 81 in 80, the next one 80 in 5, and the
// sight places 5: the file was in /srv/t/b.
//
// # Not here
//
// No events, no clock, no files. A moment is what the caller says it is.
package dirtree

import "slices"

// An ID tells a directory from all others that exist at the same time.
type ID struct{ Dev, Ino uint64 }

// A Moment is an event's position among all events.
type Moment struct {
	Seq  uint64 // sequence of its first record; orders the events
	Done uint64 // sequence of its last record; at least Seq
	At   int64  // when its call began, in Unix milliseconds
}

// A Look is when somebody looked.
type Look struct {
	At   int64  // Unix milliseconds
	Read uint64 // sequence of the last record that was read by then
}

// An Edge is a directory's place: a name in another directory. The zero Edge stands for
// an unknown place.
type Edge struct {
	Parent *Node // nil for the root itself
	Name   string
}

// Root is the place of the root directory.
var Root = Edge{Name: "/"}

// Known says whether the edge is a place.
func (e Edge) Known() bool { return e.Name != "" }

// Same says whether two edges are one place.
func (e Edge) Same(o Edge) bool {
	if e.Name != o.Name || (e.Parent == nil) != (o.Parent == nil) {
		return false
	}
	return e.Parent == o.Parent || e.Parent.id == o.Parent.id
}

// A fact is what one event says of a directory's place.
type fact struct {
	Moment
	was, is  Edge // until and from the event; unknown where the event does not tell
	made     bool // the directory began with the event
	gone     bool // the directory ended with the event
	obsolete bool // an earlier fact was forgotten: nothing is known of before
}

// A Sight is a place at which a directory was seen, once or twice.
type Sight struct {
	Edge
	First, Last Look  // equal if it was seen once
	Born        int64 // when the directory was made, in Unix milliseconds; 0 if not known
	Process     bool  // a process's descriptors or words told where to look
}

// Bounds of what is remembered of one directory. Older statements go.
const (
	maxFacts  = 16  // and what is needed of them longer
	mostFacts = 256 // in any case
	maxSights = 3
	nodeBytes = 256 // about what a node takes with one statement
	edgeBytes = 96  // about what one more takes, without its name
)

// A Node is one directory, or several, one after the other, that had its ID.
type Node struct {
	id     ID
	facts  []fact  // in the order of Seq; at most mostFacts
	sights []Sight // in the order of Last; at most maxSights
	bytes  int     // what the tree counts for it; nodeBytes at least
	lost   uint64  // facts of events up to this Seq may have been forgotten
	pruned uint64  // facts up to this record were forgotten, since nobody asks for them any more

	older, newer *Node // ring of the tree's nodes by last use; nil once it is forgotten
}

// ID returns the directory's identity.
func (n *Node) ID() ID { return n.id }

// Forgotten says whether the tree has dropped the node.
func (n *Node) Forgotten() bool { return n.older == nil }

// A torn is a name, or all names of a directory, at which another directory may be
// since an event, which does not tell which one.
type torn struct {
	dir  ID
	name string // empty for all
}

// A Tree is all that is known of where directories are. When it is full, it forgets
// the directories that were not used for longest.
type Tree struct {
	nodes map[ID]*Node
	lru   Node // ring: newer is the oldest, older the newest
	bytes int  // sum of the nodes' bytes; at most limit
	limit int

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

// Lost says whether facts about n that stood around a moment may have been forgotten.
func (n *Node) Lost(m Moment) bool { return m.Seq <= n.lost }

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
		n = n.latest().Parent
	}
}

const maxTouch = 64

// latest is the place that was stated last.
func (n *Node) latest() Edge {
	var e Edge
	if k := len(n.facts); k > 0 {
		f := &n.facts[k-1]
		if e = f.is; !e.Known() {
			e = f.was
		}
	}
	if k := len(n.sights); k > 0 && (!e.Known() || n.sights[k-1].Last.Read >= n.facts[len(n.facts)-1].Done) {
		e = n.sights[k-1].Edge
	}
	return e
}

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

// Facts are the facts around a moment.
type Facts struct {
	Before, After Edge   // from the last fact before, and until the first fact after
	Since, Until  Moment // those facts; zero for none
	Made          bool   // the fact after made the directory: at the moment, it was another one
	Gone          bool   // the fact before removed the directory: likewise
	Cut           bool   // facts before were forgotten
}

// At returns the facts that stand around a moment. An event's own fact counts as after.
func (n *Node) At(m Moment) (f Facts) {
	for i := range n.facts {
		k := &n.facts[i]
		if k.Seq < m.Seq {
			f.Before, f.Since, f.Gone = k.is, k.Moment, k.gone
			continue
		}
		f.After, f.Until, f.Made = k.was, k.Moment, k.made
		f.Cut = k.obsolete
		break
	}
	return f
}

// Sights calls f with the sights of n, the latest first, and each of their looks that no
// fact separates from a moment, until f returns false. slow is how long a call may
// take, in milliseconds.
func (n *Node) Sights(m Moment, slow int64, f func(*Sight, Look) bool) {
	for i := range slices.Backward(n.sights) {
		s := &n.sights[i]
		if n.joins(s.Edge, s.Last, m, slow) && !f(s, s.Last) {
			return
		}
		if s.First != s.Last && n.joins(s.Edge, s.First, m, slow) && !f(s, s.First) {
			return
		}
	}
}

// joins says whether each fact of n is certainly on the same side of a look as of a
// moment. A look that did not find n where it was until a fact came after the fact.
func (n *Node) joins(seen Edge, look Look, m Moment, slow int64) bool {
	for i := range n.facts {
		f := &n.facts[i]
		after := f.Seq < m.Seq && f.At <= look.At && (f.was.Known() && !f.was.Same(seen) || !f.was.Known() && f.is.Known() && f.is.Same(seen))
		if !after && !SameSide(f.Moment, look, m, slow) {
			return false
		}
	}
	return true
}

// SameSide says whether an event is certainly on the same side of a look as of a moment.
func SameSide(event Moment, look Look, m Moment, slow int64) bool {
	if event.Seq < m.Seq {
		return event.Done <= look.Read || event.At+slow < look.At
	}
	return event.At > look.At
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

// Latest returns the place at which n was seen last, if no fact says that it has left.
func (n *Node) Latest() Edge { return n.latest() }
