package dirtree

import "slices"

// A node keeps statements of two kinds, and never lets one overwrite another:
//
//	facts    |-- a --|10 moved a to b|-- b --|20 removed from b|   |30 made at c|-- c --
//	sights        ^ seen at a              ^ seen at b                        ^ seen at c
//
// A fact divides time in two, and says of each side what it knows. Two neighbours should agree
// on what lies between them; where they do not, the directory moved out of sight, and
// it is for the caller to say that nothing is proven.
//
// A sight is of one moment, or of two and, if no fact lies between these, of all between.
// Which side of a fact it is on is not always certain: the looker saw the host as it was,
// while records of calls under way had not been read. Such a sight joins no moment.

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
	facts  []fact  // in the order of Seq, one for each event; at most mostFacts
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

// Lost says whether facts about n that stood around a moment may have been forgotten.
func (n *Node) Lost(m Moment) bool { return m.Seq <= n.lost }

// Latest is the place that was stated last, unknown for none.
func (n *Node) Latest() Edge {
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

// Seen is the last look at n, if n was found where it is by the latest that is known.
func (n *Node) Seen() (look Look, ok bool) {
	k := len(n.sights)
	if k == 0 || len(n.facts) > 0 && n.sights[k-1].Last.Read < n.facts[len(n.facts)-1].Done {
		return Look{}, false
	}
	return n.sights[k-1].Last, true
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
