package event

import (
	"bytes"
	"cmp"
	"strings"
)

// What a process is asked is answered a little later than its call was made, and a
// directory may have been renamed in between: then the answer is a path that the
// file had not yet. An answer that is kept may be one that the file has no more.
// Records tell of every rename, so an answer waits until all that came before it
// is read, and counts for an event if it is not below a path that was given or
// given up by a rename between the two.

// A motion is the rename of a directory.
type motion struct {
	seq      uint64
	done     uint64   // sequence of its last record
	at       int64    // Unix milliseconds
	old, new string   // paths where they are known, else names; both empty where one is not
	key      inodeKey // of the directory; zero if not known

	oldDir, newDir inodeKey // that hold the names; likewise

	// By number, the motions before this one that a path with the last part of old,
	// or of new, may lead through.
	beforeOld, beforeNew uint64
}

// maxMotions bounds how many renames are remembered; older ones count as any. A
// daemon that comes back under load has some seconds to catch up with.
const maxMotions = 1 << 13

// maxMotionBytes bounds their names; of what is beyond the names are not known.
const maxMotionBytes = 4 << 20

// slowest is how long a rename takes that is said to be at a time, in milliseconds.
const slowest = 1000

// motions are the latest renames of directories, found by the names they took away
// and gave.
type motions struct {
	ring  []motion
	count uint64            // of all that there ever were, hence the number of the last one
	by    map[string]uint64 // the last one by the last part of its names, "" for names not known
	lost  motion            // the last one that there was no room for
	bytes int               // of the names
}

// numbered is a motion that is remembered still, nil for none.
func (m *motions) numbered(n uint64) *motion {
	if n == 0 || n+maxMotions <= m.count {
		return nil
	}
	return &m.ring[(n-1)%maxMotions]
}

func (m *motions) add(v motion) {
	if m.by == nil {
		m.by = map[string]uint64{}
	}
	if len(m.ring) < maxMotions {
		m.ring = append(m.ring, motion{})
	} else {
		m.lose(m.count + 1 - maxMotions)
	}
	if m.bytes+len(v.old)+len(v.new) > maxMotionBytes {
		v.old, v.new = "", ""
	}
	m.bytes += len(v.old) + len(v.new)
	old, dest := lastPart(v.old), lastPart(v.new)
	v.beforeOld, v.beforeNew = m.by[old], m.by[dest]
	m.count++
	*m.numbered(m.count) = v
	m.by[old], m.by[dest] = m.count, m.count
}

// lose forgets the names of a motion.
func (m *motions) lose(n uint64) {
	v := m.numbered(n)
	m.lost = motion{seq: v.seq, done: v.done, at: v.at}
	m.bytes -= len(v.old) + len(v.new)
	for _, name := range []string{lastPart(v.old), lastPart(v.new)} {
		if m.by[name] == n {
			delete(m.by, name)
		}
	}
}

// after says whether there was a rename at a time, in Unix milliseconds, or later.
func (m *motions) after(at int64) bool {
	last := m.numbered(m.count)
	return last != nil && last.at >= at || m.lost.at >= at && m.lost.seq != 0
}

// each calls f with the motions that a path may lead through, or that nobody knows
// the names of: of each part of the path the last first, until f returns false.
func (m *motions) each(path []byte, f func(*motion) bool) {
	m.eachOf(nil, f)
	for rest := path; len(rest) > 0; {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte("/"))
		if len(part) > 0 {
			m.eachOf(part, f)
		}
	}
}

func (m *motions) eachOf(part []byte, f func(*motion) bool) {
	for v := m.numbered(m.by[string(part)]); v != nil && f(v); {
		if lastPart(v.old) == string(part) {
			v = m.numbered(v.beforeOld)
		} else {
			v = m.numbered(v.beforeNew)
		}
	}
}

// moves notes that an event renames a directory, or exchanges two.
func (s *Stream) moves(e *Event) {
	v := motion{seq: e.First, done: e.Last, at: e.ID.UnixMilli()}
	v.old, v.new = e.motive(&e.Path), e.motive(&e.Dest)
	if v.old == "" || v.new == "" {
		v.old, v.new = "", ""
	}
	v.key, v.oldDir, v.newDir = e.identity(e.Path.item), e.identity(e.Path.parent), e.identity(e.Dest.parent)
	if e.Path.parent == nil {
		s.sidesOf(e, &v)
	}
	if e.mayExchange() {
		v.key = inodeKey{}
	}
	s.motions.add(v)
	if e.Exchange {
		v.old, v.new, v.key = v.new, v.old, e.identity(e.exchanged)
		v.oldDir, v.newDir = v.newDir, v.oldDir
		s.motions.add(v)
	}
}

// identity is that of a directory of a rename, zero if it is not known. A layer's says
// nothing of the directory that the layer's users see.
func (e *Event) identity(it *item) inodeKey {
	if it == nil || !it.hasIno || e.Stacked {
		return inodeKey{}
	}
	return it.key
}

// motive is n's path, or if that is not known the last part of it.
func (e *Event) motive(n *Name) string {
	if n.known() {
		return string(n.Path)
	}
	if base, _, ok := e.base(n.given, n.dirArg); ok && len(n.given) > 0 {
		if path, plain := appendJoined(nil, base, n.given, base != nil); plain {
			return string(path)
		}
	}
	return string(lastPart(n.given))
}

// sidesOf looks which directory holds the old name, where records do not tell yet.
func (s *Stream) sidesOf(e *Event, v *motion) {
	two := e.parents()
	dir, _ := splitName(v.old)
	if s.lookup == nil || !isAbs([]byte(v.old)) || len(two) != 2 {
		return
	}
	for i, p := range two {
		if s.lookup.Is([]byte(cmp.Or(strings.TrimSuffix(dir, "/"), "/")), p.key.dev, p.key.ino) {
			v.oldDir, v.newDir = e.identity(p), e.identity(two[1-i])
		}
	}
}

// known says whether n's path is.
func (n *Name) known() bool { return n.From != FromUnresolved && isAbs(n.Path) }

// An answer is a path that somebody saw.
type answer struct {
	path   string // empty for none
	looked int64  // when, in Unix milliseconds
	again  int64  // and when last, if more than once
	read   uint64 // sequence of the last record read by then
	view   uint64 // in which it is true
	from   uint64 // sequence of the first event it counts for: a rename that nobody saw came before
	born   int64  // when what is there was made, in Unix milliseconds, 0 where that is not known
}

// suits says whether the answer is not too old or young for an event, and of the
// host's view or its process's. No answer suits all.
func (a answer) suits(e *Event) bool {
	now := e.ID.UnixMilli()
	return a.path == "" || e.First >= a.from && a.born <= now+clockStep && (a.view == 0 || a.view == e.view) &&
		a.looked-now <= soon && a.age(now) <= soon
}

// age is how long before a time it was last seen, in milliseconds.
func (a answer) age(now int64) int64 { return now - max(a.looked, a.again) }

// soon is how much earlier or later than an event a path may be seen that is told
// for it, in milliseconds: deliveries wait for a flood of ten seconds.
const soon = 20_000

// holds says whether a path that was seen is the one it was for an event.
func (m *motions) holds(l Lookup, a answer, e *Event) bool {
	eyes := eyes{l, maxLooks}
	if a.path != "" && (a.born == 0 || a.born >= e.ID.UnixMilli()) && m.between(e, a.looked) {
		return false // what is there may have got the inode of one that went with a directory that moved
	}
	if m.lost.seq > e.First || m.lost.seq != 0 && m.lost.spoils(&eyes, a, e) {
		return false
	}
	spoilt := false
	m.each([]byte(a.path), func(v *motion) bool {
		spoilt = spoilt || v.spoils(&eyes, a, e)
		return !spoilt && (v.seq > e.First || v.at >= a.looked-2*slowest)
	})
	return !spoilt
}

// between says whether there was a rename after an event and before a time.
func (m *motions) between(e *Event, until int64) bool {
	for n := m.count; ; n-- {
		v := m.numbered(n)
		if v == nil || v.seq <= e.First {
			return m.lost.seq > e.First
		}
		if v.at <= until {
			return true
		}
	}
}

// unsettled says whether a rename after an event, which the tree knows nothing of (by a
// link, in another view, from or to where is not known), may be why a place has the path it has.
func (m *motions) unsettled(e *Event, p *place, path []byte) bool {
	if last := m.numbered(m.count); last == nil || last.seq <= e.First {
		return false
	}
	found := m.lost.seq > e.First
	m.each(path, func(v *motion) bool {
		found = found || v.seq > e.First && v.moved(p, e.First, v.new, v.newDir)
		return !found && v.seq > e.First
	})
	return found
}

// outdated says whether a rename at a time or later, which the tree knows nothing of,
// may have made untrue the path that a place had for an event.
func (m *motions) outdated(e *Event, p *place, path []byte, at int64) bool {
	found := m.lost.seq != 0 && m.lost.at >= at
	m.each(path, func(v *motion) bool {
		found = found || v.at >= at && (v.moved(p, e.First, v.old, v.oldDir) || v.moved(p, e.First, v.new, v.newDir))
		return !found && v.at >= at
	})
	return found
}

// moved says whether v may have given or taken away a name, in the directory dir, on
// the path that p had for an event with sequence seq, and the tree knows nothing of it.
func (v *motion) moved(p *place, seq uint64, name string, dir inodeKey) bool {
	last := lastPart(name)
	if last == "" {
		return true
	}
	for depth := 0; p != nil && depth < maxDepth; depth++ {
		parent, has := p.as(seq)
		if has == last && !v.other(p, v.key) && !v.other(parent, dir) && !p.movedAt(v.seq) {
			return true
		}
		p = parent
	}
	return false
}

// other says whether p is certainly not the directory key of the motion: it was told to
// be another one since.
func (v *motion) other(p *place, key inodeKey) bool {
	return p != nil && p.hasKey && p.told > v.at && key != (inodeKey{}) && p.key != key
}

// hasPart says whether the last part of name is one of path's.
func hasPart(path []byte, name string) bool {
	last := lastPart(name)
	for rest := path; len(rest) > 0; {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte("/"))
		if string(part) == last {
			return true
		}
	}
	return false
}

// movedAt says whether the tree has p moved by an event.
func (p *place) movedAt(seq uint64) bool {
	for w := p.was; w != nil; w = w.before {
		if w.until == seq {
			return true
		}
	}
	return false
}

// spoils says whether a rename between an event and an answer may be why that is
// what it is. One of which all records had come before the look was over then.
func (m *motion) spoils(l *eyes, a answer, e *Event) bool {
	if m.seq > e.First {
		return m.at <= a.looked && l.through(a.path, m.new, m.newDir)
	}
	return m.seq < e.First && m.done > a.read && m.at >= a.looked-slowest && l.through(a.path, m.old, m.oldDir)
}

// maxLooks bounds for how many renames it is looked whether they are of the same path.
const maxLooks = 8

// Eyes look which of two paths leads to a directory, but not often.
type eyes struct {
	look Lookup
	left int
}

func (l *eyes) is(path string, key inodeKey) bool {
	l.left--
	return l.look.Is([]byte(cmp.Or(path, "/")), key.dev, key.ino)
}

// through says whether a path may be at or below another one, which has a name in the
// directory dir, or have that name among its parts. Links, mounts and other views show
// that directory under several paths. Anything may lead through what is not known.
func (l *eyes) through(path, what string, dir inodeKey) bool {
	if what == "" || what[0] != '/' {
		return what == "" || hasPart([]byte(path), what)
	}
	if atOrBelow(path, what) {
		return true
	}
	above, last := splitName(what)
	last = "/" + last
	unsure := dir == (inodeKey{}) || l.look == nil || l.left <= 0
	found := false
	for i := range path {
		if !atOrBelow(path[i:], last) {
			continue
		}
		if unsure || l.is(path[:i], dir) {
			return true
		}
		found = true
	}
	return found && !l.is(strings.TrimSuffix(above, "/"), dir) // that it is another one is certain only if it is there
}

func atOrBelow(path, dir string) bool {
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/')
}
