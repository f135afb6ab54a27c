package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/event"
)

// resolve finds out what the event did and to which files. It returns false if
// a name has to wait for later records.
func (s *resolver) resolve(e *work) bool {
	s.layers.unstack(e)
	e.choose()
	e.adrift = e.movesCwd()
	if e.Call.Verb == event.VerbRename && !s.pairs.pair(e) {
		s.applyDivided(e)
		s.pairs.divide(e)
		return false
	}
	e.adrift = e.adrift || s.elsewhere(e)
	s.unslash(e)
	s.place(e)
	return e.unsolved == 0
}

// place finds the event's paths, and notes what it says about directories.
func (s *resolver) place(e *work) {
	s.recall(e, &e.path)
	s.locate(e, &e.path)
	if e.dest.event != nil {
		s.locate(e, &e.dest)
	}
	s.apply(e)
	s.given(e)
	s.orphans.reunite(e)
	s.pairs.rejoin(e)
	s.visit(e)
}

// This file leads a name to its directory. Which way it goes depends on what the records
// have of it:
//
//	given  PARENT  file
//	yes    yes     any   by words from / or the working directory: locateWords; the PARENT's
//	                     inode must be what the words say. From a descriptor: await
//	yes    no      dir   the directory itself has an inode: awaitAt
//	yes    no      file  no record has the directory: locateFile, then an orphan
//	no     yes     any   only the directory can be known: locateDir
//	no     no      no    nothing can be known

// locate makes n's path, or lets n wait for its directory.
func (s *resolver) locate(e *work, n *place) {
	switch {
	// The event has no such name.
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
	// The words of the caller are whole. Its PARENT must confirm them.
	if base, from, ok := e.base(n.given, n.dirArg); ok {
		s.locateWords(e, n, base, from)
		return
	}
	// From a descriptor on, and the kernel printed no directory.
	if n.parent == nil {
		s.locateFile(e, n)
		return
	}
	// From a descriptor on. An open may have followed a link to another directory than that
	// of the name; then the PARENT is that one's, and only a look at the file tells.
	n.starts = n.starts || s.startsIn(e, n)
	if e.mayFollow() && !n.starts {
		if !s.orphans.adopt(e, n) {
			n.unresolved()
		}
		return
	}
	s.await(e, n)
}

// locateWords finds a file that the caller named absolutely or from its working
// directory: the PARENT's inode, or the file's own, must confirm the words.
//
// Of the words, those that resolve no .. after a link may have are believed at most; a path
// in which .. is left is compared without it, and shown as the proven path.
func (s *resolver) locateWords(e *work, n *place, base []byte, from event.From) {
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
	case s.host != nil && plain && n.item != nil && n.item.HasIno && n.item.Key.Ino != 0 && s.host.Stat(n.Path).is(n.item.Key):
		n.From = from
	default:
		n.From = event.FromClaimed
	}
}

// startsIn says whether the directory of the PARENT record is certainly the one
// that the name leads to, but for its last part, from where it starts. Where that is
// not so, the last part is a symlink to elsewhere.
func (s *looks) startsIn(e *work, n *place) bool {
	if !e.mayFollow() || !n.parent.HasIno {
		return false // and nobody needs to know
	}
	dir, _ := splitName(n.given)
	if len(dir) == 0 {
		return s.startsFrom(e, n, n.parent)
	}
	path, ok := s.belowFD(e, n, dir)
	return ok && s.host.Stat(path).is(n.parent.Key)
}

// locateNameless finds the directory that such a file was made in. No record has that
// directory's inode, so nothing confirms the caller's words.
func (s *resolver) locateNameless(e *work, n *place) {
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
func (s *resolver) locateDir(e *work, n *place) {
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
func (s *resolver) parentBase(e *work, p *event.Item, dir int8) (base []byte, from event.From, ok bool) {
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
func (s *resolver) locateFile(e *work, n *place) {
	if n.item.IsDir() {
		s.awaitAt(e, n, n.item.Key)
		return
	}
	switch {
	case s.recallOpen(e, n):
		s.await(e, n)
		if n.From == event.FromNone {
			s.orphans.seek(e, n)
		}
	case s.orphans.adopt(e, n):
	default:
		n.unresolved()
	}
}
