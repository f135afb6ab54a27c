package dirtree

import (
	"encoding/gob"
	"fmt"
	"io"
)

// What is known outlives the process: facts and sights are true whoever remembers them.
// A tree that is loaded knows the future of the events that are read again, and their
// facts once more; both change nothing, since each statement has its moment.
//
// Not saved is what later moves may have made untrue at a name, where they do not tell
// which directory moved: the statements about torn names. Records that are read again
// tell of the tears.

// A file that is damaged, of another format or of a tree that breaks its own invariants is
// refused as a whole (see Check): nothing is better than something untrue.

// saved is a tree as it lies in a file.
type saved struct {
	Lost  uint64
	Nodes []savedNode
}

type savedNode struct {
	ID     ID
	Lost   uint64
	Facts  []savedFact
	Sights []savedSight
}

type savedFact struct {
	Moment
	Was, Is              savedEdge
	Made, Gone, Obsolete bool
}

type savedSight struct {
	At          savedEdge
	First, Last Look
	Born        int64
	Process     bool
}

// A savedEdge has no parent if it is the root or unknown.
type savedEdge struct {
	Below  bool
	Parent ID
	Name   string
}

// Save writes the tree for Load.
func (t *Tree) Save(w io.Writer) error {
	s := saved{Lost: t.lost, Nodes: make([]savedNode, 0, len(t.nodes))}
	for n := t.lru.newer; n != &t.lru; n = n.newer {
		s.Nodes = append(s.Nodes, t.savedNode(n))
	}
	return gob.NewEncoder(w).Encode(&s)
}

// savedNode leaves out the facts up to one about a torn name, and the sights of before.
func (t *Tree) savedNode(n *Node) savedNode {
	s := savedNode{ID: n.id, Lost: max(n.lost, n.pruned)}
	for i := range n.facts {
		f := &n.facts[i]
		if t.isTorn(f.was) || t.isTorn(f.is) {
			s.Lost, s.Facts = max(s.Lost, f.Done), nil
			continue
		}
		s.Facts = append(s.Facts, savedFact{f.Moment, saveEdge(f.was), saveEdge(f.is), f.made, f.gone, f.obsolete})
	}
	for i := range n.sights {
		g := n.sights[i]
		if t.isTorn(g.Edge) || g.Last.Read < s.Lost {
			continue
		}
		if g.First.Read < s.Lost {
			g.First = g.Last
		}
		s.Sights = append(s.Sights, savedSight{saveEdge(g.Edge), g.First, g.Last, g.Born, g.Process})
	}
	return s
}

func (t *Tree) isTorn(e Edge) (found bool) {
	t.Torn(e, func(Moment) { found = true })
	return found
}

func saveEdge(e Edge) savedEdge {
	if e.Parent == nil {
		return savedEdge{Name: e.Name}
	}
	return savedEdge{Below: true, Parent: e.Parent.id, Name: e.Name}
}

// Load reads what Save has written into t, which knows nothing yet. After an error t
// still knows nothing.
func (t *Tree) Load(r io.Reader) error {
	var s saved
	if err := gob.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("read saved directories: %w", err)
	}
	for i := range s.Nodes {
		t.Node(s.Nodes[i].ID)
	}
	t.lost = max(t.lost, s.Lost)
	for i := range s.Nodes {
		t.load(&s.Nodes[i])
	}
	if err := t.Check(); err != nil {
		t.Forget()
		return fmt.Errorf("saved directories: %w", err)
	}
	return nil
}

func (t *Tree) load(s *savedNode) {
	n := t.nodes[s.ID]
	if n == nil {
		return // the tree is smaller now
	}
	n.lost = s.Lost
	for i := range s.Facts {
		f := &s.Facts[i]
		n.facts = append(n.facts, fact{f.Moment, t.loadEdge(f.Was), t.loadEdge(f.Is), f.Made, f.Gone, f.Obsolete})
	}
	for i := range s.Sights {
		g := &s.Sights[i]
		n.sights = append(n.sights, Sight{t.loadEdge(g.At), g.First, g.Last, g.Born, g.Process})
	}
	t.grow(n)
}

// loadEdge gives an edge its parent: the node with its ID, or one that the tree has
// forgotten.
func (t *Tree) loadEdge(e savedEdge) Edge {
	if !e.Below {
		return Edge{Name: e.Name}
	}
	n := t.nodes[e.Parent]
	if n == nil {
		n = &Node{id: e.Parent}
	}
	return Edge{Parent: n, Name: e.Name}
}
