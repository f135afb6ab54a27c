package dirtree

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// grown returns a tree in which much has happened at random.
func grown(seed uint64) *Tree {
	rnd := rand.New(rand.NewPCG(seed, 4))
	tree := New(60)
	for seq := range uint64(2000) {
		n, parent := tree.Node(ID{1, rnd.Uint64N(80)}), tree.Node(ID{1, 1000 + rnd.Uint64N(20)})
		at := Edge{parent, fmt.Sprint(rnd.IntN(1000))}
		switch rnd.IntN(4) {
		case 0:
			tree.Made(n, at, moment(seq))
		case 1:
			tree.Removed(n, at, moment(seq))
		case 2:
			tree.Moved(n, at, Edge{parent, "x"}, moment(seq))
		default:
			tree.Seen(n, at, Look{At: int64(seq) * 10, Read: seq}, 0, seq%2 == 0)
		}
	}
	return tree
}

func save(t *testing.T, tree *Tree) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tree.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSave requires that a tree which was saved and loaded says the same.
func TestSave(t *testing.T) {
	for seed := range uint64(20) {
		text := save(t, grown(seed))
		tree := New(60)
		if err := tree.Load(bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		if again := save(t, tree); !bytes.Equal(again, text) {
			t.Fatalf("seed %d: another tree is loaded than was saved", seed)
		}
	}
}

// TestSaveTorn requires that nothing is saved of before a move at a torn name: whoever
// loads it does not know of the tear.
func TestSaveTorn(t *testing.T) {
	tree := New(60)
	top, dir := tree.Node(ID{1, 2}), tree.Node(ID{1, 8})
	tree.Seen(dir, Edge{top, "a"}, Look{At: 50, Read: 5}, 0, false)
	tree.Moved(dir, Edge{top, "a"}, Edge{top, "b"}, moment(10))
	tree.Tear(top.ID(), "b", moment(12))
	loaded := New(60)
	if err := loaded.Load(bytes.NewReader(save(t, tree))); err != nil {
		t.Fatal(err)
	}
	n := loaded.Find(ID{1, 8})
	if f := n.At(moment(20)); f.Before.Known() || !n.Lost(moment(10)) || n.Latest().Known() {
		t.Errorf("%+v, lost %t, latest %+v", f, n.Lost(moment(10)), n.Latest())
	}
}

// TestReadAgain requires that an event which is read again changes nothing.
func TestReadAgain(t *testing.T) {
	tree := New(60)
	top, dir := tree.Node(ID{1, 2}), tree.Node(ID{1, 8})
	events := func() {
		tree.Moved(dir, Edge{top, "a"}, Edge{top, "b"}, moment(10))
		tree.Removed(dir, Edge{top, "b"}, moment(20))
		tree.Made(dir, Edge{top, "c"}, moment(30))
	}
	events()
	text := save(t, tree)
	events()
	if again := save(t, tree); !bytes.Equal(again, text) {
		t.Error("the tree has changed")
	}
}

// TestDamagedSave cuts and changes what was saved: the tree is whole or empty.
func TestDamagedSave(t *testing.T) {
	text := save(t, grown(1))
	load := func(damaged []byte) {
		t.Helper()
		tree := New(60)
		if err := tree.Load(bytes.NewReader(damaged)); err != nil && len(tree.nodes) > 0 {
			t.Fatal("a damaged tree knows something")
		}
		if err := tree.Check(); err != nil {
			t.Fatal(err)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 5))
	for range 500 {
		damaged := bytes.Clone(text[:rnd.IntN(len(text))])
		if len(damaged) > 0 {
			damaged[rnd.IntN(len(damaged))] ^= 1 << rnd.IntN(8)
		}
		load(damaged)
		damaged = bytes.Clone(text)
		damaged[rnd.IntN(len(damaged))] ^= 1 << rnd.IntN(8)
		load(damaged)
	}
}
