package dirtree

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// slow is how long a call may take, in milliseconds.
const slow = 1000

func moment(seq uint64) Moment { return Moment{Seq: seq, Done: seq, At: int64(seq) * 10} }

// TestAt tells what facts stand around a moment.
func TestAt(t *testing.T) {
	tree := New(100)
	top, other, dir := tree.Node(ID{1, 2}), tree.Node(ID{1, 3}), tree.Node(ID{1, 8})
	a, b, c := Edge{top, "a"}, Edge{other, "b"}, Edge{top, "c"}
	tree.Moved(dir, a, b, moment(20))
	tree.Removed(dir, b, moment(30))
	tree.Made(dir, c, moment(40))
	for _, tt := range []struct {
		seq           uint64
		before, after Edge
		gone, made    bool
	}{
		{10, Edge{}, a, false, false},
		{20, Edge{}, a, false, false}, // an event is before what it does
		{25, b, b, false, false},
		{35, Edge{}, Edge{}, true, true},
		{45, c, Edge{}, false, false},
	} {
		f := dir.At(moment(tt.seq))
		if !f.Before.Same(tt.before) || !f.After.Same(tt.after) || f.Gone != tt.gone || f.Made != tt.made {
			t.Errorf("at %d: %+v", tt.seq, f)
		}
	}
	if err := tree.Check(); err != nil {
		t.Error(err)
	}
}

// TestLateRemoval mixes the events of two processors: a directory gets an inode before
// the event comes by which the one before it lost the inode.
func TestLateRemoval(t *testing.T) {
	tree := New(100)
	top, dir := tree.Node(ID{1, 2}), tree.Node(ID{1, 8})
	tree.Made(dir, Edge{top, "new"}, moment(20))
	tree.Removed(dir, Edge{top, "old"}, moment(21))
	if f := dir.At(moment(10)); f.After.Name != "old" {
		t.Errorf("before: %+v, want old", f)
	}
	if f := dir.At(moment(30)); f.Before.Name != "new" || f.Gone {
		t.Errorf("after: %+v, want new", f)
	}
}

// TestSights requires a look to count only for moments from which no fact separates it.
func TestSights(t *testing.T) {
	tree := New(100)
	top, dir := tree.Node(ID{1, 2}), tree.Node(ID{1, 8})
	a, b := Edge{top, "a"}, Edge{top, "b"}
	tree.Seen(dir, a, Look{At: 150, Read: 15}, 1, false)
	tree.Moved(dir, a, b, moment(20))
	tree.Seen(dir, b, Look{At: 250, Read: 25}, 1, false)
	for seq, want := range map[uint64]string{10: "a", 18: "a", 22: "b", 40: "b"} {
		got := ""
		dir.Sights(moment(seq), slow, func(s *Sight, _ Look) bool {
			got += s.Name
			return true
		})
		if got != want {
			t.Errorf("at %d: saw %q, want %q", seq, got, want)
		}
	}
}

// TestBounds does at random what events and looks do, in a tree that is too small, and
// checks it after each step.
func TestBounds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	tree := New(50)
	for seq := range uint64(20_000) {
		n, parent := tree.Node(ID{1, rnd.Uint64N(200)}), tree.Node(ID{1, 1000 + rnd.Uint64N(20)})
		at := Edge{parent, fmt.Sprint(rnd.IntN(1000))}
		switch rnd.IntN(6) {
		case 0:
			tree.Made(n, at, moment(seq))
		case 1:
			tree.Removed(n, at, moment(seq))
		case 2:
			tree.Moved(n, at, Edge{parent, "x"}, moment(seq))
		case 3:
			tree.Seen(n, at, Look{At: int64(seq) * 10, Read: seq}, 0, false)
		case 4:
			tree.Keep(seq)
		default:
			tree.Tear(parent.ID(), at.Name, moment(seq))
		}
		if err := tree.Check(); err != nil {
			t.Fatalf("after %d steps: %v", seq, err)
		}
	}
}
