package dirtree

import "fmt"

// Check returns the first invariant that does not hold:
//
//  1. The map and the ring hold the same nodes, each under its ID.
//  2. The tree's bytes are the sum of the nodes' bytes, and within the limit, but for
//     the one node that is in use.
//  3. A node's facts are in the order of their events, its sights in that of their
//     looks, and both are within their bounds.
//  4. No directory is in itself.
//  5. A fact that made a directory tells no move, and a removed directory is nowhere.
func (t *Tree) Check() error {
	count, bytes := 0, 0
	for n := t.lru.newer; n != &t.lru; n = n.newer {
		if t.nodes[n.id] != n {
			return fmt.Errorf("%v is in the ring and not in the map", n.id)
		}
		if n.newer.older != n || n.older.newer != n {
			return fmt.Errorf("%v: the ring is broken", n.id)
		}
		if err := n.check(); err != nil {
			return fmt.Errorf("%v: %w", n.id, err)
		}
		count++
		bytes += n.bytes
	}
	switch {
	case count != len(t.nodes):
		return fmt.Errorf("%d nodes in the ring, %d in the map", count, len(t.nodes))
	case bytes != t.bytes:
		return fmt.Errorf("%d bytes counted, %d are there", t.bytes, bytes)
	case t.bytes > t.limit && count > 1:
		return fmt.Errorf("%d bytes, the limit is %d", t.bytes, t.limit)
	case len(t.torn) > maxTorn:
		return fmt.Errorf("%d torn names", len(t.torn))
	}
	return nil
}

func (n *Node) check() error {
	if len(n.facts) > mostFacts || len(n.sights) > maxSights {
		return fmt.Errorf("%d facts, %d sights", len(n.facts), len(n.sights))
	}
	for i := range n.facts {
		f := &n.facts[i]
		switch {
		case i > 0 && f.Seq < n.facts[i-1].Seq:
			return fmt.Errorf("fact %d is before fact %d", f.Seq, n.facts[i-1].Seq)
		case f.was.Parent == n || f.is.Parent == n:
			return fmt.Errorf("fact %d puts it in itself", f.Seq)
		case f.gone && (f.made || f.is.Known()):
			return fmt.Errorf("fact %d removes it, and it is there", f.Seq)
		}
	}
	for i := range n.sights {
		s := &n.sights[i]
		switch {
		case s.Parent == n:
			return fmt.Errorf("it was seen in itself")
		case !s.Known():
			return fmt.Errorf("it was seen nowhere")
		case s.First.At > s.Last.At && s.First.Read > s.Last.Read:
			return fmt.Errorf("it was seen last before it was seen first")
		}
	}
	return nil
}
