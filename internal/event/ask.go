package event

import "bytes"

// A Lookup answers what only the running system knows. Both methods must
// answer at once or not at all: neither may wait for a file server.
type Lookup interface {
	// FD returns what a process's descriptor is open on, and that file's identity.
	// Numbers of processes and inodes are given again: ok is false if the process
	// or the file is known to be younger than at, in Unix milliseconds.
	FD(pid uint32, fd int32, at int64) (path string, dev Dev, ino uint64, ok bool)

	// Is says whether path leads to the directory with that identity now. False
	// stands also for not knowing. path is valid during the call only.
	Is(path []byte, dev Dev, ino uint64) bool

	// Only says whether path is the one name of the file with that identity, and
	// the file is not younger than at. False stands also for not knowing.
	Only(path []byte, dev Dev, ino uint64, at int64) bool

	// Still says whether Only is true, neither the file nor its names were changed
	// since at, and no directory below the first dir bytes of path is a link. False
	// stands also for not knowing.
	Still(path []byte, dir int, dev Dev, ino uint64, at int64) bool

	// Lies says whether a directory at path may be on a device, as file systems are
	// mounted or were a moment ago. True stands also for not knowing.
	Lies(path []byte, dev Dev) bool

	// View tells how a process sees the tree of names: 0 for as the host does, else a
	// number below 1<<63 which those have in common who see it alike. ok is false if
	// the process is gone.
	View(pid uint32) (view uint64, ok bool)

	// Seek has directories on a device looked for below root, in the background and
	// not for long. Found is where one was seen, empty for nowhere yet.
	Seek(root []byte, dev Dev)
	Found(dev Dev, ino uint64) string

	// Born is when the directory with that identity was made, in Unix milliseconds, if
	// it is at path. 0 stands for not knowing.
	Born(path []byte, dev Dev, ino uint64) int64

	// Around calls f with directories that a process has open, works in or was called
	// with, and with those above them: where each is now, its identity and when it was
	// made, in Unix milliseconds. It leaves out those of which it cannot tell all that.
	Around(pid uint32, f func(path string, dev Dev, ino uint64, born int64))

	// Now is the wall clock's time, in Unix milliseconds.
	Now() int64
}

// anyAge is the time at which nothing is too young.
const anyAge = 1<<63 - 1

// How long what records told of a directory's path is believed, in
// milliseconds. What changes in our sight is followed at once; these bound the
// harm of what changes out of it: other clients of a file server, processes
// that the kernel does not audit, another view of the tree (chroot, container).
const (
	atOnce    = 200     // what was seen, without looking again
	briefly   = 5_000   // anybody's word, if there is nobody to ask
	ownWord   = 60_000  // the caller's own word if there is nobody to ask
	confirmed = 600_000 // anybody's word, if it turns out to be true still
)

// known is where a directory is, nil if that is not certain.
func (s *Stream) known(e *Event, key inodeKey) *place {
	now := e.ID.UnixMilli()
	s.found = s.tree.candidates(s.found[:0], key, now, confirmed)
	if len(s.found) == 0 {
		return nil
	}
	p := s.found[0]
	age, _ := s.tree.age(p, now)
	if now-age <= s.doubt {
		age = max(age, ownWord+1) // said before something moved that nobody knows
	}
	own := p.by == e.PID && age <= ownWord
	switch {
	case s.lookup != nil && (age > briefly || max(now-p.seen, p.seen-now) > clockStep):
		p = s.confirm(e, s.found, key) // even the caller's own word: a link or a mount on the way may have changed
	case s.lookup == nil && !own && (age > briefly || !s.agree(s.found, now)), s.outdated(e, p, now-age):
		p = nil
	}
	if p != nil {
		s.tree.touch(p)
	}
	return p
}

// outdated says whether a rename may have made untrue what was said of a place at a
// time. A look tells only that it is true again.
func (s *Stream) outdated(e *Event, p *place, said int64) bool {
	if !s.motions.after(said) {
		return false
	}
	path, _, _ := s.tree.render(s.scratch[:0], p, e.First)
	s.scratch = path
	return s.motions.outdated(e, p, path, said)
}

// confirm looks which of several places the directory is at now, of those at which
// records have it for the event, too.
func (s *Stream) confirm(e *Event, among []*place, key inodeKey) *place {
	for _, p := range among {
		if said, _, _, _ := s.tree.said(p); s.outdated(e, p, said) {
			continue
		}
		path, root, ok := s.tree.render(s.scratch[:0], p, e.First)
		s.scratch = path
		if ok && root == s.tree.root && s.lookup.Is(path, key.dev, key.ino) {
			s.tree.confirm(p, e.PID, e.ID.UnixMilli())
			p.seen = e.ID.UnixMilli()
			return p
		}
	}
	return nil
}

// agree says whether all that was said of late comes to the same path.
func (s *Stream) agree(said []*place, now int64) bool {
	for _, p := range said[1:] {
		if age, _ := s.tree.age(p, now); age <= ownWord && !s.tree.same(p, said[0]) {
			return false
		}
	}
	return true
}

// ask looks at the caller while it may still live: at its descriptor, then at
// the names on its command line. What it tells counts only if it leads to the
// very directory of the PARENT record, and if no record names that in time.
func (s *Stream) ask(e *Event, n *Name) {
	p, now := n.place, e.ID.UnixMilli()
	if s.lookup == nil || e.PID == 0 {
		return
	}
	if !p.answer.suits(e) || !s.motions.holds(s.lookup, p.answer, e) {
		p.answer, p.asked = answer{}, 0
	}
	from := p.answer.from
	if age := p.answer.age(now); p.answer.path != "" && age < briefly {
		behind := s.lookup.Now()-now > atOnce // it may be gone by now, which says nothing of the event
		if age <= atOnce || behind || s.lookup.Is([]byte(p.answer.path), p.key.dev, p.key.ino) {
			return
		}
		p.answer, p.asked, from = answer{}, 0, e.First // something above was renamed unseen
	}
	fd, _ := e.standing(n)
	if p.asked == e.PID && p.askedFD == fd && now-p.askedAt < briefly {
		return
	}
	p.asked, p.askedFD, p.askedAt = e.PID, fd, now
	if path := s.answers(e, n); path != "" {
		s.tree.answered(p, s.sawDir(e, path, p.key))
		p.answer.from = from
	}
	if met, _ := s.meet(e.PID); met-now <= s.wait {
		e.looked = max(e.looked, met)
	}
	if p.answer.path == "" {
		s.seekDir(e, p)
	}
}

// saw is what was seen just now on behalf of an event, which must not go before
// all is read that came before.
func (s *Stream) saw(e *Event, path string) answer {
	e.looked = max(e.looked, s.lookup.Now())
	if e.view&stranger != 0 {
		return answer{path: path, looked: e.looked, read: s.high, born: long} // it told nothing any more: we saw it
	}
	return answer{path: path, looked: e.looked, read: s.high, view: e.view, born: long}
}

// sawDir is saw for a directory, which may be another one that has got the inode.
func (s *Stream) sawDir(e *Event, path string, key inodeKey) answer {
	a := s.saw(e, path)
	a.born = s.lookup.Born([]byte(path), key.dev, key.ino)
	return a
}

// long is the birth of what is known to have been there long before, in Unix milliseconds.
const long = 1

// standing is the descriptor which stands for n's place: that of the directory which
// the name starts from, or of the directory that the call is about itself.
func (e *Event) standing(n *Name) (fd uint32, ok bool) {
	switch file, open := e.openFile(n); {
	case n.parent != nil:
		return e.descriptor(n)
	case open:
		return uint32(file), true
	case e.call.verb == verbOpen && e.Success == Yes:
		return uint32(e.exit), true
	}
	return 0, false
}

// answers is the path of n's directory that the event's process tells, empty for
// none.
func (s *Stream) answers(e *Event, n *Name) (told string) {
	p := n.place
	if fd, ok := e.standing(n); ok {
		path, key, ok := s.openDir(e, fd)
		if ok && p.key == key && isAbs([]byte(path)) {
			return path
		}
	}
	if dir, _ := splitName(n.given); n.parent != nil && len(dir) > 0 {
		if path := s.leadsTo(e, n, dir, p.key); path != "" {
			return path
		}
	}
	if n.dirArg >= 0 && n.parent == nil && len(n.given) > 0 {
		s.eachVisit(e, n.given, func(path []byte, _ int) bool {
			if s.lookup.Is(path, p.key.dev, p.key.ino) {
				told = string(path)
			}
			return told != ""
		})
	}
	if told == "" {
		told = s.again(e, p)
	}
	if told == "" {
		told = s.guess(e, p)
	}
	return told
}

// again is where records had a directory before renames made that doubtful, if it is
// there: the look tells more than they did once all is read that came before it.
func (s *Stream) again(e *Event, p *place) string {
	for _, q := range s.tree.inodes[p.key] {
		path, root, ok := s.tree.render(s.scratch[:0], q, e.First)
		s.scratch = path
		if ok && root == s.tree.root && s.lookup.Is(path, p.key.dev, p.key.ino) {
			return string(path)
		}
	}
	return ""
}

// clockStep is how much later than an event a directory may seem to be made that
// was there before, in milliseconds: the clock of events goes on in steps of up to
// ten (a tick), that of files may be finer.
const clockStep = 10

// An opened is what a process's descriptor turned out to be open on.
type opened struct {
	pid, fd uint32
	event   uint64 // for which it was asked, by its first sequence
	path    string
	key     inodeKey
	ok      bool
}

// openDir is the directory that the event's process has a descriptor open on. An
// event that wants to know it again gets the same answer.
func (s *Stream) openDir(e *Event, fd uint32) (path string, key inodeKey, ok bool) {
	o := &s.opened
	if o.event != e.First || o.pid != e.PID || o.fd != fd {
		*o = opened{pid: e.PID, fd: fd, event: e.First}
		o.path, o.key.dev, o.key.ino, o.ok = s.lookup.FD(e.PID, int32(fd), e.ID.UnixMilli()+clockStep)
	}
	return o.path, o.key, o.ok
}

// maxGuesses bounds how many words of a command line are tried.
const maxGuesses = 8

// guess tries the words of the command line, as in mv report.csv archive/: a
// directory which one of them leads to, and which is the record's, has that name.
func (s *Stream) guess(e *Event, p *place) (told string) {
	s.eachWord(e, func(path []byte) bool {
		if s.lookup.Is(path, p.key.dev, p.key.ino) {
			told = string(path)
		}
		return told != ""
	})
	return told
}

// eachWord calls f with the paths that the words of the command line may be, until
// it returns true.
func (s *Stream) eachWord(e *Event, f func(path []byte) bool) {
	if !isAbs(e.Cwd) {
		return
	}
	_, rest, _ := bytes.Cut(e.Title, []byte{0})
	for range maxGuesses {
		if len(rest) == 0 {
			return
		}
		var word []byte
		word, rest, _ = bytes.Cut(rest, []byte{0})
		if len(word) > 0 && word[0] == '-' { // --backup-dir=DIR
			_, word, _ = bytes.Cut(word, []byte("="))
		}
		if len(word) == 0 {
			continue
		}
		base := e.Cwd
		if isAbs(word) {
			base = nil
		}
		path, plain := appendJoined(s.scratch[:0], base, word, base != nil)
		s.scratch = path
		if plain && f(path) {
			return
		}
	}
}

// seekDir has the directory of a name looked for below the words of the command
// line: find /mnt/efs -name '*.tmp' -delete.
func (s *Stream) seekDir(e *Event, p *place) {
	s.eachWord(e, func(path []byte) bool {
		s.lookup.Seek(path, p.key.dev)
		return false
	})
}

// findHeld asks for the directories of those who wait what was found of them.
func (s *Stream) findHeld() {
	if s.lookup == nil {
		return
	}
	n := 0
	for e := s.held.head; e != nil && n < maxFinds; e = e.queue.next {
		e.eachWaiting(func(name *Name) {
			p := name.place
			if p == nil || name.wait.next == nil || !p.hasKey {
				return
			}
			if p.answer.path != "" {
				e.looked = max(e.looked, p.answer.looked)
				return
			}
			n++
			path := s.lookup.Found(p.key.dev, p.key.ino)
			if path != "" && s.lookup.Is([]byte(path), p.key.dev, p.key.ino) {
				s.tree.answered(p, s.sawDir(e, path, p.key))
				p.answer.view = 0
			}
		})
	}
}

// maxFinds bounds how many names are looked up at a time.
const maxFinds = 512

// askFile looks at the process for a file of which no record has the directory: at
// a descriptor of the file itself, or of the directory that its name starts from.
// It returns the file's path, empty for none.
func (s *Stream) askFile(e *Event, n *Name) string {
	if path, ok := s.ofFile(e, n); ok {
		return path
	}
	return s.fromDir(e, n)
}

// sooner is a moment before the event: programs make and delete files, whose
// inodes the next ones get, faster than the kernel's clock of events goes on.
func sooner(e *Event) int64 { return e.ID.UnixMilli() - 1 }

// ofFile is the path of the descriptor that the call was given, or returned.
func (s *Stream) ofFile(e *Event, n *Name) (path string, ok bool) {
	fd, _ := e.openFile(n)
	switch {
	case fd >= 0:
	case e.call.verb == verbOpen:
		fd = int32(e.exit)
	case n.dirArg >= 0 && n.given != nil && len(n.given) == 0: // AT_EMPTY_PATH
		fd = int32(uint32(e.args[n.dirArg]))
	}
	if fd < 0 {
		return "", false
	}
	at := sooner(e)
	if n.parent != nil {
		at = anyAge // made by this call, hence younger
	}
	path, dev, ino, ok := s.lookup.FD(e.PID, fd, at)
	if !ok || n.item.key != (inodeKey{dev, ino}) || !isAbs([]byte(path)) {
		return "", false
	}
	// A file system may give the inode of a deleted file to the next one, and the
	// process may have that one open by now.
	dir, base := splitName([]byte(path))
	if last, via := lastPart(n.given), e.isVia(n); len(last) > 0 && !via && !bytes.Equal(last, base) {
		return "", false
	}
	return path, n.parent == nil || s.lookup.Is(dir, n.parent.key.dev, n.parent.key.ino)
}

// fromDir is the path of a name that starts from a descriptor. By now that
// may stand for another directory; if the file has one name only, and it is this
// one, it is the one it had.
func (s *Stream) fromDir(e *Event, n *Name) string {
	if len(n.given) == 0 || n.parent != nil {
		return ""
	}
	path, ok := s.belowFD(e, n, n.given)
	if !ok || !s.lookup.Only(path, n.item.key.dev, n.item.key.ino, sooner(e)) {
		return ""
	}
	return string(path)
}
