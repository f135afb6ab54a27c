package event

import "bytes"

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

// maxTitle is what the kernel keeps of a command line, less the NUL byte at its end.
const maxTitle = 127

// unslash gives the event's names what their slash has lost them.
func (s *Stream) unslash(e *Event) {
	old, dest := e.lostSlash(&e.Path), e.lostSlash(&e.Dest)
	if !old && !dest || !passOn[string(e.Exe)] || len(e.Title) >= maxTitle {
		return
	}
	var word []byte
	switch {
	case old && dest:
		e.unslashBoth()
		return
	case dest:
		word = e.operand(e.Dest.parent, nil)
		e.Dest.given = word
	case e.call.verb == verbRename:
		word = e.operand(e.Path.parent, LastPart(e.Dest.given)) // mv keeps the last part in another directory
		e.Path.given = word
	default:
		word = e.operand(e.Path.parent, LastPart([]byte(s.answered(e.Path.item.key))))
		e.Path.given = word
	}
}

// lostSlash says whether n is a directory whose name the kernel did not find.
func (e *Event) lostSlash(n *Name) bool {
	if n.item == nil || n.item.name != nil || !n.item.isDir() || n.given != nil || n.parent == nil || n.parent.name == nil {
		return false
	}
	again := e.parentAgain(n.item)
	return e.Success == Yes && !e.Partial && !e.uring && again != nil && again.key == n.parent.key
}

// parentAgain is the PARENT without a name that the kernel prints before a file
// whose name it did not find; nil if there is none.
func (e *Event) parentAgain(it *item) (found *item) {
	for i := range e.paths {
		p := &e.paths[i]
		if p.kind == ntParent && p.name == nil && p.hasIno && p.number < it.number && (found == nil || p.number > found.number) {
			found = p
		}
	}
	return found
}

// pairSlashed tells the sides of a rename by the PARENT that comes again before
// a name that was not found.
func (s *Stream) pairSlashed(e *Event, two []*item) bool {
	if e.Partial || two[0].name == nil || two[1].name == nil || two[0].key == two[1].key {
		return false
	}
	for i, n := range []*Name{&e.Path, &e.Dest} {
		if n.item.name != nil {
			continue
		}
		again := e.parentAgain(n.item)
		if again == nil {
			continue
		}
		for j, p := range two {
			if p.key != again.key {
				continue
			}
			n.parent = p
			[]*Name{&e.Dest, &e.Path}[i].parent = two[1-j]
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
func (e *Event) operands(f func(word, dir, last []byte)) {
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
func (e *Event) operand(parent *item, like []byte) []byte {
	var word, alike []byte
	several := false
	e.operands(func(w, dir, last []byte) {
		if !e.prints(parent, dir) {
			return
		}
		several = several || word != nil && !bytes.Equal(LastPart(word), last)
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
func (e *Event) unslashBoth() {
	var words, dirs [2][]byte
	n := 0
	e.operands(func(w, dir, _ []byte) {
		if n < len(words) {
			words[n], dirs[n] = w, dir
		}
		n++
	})
	if n == 2 && e.prints(e.Path.parent, dirs[0]) && e.prints(e.Dest.parent, dirs[1]) {
		e.Path.given, e.Dest.given = words[0], words[1]
	}
}

// prints says whether the kernel prints a PARENT record so for a name with the
// directory part dir: that part, or the working directory for none.
func (e *Event) prints(parent *item, dir []byte) bool {
	if len(dir) == 0 {
		return bytes.Equal(parent.name, e.Cwd)
	}
	return bytes.Equal(parent.name, dir)
}

// answered is where the event's directory was seen.
func (s *Stream) answered(key inodeKey) string {
	if n := s.tree.Find(key.id()); n != nil {
		if path, ok := s.appendLatest(nil, n); ok {
			return string(path)
		}
	}
	return ""
}
