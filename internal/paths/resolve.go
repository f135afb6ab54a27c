package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// atFDCWD is AT_FDCWD as the low half of a system call's argument.
const atFDCWD = 0xffffff9c

// resolve finds out what the event did and to which files. It returns false if
// a name has to wait for later records.
func (s *Stream) resolve(e *work) bool {
	s.unstack(e)
	e.choose()
	e.adrift = e.movesCwd()
	if e.Call.Verb == event.VerbRename && !s.pair(e) {
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
func (s *Stream) place(e *work) {
	s.recall(e, &e.path)
	s.locate(e, &e.path)
	if e.dest.event != nil {
		s.locate(e, &e.dest)
	}
	s.apply(e)
	s.given(e)
	s.reunite(e)
	s.rejoin(e)
	s.visit(e)
}

// choose picks the records that tell of the event's names.
func (e *work) choose() {
	c := &e.Call
	if !e.HasCall && e.Has(event.KindDelete) && e.Has(event.KindCreate) {
		c.Verb = event.VerbRename // its SYSCALL record is lost
	}
	switch c.Verb {
	case event.VerbRename:
		e.chooseRename()
		return
	case event.VerbLink:
		e.use(&e.path, e.first(event.KindNormal), nil, c.Dir)
		e.use(&e.dest, e.first(event.KindCreate), e.first(event.KindParent), c.Dest)
		return
	}

	it := e.first(event.KindDelete)
	if it == nil {
		it = e.first(event.KindCreate)
	}
	parent := e.first(event.KindParent)
	if it == nil {
		it = e.first(event.KindNormal)
	}
	if it == nil && parent == nil && c.Verb != event.VerbSymlink {
		it = e.first(event.KindUnknown)
	}
	e.use(&e.path, it, parent, c.Dir)
	if c.Verb == event.VerbSymlink {
		if target := e.first(event.KindUnknown); target != nil {
			e.Target = target.Name
		}
	}
}

// use makes n the name that a file's and its directory's record tell of.
func (e *work) use(n *place, it, parent *event.Item, dir int8) {
	n.event, n.item, n.parent, n.dirArg = e, it, parent, dir
	e.HasDest = e.HasDest || n == &e.dest
	if it != nil {
		n.given, n.Dev = it.Name, it.Dev
		n.Has, n.Ino, n.Mode = it.HasIno, it.Key.Ino, it.Mode
	}
}

// first is the untaken item of a kind with the lowest number; of those without
// an inode, which stand for a name before its file was made, only if there is
// no other.
func (e *work) first(kind event.Kind) *event.Item {
	var found *event.Item
	for i := range e.Items {
		p := &e.Items[i]
		if p.Kind != kind || p.Taken {
			continue
		}
		if found == nil || p.HasIno && !found.HasIno || p.HasIno == found.HasIno && p.Number < found.Number {
			found = p
		}
	}
	return found
}

func (e *work) parents() (two []*event.Item) {
	two = e.two[:0]
	for i := range e.Items {
		if p := &e.Items[i]; p.Kind == event.KindParent && len(two) < len(e.two) {
			two = append(two, p)
		}
	}
	return two
}

// fromCWD says whether a relative name starts from the working directory.
func (e *work) fromCWD(dir int8) bool {
	if !isAbs(e.Cwd) || e.adrift || e.ResolveFlags&(resolveInRoot|resolveBeneath) != 0 && dir < 0 {
		return false
	}
	return dir == event.DirCWD || dir >= 0 && uint32(e.Args[dir]) == atFDCWD
}

// openat2's flags under which even an absolute name starts from the descriptor.
const (
	resolveBeneath = 0x08
	resolveInRoot  = 0x10
)

// base is the directory a given name starts from: nothing for an absolute
// name, the working directory; ok is false if it is some descriptor's.
func (e *work) base(name []byte, dir int8) (base []byte, from event.From, ok bool) {
	switch {
	case isAbs(name) && e.ResolveFlags&resolveInRoot == 0:
		_, via := e.viaProc(name)
		return nil, event.FromAbsolute, !via
	case e.fromCWD(dir):
		return e.Cwd, event.FromCWD, true
	}
	return nil, event.FromNone, false
}

// locate makes n's path, or lets n wait for its directory.
func (s *Stream) locate(e *work, n *place) {
	switch {
	case n.given == nil && n.parent == nil && n.item == nil:
		return
	case e.isNameless(n):
		s.locateNameless(e, n)
		return
	case n.given == nil && n.parent == nil:
		s.locateFile(e, n)
		return
	case n.given == nil || e.Success == event.No && n.item == nil:
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
func (s *Stream) locateWords(e *work, n *place, base []byte, from event.From) {
	start := len(e.Built)
	var plain bool
	e.Built, plain = appendJoined(e.Built, base, n.given, base != nil)
	n.Path, n.Says = e.Built[start:len(e.Built):len(e.Built)], from
	lexical := n.Path
	if !plain {
		lexical = e.lexical(n.Path)
	}
	switch {
	case n.parent != nil && n.parent.HasIno && n.parent.Key.Ino != 0:
		n.words = dirOf(lexical)
		if plain && !e.mayFollow() {
			s.claim(e, n.parent, n.words)
		}
		s.await(e, n)
	case n.item.IsDir() && n.item.Key.Ino != 0 && n.item.Kind == event.KindNormal:
		n.words = lexical
		if plain {
			s.claim(e, n.item, n.words)
		}
		s.awaitAt(e, n, n.item.Key)
	case s.lookup != nil && plain && n.item != nil && n.item.HasIno && n.item.Key.Ino != 0 && s.lookup.Is(n.Path, n.item.Key.Dev, n.item.Key.Ino):
		n.From = from
	default:
		n.From = event.FromClaimed
	}
}

// lexical is a path without . and .. in it.
func (e *work) lexical(path []byte) []byte {
	start := len(e.Built)
	e.Built = appendLexical(e.Built, path)
	return e.Built[start:len(e.Built):len(e.Built)]
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
func (e *work) mayFollow() bool {
	flags, _ := e.OpenFlags() // 0, which may follow, where nothing tells
	return e.Call.Verb == event.VerbOpen && flags&event.OpenExcl == 0
}

// startsIn says whether the directory of the PARENT record is certainly the one
// that the name leads to, but for its last part, from where it starts. Where that is
// not so, the last part is a symlink to elsewhere.
func (s *Stream) startsIn(e *work, n *place) bool {
	if !e.mayFollow() || !n.parent.HasIno {
		return false // and nobody needs to know
	}
	dir, _ := splitName(n.given)
	if len(dir) == 0 {
		return s.startsFrom(e, n, n.parent)
	}
	path, ok := s.belowFD(e, n, dir)
	return ok && s.lookup.Is(path, n.parent.Key.Dev, n.parent.Key.Ino)
}

// isNameless says whether n is a file that has no name (O_TMPFILE). The kernel
// prints the name that the caller gave, which is the directory's, with the inode of
// the file.
func (e *work) isNameless(n *place) bool {
	flags, _ := e.OpenFlags()
	return flags&event.OpenTmpfile != 0 && n.given != nil && n.parent == nil && !n.item.IsDir()
}

// locateNameless finds the directory that such a file was made in. No record has that
// directory's inode, so nothing confirms the caller's words.
func (s *Stream) locateNameless(e *work, n *place) {
	base, _, ok := e.base(n.given, n.dirArg)
	if !ok {
		n.Dir, n.From = n.given, event.FromUnresolved
		return
	}
	start := len(e.Built)
	e.Built, _ = appendJoined(e.Built, base, n.given, base != nil)
	n.Dir, n.From = e.Built[start:len(e.Built):len(e.Built)], event.FromClaimed
}

// locateDir finds the directory of a file whose name the records do not tell.
func (s *Stream) locateDir(e *work, n *place) {
	p := n.parent
	if base, from, ok := s.parentBase(e, p, n.dirArg); ok {
		start := len(e.Built)
		e.Built, _ = appendJoined(e.Built, base, p.Name, from == event.FromCWD)
		n.Dir, n.Says = e.Built[start:len(e.Built):len(e.Built)], from
		n.words = e.lexical(n.Dir)
	}
	s.await(e, n)
}

// parentBase is the base of a PARENT record's own name. The kernel prints the
// directory part of what the caller gave, which ends in a slash, or the working
// directory if there was none, whether or not that is where the name began.
func (s *Stream) parentBase(e *work, p *event.Item, dir int8) (base []byte, from event.From, ok bool) {
	switch {
	case len(p.Name) == 0:
		return nil, event.FromNone, false
	case p.Name[len(p.Name)-1] == '/' && !bytes.Equal(p.Name, e.Cwd):
		return e.base(p.Name, dir)
	case e.fromCWD(dir):
		return nil, event.FromCWD, bytes.Equal(p.Name, e.Cwd)
	}
	return nil, event.FromNone, false
}

// locateFile finds a file of which there is no PARENT record.
func (s *Stream) locateFile(e *work, n *place) {
	if n.item.IsDir() {
		s.awaitAt(e, n, n.item.Key)
		return
	}
	switch {
	case s.recallOpen(e, n):
		s.await(e, n)
		if n.From == event.FromNone {
			s.seek(e, n)
		}
	case s.adopt(e, n):
	default:
		n.unresolved()
	}
}

// await finds n's directory by its inode, now or later.
func (s *Stream) await(e *work, n *place) {
	if n.parent == nil || !n.parent.HasIno || n.parent.Key.Ino == 0 {
		s.giveUp(n)
		return
	}
	s.awaitAt(e, n, n.parent.Key)
}

// awaitAt finds the path of the directory that n is in or is, or lets n wait for it.
func (s *Stream) awaitAt(e *work, n *place, key event.Inode) {
	n.node, n.block = s.tree.Node(idOf(key)), nil
	if s.finish(n, false) {
		return
	}
	if s.lookup != nil {
		a := s.asking[key]
		s.gather(e, n, &a)
		if s.asking == nil || len(s.asking) >= maxAsking {
			s.asking = make(map[event.Inode]inquiry)
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
func (s *Stream) waitFor(n *place) {
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
func (s *Stream) leaveRing(n *place) {
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
func (s *Stream) finish(n *place, final bool) bool {
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
	start := len(e.Built)
	e.Built = s.appendTrace(e.Built, t)
	return s.agree(n, start, t.from)
}

// blocked notes why n waits.
func (s *Stream) blocked(n *place, t way) {
	if t.block != nil {
		n.block = t.block
	}
	n.until = t.until
	n.event.looked = max(n.event.looked, t.until)
}

// agree makes n's path from that of its directory, built[start:], and the caller's words.
func (s *Stream) agree(n *place, start int, from event.From) bool {
	e := n.event
	path := e.Built[start:]
	if n.words == nil {
		if !n.fits(path) {
			e.Built = e.Built[:start]
			return false
		}
		n.complete(e.Built, start, from)
		return true
	}
	switch {
	case bytes.Equal(cmpRoot(path), n.words):
		if from != event.FromClaimed {
			from = n.Says
		}
		if !bytes.Contains(n.Path, []byte("/..")) && !bytes.Contains(n.Dir, []byte("/..")) {
			e.Built, n.From = e.Built[:start], from
			return true
		}
	case from == event.FromClaimed, e.mayFollow(): // the last part may lead to another directory
		e.Built, n.From = e.Built[:start], event.FromClaimed
		return true
	}
	n.complete(e.Built, start, from) // the words led through a symlink, or are not true
	return true
}

// fits says whether a path, of a directory that the event is about itself, ends
// in the name that the caller gave. It does not where it leads through a link.
func (n *place) fits(path []byte) bool {
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
func (n *place) complete(built []byte, start int, from event.From) {
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
	e.Built = built
	path := built[start:len(built):len(built)]
	n.From = from
	if n.given == nil && n.parent != nil {
		n.Dir = path
	} else {
		n.Path = path
	}
}

// unresolved gives up: the name as given, and the directory's inode.
func (n *place) unresolved() {
	n.From, n.Path = event.FromUnresolved, n.given
	if n.parent != nil && n.parent.HasIno {
		n.ParentIno, n.ParentDev = n.parent.Key.Ino, n.parent.Dev
	}
}

// giveUp ends n's wait: its path is proven by now, or claimed, or unresolved.
func (s *Stream) giveUp(n *place) {
	if n.node != nil && s.finish(n, true) {
		return
	}
	if n.words != nil && (n.node == nil || !s.contradicts(n.event, n.node, n.words)) {
		n.From = event.FromClaimed
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
func (s *Stream) contradicts(e *work, n *dirtree.Node, path []byte) (found bool) {
	if s.lookup == nil || s.seesOtherwise(e) {
		return false
	}
	s.lookup.Walk(path, func(dir []byte, dev event.Dev, ino uint64, born int64) {
		found = len(dir) == len(path) && n.ID() != (dirtree.ID{Dev: uint64(dev), Ino: ino}) && born <= e.ID.UnixMilli()
	})
	return found
}

// seesOtherwise says whether the event's process is known to see another tree of names
// than the host.
func (s *Stream) seesOtherwise(e *work) bool {
	if e.view == 0 && !e.viewed && s.lookup != nil && e.PID != 0 {
		if view, ok := s.lookup.View(e.PID); ok {
			e.view = view
		}
		e.viewed = true
	}
	return e.view != 0
}
