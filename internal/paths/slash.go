package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Older kernels (6.1 does, 6.18 does not) do not find a name again that ends in
// a slash, as shells complete that of a directory. `rm -r proj/` then gives
//
//	PARENT name="/srv" inode=2    as for any name
//	PARENT name=(null) inode=2    once more, since the kernel did not find it
//	DELETE name=(null) inode=8    the directory
//
// The name is still where the caller got it from: on its command line. That is
// believed of programs which pass on the words they are given as they are, if
// one word only can be the one.

// passOn are the programs whose words are the names of their calls.
var passOn = map[string]bool{
	"/usr/bin/rm": true, "/usr/bin/rmdir": true, "/usr/bin/mkdir": true, "/usr/bin/mv": true,
	"/bin/rm": true, "/bin/rmdir": true, "/bin/mkdir": true, "/bin/mv": true,
}

// unslash gives the event's names what their slash has lost them.
func (s *knowledge) unslash(e *work) {
	old, dest := e.lostSlash(&e.path), e.lostSlash(&e.dest)
	if !old && !dest || !passOn[string(e.Exe)] || len(e.Title) >= event.MaxTitle {
		return
	}
	var word []byte
	switch {
	case old && dest:
		e.unslashBoth()
		return
	case dest:
		word = e.operand(e.dest.parent, nil)
		e.dest.given = word
	case e.Call.Verb == event.VerbRename:
		word = e.operand(e.path.parent, lastPart(e.dest.given)) // mv keeps the last part in another directory
		e.path.given = word
	default:
		word = e.operand(e.path.parent, lastPart([]byte(s.answered(e.path.item.Key))))
		e.path.given = word
	}
}

// lostSlash says whether n is a directory whose name the kernel did not find.
func (e *work) lostSlash(n *place) bool {
	if n.item == nil || n.item.Name != nil || !n.item.IsDir() || n.given != nil || n.parent == nil || n.parent.Name == nil {
		return false
	}
	again := e.parentAgain(n.item)
	return e.Success == event.Yes && !e.Partial && !e.Uring && again != nil && again.Key == n.parent.Key
}

// parentAgain is the PARENT without a name that the kernel prints before a file
// whose name it did not find; nil if there is none.
func (e *work) parentAgain(it *event.Item) (found *event.Item) {
	for i := range e.Items {
		p := &e.Items[i]
		if p.Kind == event.KindParent && p.Name == nil && p.HasIno && p.Number < it.Number && (found == nil || p.Number > found.Number) {
			found = p
		}
	}
	return found
}

// pairSlashed tells the sides of a rename by the PARENT that comes again before
// a name that was not found.
func (s *pairing) pairSlashed(e *work, two []*event.Item) bool {
	if e.Partial || two[0].Name == nil || two[1].Name == nil || two[0].Key == two[1].Key {
		return false
	}
	for i, n := range []*place{&e.path, &e.dest} {
		if n.item.Name != nil {
			continue
		}
		again := e.parentAgain(n.item)
		if again == nil {
			continue
		}
		for j, p := range two {
			if p.Key != again.Key {
				continue
			}
			n.parent = p
			[]*place{&e.dest, &e.path}[i].parent = two[1-j]
			if i == j {
				s.learnOrder(orderOldFirst)
			} else {
				s.learnOrder(orderNewFirst)
			}
			return true
		}
	}
	return false
}

// operands calls f with each word of the command line that may be a name which
// ends in a slash.
func (e *work) operands(f func(word, dir, last []byte)) {
	_, rest, _ := bytes.Cut(e.Title, []byte{0})
	options := true
	for len(rest) > 0 {
		var word []byte
		word, rest, _ = bytes.Cut(rest, []byte{0})
		if len(word) == 0 || word[len(word)-1] != '/' || options && word[0] == '-' {
			options = options && string(word) != "--"
			continue
		}
		dir, last := splitName(word)
		if len(last) > 0 && string(last) != "." && string(last) != ".." {
			f(word, dir, last)
		}
	}
}

// operand is the one word that names something in the directory of a PARENT
// record. Where there are several, it is the one whose last part is like.
//
// Claim: that word is the name which the kernel has lost.
// Why it is sound: the program passes its words on as they are, the word ends in a slash as
// only such a name does, its directory part is what the kernel printed for the PARENT, and no
// other word is like that.
// What would break it: a program that is replaced, or a command line that is overwritten.
// Either makes words of its own event only, and the PARENT's inode is proven apart from them.
// Test: TestLostSlash.
func (e *work) operand(parent *event.Item, like []byte) []byte {
	var word, alike []byte
	several := false
	e.operands(func(w, dir, last []byte) {
		if !e.prints(parent, dir) {
			return
		}
		several = several || word != nil && !bytes.Equal(lastPart(word), last)
		word = w
		if len(like) > 0 && bytes.Equal(last, like) {
			alike = w
		}
	})
	if several {
		return alike
	}
	return word
}

// unslashBoth is for `mv old/ new/`, if those are the only two such words.
func (e *work) unslashBoth() {
	var words, dirs [2][]byte
	n := 0
	e.operands(func(w, dir, _ []byte) {
		if n < len(words) {
			words[n], dirs[n] = w, dir
		}
		n++
	})
	if n == 2 && e.prints(e.path.parent, dirs[0]) && e.prints(e.dest.parent, dirs[1]) {
		e.path.given, e.dest.given = words[0], words[1]
	}
}

// prints says whether the kernel prints a PARENT record so for a name with the
// directory part dir: that part, or the working directory for none.
func (e *work) prints(parent *event.Item, dir []byte) bool {
	if len(dir) == 0 {
		return bytes.Equal(parent.Name, e.Cwd)
	}
	return bytes.Equal(parent.Name, dir)
}
