package paths

import (
	"bytes"

	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// What a process says of where a directory is (an absolute name, or a name from its
// working directory) is a claim. It anchors what the same process does, where nobody
// can look or nobody has found the directory, and never what others do.

// A claimant is a process and a directory that it has named.
type claimant struct {
	pid uint32
	dir dirtree.ID
}

// A claim is the path by which a process named a directory.
type claim struct {
	path string // absolute, without . and ..
	dirtree.Moment
}

// A naming is a process and a path that it gave a directory.
type naming struct {
	pid  uint32
	path string
}

// Bounds of what is remembered; all is forgotten when there is more.
const (
	maxClaims     = 1 << 13
	maxClaimBytes = 4 << 20 // of paths
)

// claim notes that the event's process says that a directory is at a path.
func (s *Stream) claim(e *work, it *event.Item, path []byte) {
	if it == nil || !it.HasIno || it.Key.Ino == 0 || e.PID == 0 {
		return
	}
	by := claimant{e.PID, idOf(it.Key)}
	if c, ok := s.claims[by]; ok && c.path == string(path) {
		c.Moment = e.moment()
		s.claims[by] = c
		return
	}
	if s.claims == nil || len(s.claims) >= maxClaims || len(s.named) >= maxClaims || s.claimBytes > maxClaimBytes {
		s.claims, s.named, s.claimBytes = make(map[claimant]claim), make(map[naming]dirtree.ID), 0
	}
	s.claimBytes += len(path)
	c := claim{string(path), e.moment()}
	s.claims[by] = c
	if before, ok := s.named[naming{e.PID, c.path}]; ok && before != by.dir {
		s.renamed.note(lastPart(path), c.Moment) // it moved out of sight
	}
	s.named[naming{e.PID, c.path}] = by.dir
	s.settle(by.dir)
}

// ruleOwnWords.
//
// Claim: a directory is where the event's own process said, if nothing is known that
// contradicts, and then the path says that it is claimed.
// Why it is sound: a caller's words name the caller's own events only.
// What would break it: a rename between the claim and the event, so none may have had
// a name that is part of the path, nor moved the directory.
// Test: TestOwnWords, TestNoPathInvented.
func (s *Stream) ruleOwnWords(e *work, n *dirtree.Node, t *way) bool {
	c, ok := s.claims[claimant{e.PID, n.ID()}]
	if !ok || t.answer == never || s.barred(e) || n.Lost(e.moment()) || c.Seq < s.barrier || max(e.ID.UnixMilli()-c.At, c.At-e.ID.UnixMilli()) > ownWord {
		return false
	}
	from, to := e.moment(), c.Moment
	if from.Seq > to.Seq {
		from, to = to, from
	}
	if n.Lost(from) || from.Seq != to.Seq && (n.At(to).Since.Seq >= from.Seq && n.At(to).Since.Seq != 0 || s.renamed.between(c.path, from, to)) {
		return false
	}
	if s.lookup != nil && s.contradicts(e, n, []byte(c.path)) {
		return false
	}
	t.answer, t.from, t.base, t.block = proven, event.FromClaimed, c.path, nil
	return true
}

// renames are the last events by which a name became or ceased to be a directory's or
// a symlink's.
type renames struct {
	last  map[string]dirtree.Moment
	bytes int            // of the names in last
	any   dirtree.Moment // of which the names are not known
}

// Bounds of the names that are remembered.
const (
	maxRenames     = 1 << 13
	maxRenameBytes = 2 << 20
)

func (r *renames) note(name []byte, m dirtree.Moment) {
	if len(name) == 0 || len(r.last) >= maxRenames || r.bytes > maxRenameBytes {
		r.any, r.bytes = m, 0
		clear(r.last)
		if len(name) == 0 {
			return
		}
	}
	if r.last == nil {
		r.last = make(map[string]dirtree.Moment)
	}
	if _, ok := r.last[string(name)]; !ok {
		r.bytes += len(name)
	}
	r.last[string(name)] = m
}

// between says whether a rename between two events may have changed where a path leads.
func (r *renames) between(path string, from, to dirtree.Moment) bool {
	if r.any.Seq >= from.Seq && r.any.Seq != 0 {
		return true
	}
	for rest := []byte(path); len(rest) > 0 && len(r.last) > 0; {
		var part []byte
		part, rest, _ = bytes.Cut(rest, []byte("/"))
		if m, ok := r.last[string(part)]; ok && len(part) > 0 && m.Seq >= from.Seq {
			return true // the last one; an earlier one may have been between
		}
	}
	return false
}
