package event

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/dirtree"
)

// atFDCWD is AT_FDCWD as the low half of a system call's argument.
const atFDCWD = 0xffffff9c

// resolve finds out what the event did and to which files. It returns false if
// a name has to wait for later records.
func (s *Stream) resolve(e *Event) bool {
	s.unstack(e)
	e.choose()
	e.adrift = e.movesCwd()
	if e.call.verb == verbRename && !s.pair(e) {
		s.applyDivided(e)
		s.divide(e)
		return false
	}
	e.adrift = e.adrift || s.elsewhere(e)
	s.unslash(e)
	s.place(e)
	return e.unsolved == 0
}

// place finds the event's paths, and notes what it says about directories.
func (s *Stream) place(e *Event) {
	s.recall(e, &e.Path)
	s.locate(e, &e.Path)
	if e.Dest.event != nil {
		s.locate(e, &e.Dest)
	}
	s.apply(e)
	s.given(e)
	s.reunite(e)
	s.rejoin(e)
	s.visit(e)
}

// choose picks the records that tell of the event's names.
func (e *Event) choose() {
	c := &e.call
	if !e.HasCall && e.has(ntDelete) && e.has(ntCreate) {
		c.verb = verbRename // its SYSCALL record is lost
	}
	switch c.verb {
	case verbRename:
		e.chooseRename()
		return
	case verbLink:
		e.use(&e.Path, e.first(ntNormal), nil, c.dir)
		e.use(&e.Dest, e.first(ntCreate), e.first(ntParent), c.dest)
		return
	}

	it := e.first(ntDelete)
	if it == nil {
		it = e.first(ntCreate)
	}
	parent := e.first(ntParent)
	if it == nil {
		it = e.first(ntNormal)
	}
	if it == nil && parent == nil && c.verb != verbSymlink {
		it = e.first(ntUnknown)
	}
	e.use(&e.Path, it, parent, c.dir)
	if c.verb == verbSymlink {
		if target := e.first(ntUnknown); target != nil {
			e.Target = target.name
		}
	}
}

// use makes n the name that a file's and its directory's record tell of.
func (e *Event) use(n *Name, it, parent *item, dir int8) {
	n.event, n.item, n.parent, n.dirArg = e, it, parent, dir
	if it != nil {
		n.given, n.Dev = it.name, it.dev
		n.Has, n.Ino, n.Mode = it.hasIno, it.key.ino, it.mode
	}
}

// first is the untaken item of a kind with the lowest number; of those without
// an inode, which stand for a name before its file was made, only if there is
// no other.
func (e *Event) first(kind nametype) *item {
	var found *item
	for i := range e.paths {
		p := &e.paths[i]
		if p.kind != kind || p.taken {
			continue
		}
		if found == nil || p.hasIno && !found.hasIno || p.hasIno == found.hasIno && p.number < found.number {
			found = p
		}
	}
	return found
}

func (e *Event) parents() (two []*item) {
	two = e.two[:0]
	for i := range e.paths {
		if p := &e.paths[i]; p.kind == ntParent && len(two) < len(e.two) {
			two = append(two, p)
		}
	}
	return two
}

// fromCWD says whether a relative name starts from the working directory.
func (e *Event) fromCWD(dir int8) bool {
	if !isAbs(e.Cwd) || e.adrift || e.resolve&(resolveInRoot|resolveBeneath) != 0 && dir < 0 {
		return false
	}
	return dir == dirCWD || dir >= 0 && uint32(e.args[dir]) == atFDCWD
}

// openat2's flags under which even an absolute name starts from the descriptor.
const (
	resolveBeneath = 0x08
	resolveInRoot  = 0x10
)

// base is the directory a given name starts from: nothing for an absolute
// name, the working directory; ok is false if it is some descriptor's.
func (e *Event) base(name []byte, dir int8) (base []byte, from From, ok bool) {
	switch {
	case isAbs(name) && e.resolve&resolveInRoot == 0:
		_, via := e.viaProc(name)
		return nil, FromAbsolute, !via
	case e.fromCWD(dir):
		return e.Cwd, FromCWD, true
	}
	return nil, FromNone, false
}

// locate makes n's path, or lets n wait for its directory.
func (s *Stream) locate(e *Event, n *Name) {
	switch {
	case n.given == nil && n.parent == nil && n.item == nil:
		return
	case e.isNameless(n):
		s.locateNameless(e, n)
		return
	case n.given == nil && n.parent == nil:
		s.locateFile(e, n)
		return
	case n.given == nil || e.Success == No && n.item == nil:
		s.locateDir(e, n)
		return
	}
	if base, from, ok := e.base(n.given, n.dirArg); ok {
		s.locateWords(e, n, base, from)
		return
	}
	if n.parent == nil {
		s.locateFile(e, n)
		return
	}
	n.starts = n.starts || s.startsIn(e, n)
	if e.mayFollow() && !n.starts {
		if !s.adopt(e, n) {
			n.unresolved()
		}
		return
	}
	s.await(e, n)
}

// locateWords finds a file that the caller named absolutely or from its working
// directory: the PARENT's inode, or the file's own, must confirm the words.
func (s *Stream) locateWords(e *Event, n *Name, base []byte, from From) {
	start := len(e.built)
	var plain bool
	e.built, plain = appendJoined(e.built, base, n.given, base != nil)
	n.Path, n.says = e.built[start:len(e.built):len(e.built)], from
	lexical := n.Path
	if !plain {
		lexical = e.lexical(n.Path)
	}
	switch {
	case n.parent != nil && n.parent.hasIno && n.parent.key.ino != 0:
		n.words = dirOf(lexical)
		if plain && !e.mayFollow() {
			s.claim(e, n.parent, n.words)
		}
		s.await(e, n)
	case n.item.isDir() && n.item.key.ino != 0 && n.item.kind == ntNormal:
		n.words = lexical
		if plain {
			s.claim(e, n.item, n.words)
		}
		s.awaitAt(e, n, n.item.key)
	case s.lookup != nil && plain && n.item != nil && n.item.hasIno && n.item.key.ino != 0 && s.lookup.Is(n.Path, n.item.key.dev, n.item.key.ino):
		n.From = from
	default:
		n.From = FromClaimed
	}
}

// lexical is a path without . and .. in it.
func (e *Event) lexical(path []byte) []byte {
	start := len(e.built)
	e.built = appendLexical(e.built, path)
	return e.built[start:len(e.built):len(e.built)]
}

// dirOf is the directory of an absolute path.
func dirOf(path []byte) []byte {
	dir, _ := splitName(path)
	if len(dir) > 1 {
		dir = dir[:len(dir)-1]
	}
	return dir
}

// mayFollow says whether the last part of the event's name may be a symlink that
// the call followed: the PARENT is then the directory it led to. Of the calls
// that have a PARENT, only those that may make a file by opening it do so.
func (e *Event) mayFollow() bool {
	flags, _ := e.openFlags() // 0, which may follow, where nothing tells
	return e.call.verb == verbOpen && flags&openExcl == 0
}

// startsIn says whether the directory of the PARENT record is certainly the one
// that the name leads to, but for its last part, from where it starts. Where that is
// not so, the last part is a symlink to elsewhere.
func (s *Stream) startsIn(e *Event, n *Name) bool {
	if !e.mayFollow() || !n.parent.hasIno {
		return false // and nobody needs to know
	}
	dir, _ := splitName(n.given)
	if len(dir) == 0 {
		return s.startsFrom(e, n, n.parent)
	}
	path, ok := s.belowFD(e, n, dir)
	return ok && s.lookup.Is(path, n.parent.key.dev, n.parent.key.ino)
}

// isNameless says whether n is a file that has no name (O_TMPFILE). The kernel
// prints the name that the caller gave, which is the directory's, with the inode of
// the file.
func (e *Event) isNameless(n *Name) bool {
	flags, _ := e.openFlags()
	return flags&openTmpfile != 0 && n.given != nil && n.parent == nil && !n.item.isDir()
}

// locateNameless finds the directory that such a file was made in. No record has that
// directory's inode, so nothing confirms the caller's words.
func (s *Stream) locateNameless(e *Event, n *Name) {
	base, _, ok := e.base(n.given, n.dirArg)
	if !ok {
		n.Dir, n.From = n.given, FromUnresolved
		return
	}
	start := len(e.built)
	e.built, _ = appendJoined(e.built, base, n.given, base != nil)
	n.Dir, n.From = e.built[start:len(e.built):len(e.built)], FromClaimed
}

// locateDir finds the directory of a file whose name the records do not tell.
func (s *Stream) locateDir(e *Event, n *Name) {
	p := n.parent
	if base, from, ok := s.parentBase(e, p, n.dirArg); ok {
		start := len(e.built)
		e.built, _ = appendJoined(e.built, base, p.name, from == FromCWD)
		n.Dir, n.says = e.built[start:len(e.built):len(e.built)], from
		n.words = e.lexical(n.Dir)
	}
	s.await(e, n)
}

// parentBase is the base of a PARENT record's own name. The kernel prints the
// directory part of what the caller gave, which ends in a slash, or the working
// directory if there was none, whether or not that is where the name began.
func (s *Stream) parentBase(e *Event, p *item, dir int8) (base []byte, from From, ok bool) {
	switch {
	case len(p.name) == 0:
		return nil, FromNone, false
	case p.name[len(p.name)-1] == '/' && !bytes.Equal(p.name, e.Cwd):
		return e.base(p.name, dir)
	case e.fromCWD(dir):
		return nil, FromCWD, bytes.Equal(p.name, e.Cwd)
	}
	return nil, FromNone, false
}

// locateFile finds a file of which there is no PARENT record.
func (s *Stream) locateFile(e *Event, n *Name) {
	if n.item.isDir() {
		s.awaitAt(e, n, n.item.key)
		return
	}
	switch {
	case s.recallOpen(e, n):
		s.await(e, n)
		if n.From == FromNone {
			s.seek(e, n)
		}
	case s.adopt(e, n):
	default:
		n.unresolved()
	}
}

// await finds n's directory by its inode, now or later.
func (s *Stream) await(e *Event, n *Name) {
	if n.parent == nil || !n.parent.hasIno || n.parent.key.ino == 0 {
		s.giveUp(n)
		return
	}
	s.awaitAt(e, n, n.parent.key)
}

// awaitAt finds the path of the directory that n is in or is, or lets n wait for it.
func (s *Stream) awaitAt(e *Event, n *Name, key inodeKey) {
	n.node, n.block = s.tree.Node(key.id()), nil
	if s.finish(n, false) {
		return
	}
	if s.lookup != nil {
		a := s.asking[key]
		s.gather(e, n, &a)
		if s.asking == nil || len(s.asking) >= maxAsking {
			s.asking = make(map[inodeKey]inquiry)
		}
		s.asking[key] = a
		if s.finish(n, false) {
			return
		}
	}
	if n.words != nil && (s.lookup == nil || s.seesOtherwise(e)) {
		s.giveUp(n)
		return
	}
	e.unsolved++
	s.waitFor(n)
}

// maxAsking bounds of how many directories it is remembered what was looked at.
const maxAsking = 1 << 12

// waitFor lets n wait at the directory that blocks it.
func (s *Stream) waitFor(n *Name) {
	at := n.block
	if at == nil {
		at = n.node
	}
	id := at.ID()
	ring := s.waits[id]
	if ring == nil {
		ring = new(slot)
		ring.init()
		s.waits[id] = ring
	}
	n.wait.name, n.waitsAt = n, id
	n.wait.join(ring)
	if n.until != 0 {
		s.settleLater(id, dirtree.Look{At: n.until})
	}
}

// leaveRing takes n from the ring that it waits in for its directory.
func (s *Stream) leaveRing(n *Name) {
	n.wait.unlink()
	if ring := s.waits[n.waitsAt]; ring != nil && ring.next == ring {
		delete(s.waits, n.waitsAt)
	}
}

// settle completes those who wait for a directory of which something new is known.
func (s *Stream) settle(id dirtree.ID) {
	ring := s.waits[id]
	if ring == nil {
		return
	}
	delete(s.waits, id)
	for w := ring.next; w != ring; w = ring.next {
		n := w.name
		w.unlink()
		if s.finish(n, false) {
			s.solved(n.event)
		} else {
			s.waitFor(n)
		}
	}
}

// finish makes n's path if its directory's is proven. final says that n waits no longer.
func (s *Stream) finish(n *Name, final bool) bool {
	e := n.event
	n.until = 0
	if n.block != nil && !final { // what is below it is proven
		if t := s.climb(e, n.block, false); t.answer != proven {
			s.blocked(n, t)
			return false
		}
	}
	t := s.climb(e, n.node, final)
	if t.answer != proven {
		s.blocked(n, t)
		return false
	}
	s.tree.Touch(n.node)
	start := len(e.built)
	e.built = s.appendTrace(e.built, t)
	return s.agree(n, start, t.from)
}

// blocked notes why n waits.
func (s *Stream) blocked(n *Name, t way) {
	if t.block != nil {
		n.block = t.block
	}
	n.until = t.until
	n.event.looked = max(n.event.looked, t.until)
}

// agree makes n's path from that of its directory, built[start:], and the caller's words.
func (s *Stream) agree(n *Name, start int, from From) bool {
	e := n.event
	path := e.built[start:]
	if n.words == nil {
		if !n.fits(path) {
			e.built = e.built[:start]
			return false
		}
		n.complete(e.built, start, from)
		return true
	}
	switch {
	case bytes.Equal(cmpRoot(path), n.words):
		if from != FromClaimed {
			from = n.says
		}
		if !bytes.Contains(n.Path, []byte("/..")) && !bytes.Contains(n.Dir, []byte("/..")) {
			e.built, n.From = e.built[:start], from
			return true
		}
	case from == FromClaimed, e.mayFollow(): // the last part may lead to another directory
		e.built, n.From = e.built[:start], FromClaimed
		return true
	}
	n.complete(e.built, start, from) // the words led through a symlink, or are not true
	return true
}

// fits says whether a path, of a directory that the event is about itself, ends
// in the name that the caller gave. It does not where it leads through a link.
func (n *Name) fits(path []byte) bool {
	last := LastPart(n.given)
	if n.parent != nil || len(last) == 0 || string(last) == "." || string(last) == ".." {
		return true
	}
	if n.event.isVia(n) {
		return true
	}
	return bytes.Equal(last, LastPart(path))
}

// complete appends what comes after the directory, which built[start:] is.
func (n *Name) complete(built []byte, start int, from From) {
	e := n.event
	last := LastPart(n.given)
	if n.parent == nil { // the place is the file itself
		last = nil
	}
	if len(last) > 0 {
		if len(built) == start || built[len(built)-1] != '/' {
			built = append(built, '/')
		}
		built = append(built, last...)
	}
	if len(built) == start {
		built = append(built, '/')
	}
	e.built = built
	path := built[start:len(built):len(built)]
	n.From = from
	if n.given == nil && n.parent != nil {
		n.Dir = path
	} else {
		n.Path = path
	}
}

// unresolved gives up: the name as given, and the directory's inode.
func (n *Name) unresolved() {
	n.From, n.Path = FromUnresolved, n.given
	if n.parent != nil && n.parent.hasIno {
		n.ParentIno, n.ParentDev = n.parent.key.ino, n.parent.dev
	}
}

// giveUp ends n's wait: its path is proven by now, or claimed, or unresolved.
func (s *Stream) giveUp(n *Name) {
	if n.node != nil && s.finish(n, true) {
		return
	}
	if n.words != nil && (n.node == nil || !s.contradicts(n.event, n.node, n.words)) {
		n.From = FromClaimed
		return
	}
	if s.orphanSeen(n) {
		return
	}
	n.Dir = nil
	n.unresolved()
}

// contradicts says whether a process's words for a directory cannot be true: another
// directory is at that path, which was there already.
func (s *Stream) contradicts(e *Event, n *dirtree.Node, path []byte) (found bool) {
	if s.lookup == nil || s.seesOtherwise(e) {
		return false
	}
	s.lookup.Walk(path, func(dir []byte, dev Dev, ino uint64, born int64) {
		found = len(dir) == len(path) && n.ID() != (dirtree.ID{Dev: uint64(dev), Ino: ino}) && born <= e.ID.UnixMilli()
	})
	return found
}

// seesOtherwise says whether the event's process is known to see another tree of names
// than the host.
func (s *Stream) seesOtherwise(e *Event) bool {
	if e.view == 0 && !e.viewed && s.lookup != nil && e.PID != 0 {
		if view, ok := s.lookup.View(e.PID); ok {
			e.view = view
		}
		e.viewed = true
	}
	return e.view != 0
}
