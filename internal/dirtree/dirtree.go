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
