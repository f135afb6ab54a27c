package event

import (
	"bytes"
	"strings"
)

// atFDCWD is AT_FDCWD as the low half of a system call's argument.
const atFDCWD = 0xffffff9c

// resolve finds out what the event did and to which files. It returns false if
// a name has to wait for later records.
func (s *Stream) resolve(e *Event) bool {
	s.unstack(e)
	e.choose()
	e.adrift = e.movesCwd()
	e.view = s.viewOf(e)
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
	s.learnGiven(e)
	s.recall(e, &e.Path)
	s.locate(e, &e.Path)
	if e.Dest.event != nil {
		s.locate(e, &e.Dest)
	}
	s.apply(e)
	s.settle(e)
	s.given(e)
	s.reunite(e)
	s.rejoin(e)
	s.visit(e)
}

// choose picks the records that tell of the event's names.
func (e *Event) choose() {
	c := &e.call
	if !e.hasCall && e.has(ntDelete) && e.has(ntCreate) {
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

// locate makes n's path, or puts n among those who wait for its directory.
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
		n.Path, n.From = s.join(e, n, base), from
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
	return s.leadsTo(e, n, dir, n.parent.key) != ""
}

// leadsTo is the path of a directory that n's name leads through, from a descriptor;
// empty if that does not lead to key.
func (s *Stream) leadsTo(e *Event, n *Name, dir []byte, key inodeKey) string {
	path, ok := s.belowFD(e, n, dir)
	if !ok || !s.lookup.Is(path, key.dev, key.ino) {
		return ""
	}
	return string(path)
}

// belowFD is the path of a relative name below the directory that n's descriptor is
// open on by now. It is valid until scratch is used again.
func (s *Stream) belowFD(e *Event, n *Name, name []byte) (path []byte, ok bool) {
	fd, ok := e.descriptor(n)
	if !ok || s.lookup == nil {
		return nil, false
	}
	dir, _, ok := s.openDir(e, fd)
	if !ok || !isAbs([]byte(dir)) {
		return nil, false
	}
	path, plain := appendJoined(s.scratch[:0], []byte(dir), name, true)
	s.scratch = path
	return path, plain
}

// isNameless says whether n is a file that has no name (O_TMPFILE). The kernel
// prints the name that the caller gave, which is the directory's, with the inode of
// the file.
func (e *Event) isNameless(n *Name) bool {
	flags, _ := e.openFlags()
	return flags&openTmpfile != 0 && n.given != nil && n.parent == nil && !n.item.isDir()
}

// locateNameless finds the directory that such a file was made in. Which one a
// descriptor stands for cannot be found out: no record has its inode.
func (s *Stream) locateNameless(e *Event, n *Name) {
	base, from, ok := e.base(n.given, n.dirArg)
	if !ok {
		n.Dir, n.From = n.given, FromUnresolved
		return
	}
	n.Dir, n.From = s.join(e, n, base), from
}

// locateDir finds the directory of a file whose name the records do not tell.
func (s *Stream) locateDir(e *Event, n *Name) {
	p := n.parent
	if base, from, ok := s.parentBase(e, p, n.dirArg); ok {
		start := len(e.built)
		e.built, _ = appendJoined(e.built, base, p.name, from == FromCWD)
		n.Dir, n.From = e.built[start:len(e.built):len(e.built)], from
		return
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

// join is the path of a name that starts from base. A .. is resolved where the
// working directory, as the kernel prints it, or the parent's inode vouch for it.
func (s *Stream) join(e *Event, n *Name, base []byte) []byte {
	start := len(e.built)
	var plain bool
	e.built, plain = appendJoined(e.built, base, n.given, base != nil)
	path := e.built[start:len(e.built):len(e.built)]
	if plain || n.parent == nil {
		return path
	}

	lexical := appendLexical(s.scratch[:0], path)
	s.scratch = lexical
	dir, _ := splitName(lexical)
	at := s.tree.peek(s.tree.rootOf(e.view), dir)
	if at == nil || !at.hasKey || at.key != n.parent.key || s.known(e, n.parent.key) != at {
		return path
	}
	e.built = append(e.built[:start], lexical...)
	return e.built[start:len(e.built):len(e.built)]
}

// how is the path_from of a name whose directory is at p.
func (s *Stream) how(p *place) From {
	for ; p.parent != nil; p = p.parent {
		if p.proc {
			return FromProc
		}
	}
	return FromTrail
}

// await finds n's directory by its inode, now if it is known, else later.
func (s *Stream) await(e *Event, n *Name) {
	if n.parent == nil || !n.parent.hasIno || n.parent.key.ino == 0 {
		n.unresolved()
		return
	}
	s.awaitAt(e, n, n.parent.key)
}

func (s *Stream) awaitAt(e *Event, n *Name, key inodeKey) {
	if p := s.known(e, key); p != nil {
		n.place = p
		if s.finish(n, s.how(p)) {
			return
		}
	}
	for _, p := range s.tree.inodes[key] {
		if n.place = p; s.inView(e, p) && s.finish(n, FromTrail) {
			return
		}
	}
	n.place = s.tree.awaited(key, e.ID.UnixMilli(), s.doubt, s.torn)
	s.ask(e, n)
	n.seen = n.place.answer
	e.looked = max(e.looked, n.seen.looked) // another event may have asked
	if n.place.overdue && n.place.answer.looked < e.ID.UnixMilli() && s.takeAnswer(n) {
		return // seen before the call was made, so nothing that follows can spoil it
	}
	top := s.tree.top(n.place)
	if top.waiting.next == nil {
		top.waiting.init()
	}
	n.wait.name = n
	n.wait.join(&top.waiting)
	e.unsolved++
}

// finish makes n's path from its directory's place.
func (s *Stream) finish(n *Name, from From) bool {
	e := n.event
	start := len(e.built)
	built, root, ok := s.tree.render(e.built, n.place, e.First)
	if !ok || root.view != 0 && root.view != e.view || !n.fits(built[start:]) || s.motions.unsettled(e, n.place, built[start:]) {
		return false
	}
	n.complete(built, start, from)
	return true
}

// fits says whether a path, of a directory that the event is about itself, ends
// in the name that the caller gave. It does not where it leads through a link.
func (n *Name) fits(path []byte) bool {
	last := lastPart(n.given)
	if n.parent != nil || len(last) == 0 || string(last) == "." || string(last) == ".." {
		return true
	}
	if n.event.isVia(n) {
		return true
	}
	return bytes.Equal(last, lastPart(path))
}

// complete appends what comes after the directory, which built[start:] is.
func (n *Name) complete(built []byte, start int, from From) {
	e := n.event
	last := lastPart(n.given)
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

// settle completes all who waited for a directory whose path is known now.
func (s *Stream) settle(e *Event) {
	s.settleAt(s.tree.root)
	if e.view != 0 {
		s.settleAt(s.tree.rootOf(e.view))
	}
}

// settleAt is settle for what is below a root. Those who wait below the root of
// another view than theirs go on waiting.
func (s *Stream) settleAt(root *place) {
	ring := &root.waiting
	for w := ring.next; w != nil && w != ring; {
		n := w.name
		w = w.next
		if root.view != 0 && n.event.view != root.view {
			continue
		}
		n.wait.unlink()
		if s.lost(n) || !s.finish(n, s.how(n.place)) {
			if n.place.answer.path != "" {
				n.wait.join(&s.limbo) // it counts only once all is read that may spoil it
				continue
			}
			s.giveUp(n)
		}
		s.solved(n.event)
	}
}

// giveUp ends n's wait without a record that names its directory.
func (s *Stream) giveUp(n *Name) {
	if n.place != nil && s.takeAnswer(n) {
		n.place.overdue = true
		return
	}
	if s.counts(n.orphan.answer, n.event) {
		n.Path, n.From = []byte(n.orphan.answer.path), FromProc
		return
	}
	n.unresolved()
}

// underway is how long records take from the kernel to here at most on a host that
// is not too busy to be asked, in milliseconds.
const underway = 500

// aside is by how much the records of one process may come behind those of others, and
// the clock of events behind that of looks, in milliseconds.
const aside = 50

// counts says whether what was seen is where something was for an event: all is
// read that came before the look, and no rename between the two.
func (s *Stream) counts(a answer, e *Event) bool {
	read := s.wait < 0 || (a.looked+aside < s.clock || a.looked+underway <= s.tick) && (s.complete == 0 || a.looked <= s.complete)
	return a.path != "" && read && !s.dropped.spans(e, a.looked) && a.suits(e) && s.motions.holds(s.lookup, a, e)
}

// takeAnswer uses where n's directory was seen, or one above it below which records
// have told the names.
func (s *Stream) takeAnswer(n *Name) bool {
	e := n.event
	if !n.place.misled && s.counts(n.seen, e) && s.takePath(n, n.seen.path, n.place) {
		return true
	}
	p := n.place
	for depth := 0; p != nil && depth < maxDepth; depth++ {
		if a := s.tree.seen(p); s.counts(a, e) && s.takePath(n, a.path, p) {
			return true
		}
		if p.since > e.First {
			break
		}
		p, _ = p.as(e.First)
	}
	return false
}

// takePath makes n's path from that of a place at or above its directory.
func (s *Stream) takePath(n *Name, path string, at *place) bool {
	e := n.event
	start := len(e.built)
	built := append(e.built, strings.TrimSuffix(path, "/")...)
	built = s.tree.below(built, n.place, at, e.First)
	if !n.fits(built[start:]) || at != n.place && s.motions.unsettled(e, n.place, built[start:]) {
		return false
	}
	n.complete(built, start, FromProc)
	return true
}
