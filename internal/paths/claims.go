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

// A claims is what processes said of where directories are. Each claim is in both maps,
// unless a later one of the same process has its path.
type claims struct {
	of    map[claimant]claim    // at most maxClaims
	named map[naming]dirtree.ID // the directories by the paths that processes gave them; likewise
	bytes int                   // of the paths in of, or a little more; at most maxClaimBytes and a path
}

// Bounds of what is remembered; all is forgotten when there is more.
const (
	maxClaims     = 1 << 13
	maxClaimBytes = 4 << 20 // of paths
)

// claim notes that the event's process says that a directory is at a path.
func (s *resolver) claim(e *work, it *event.Item, path []byte) {
	if it == nil || !it.HasIno || it.Key.Ino == 0 || e.PID == 0 {
		return
	}
	by := claimant{e.PID, idOf(it.Key)}
	if c, ok := s.claims.of[by]; ok && c.path == string(path) {
		c.Moment = e.moment()
		s.claims.of[by] = c
		return
	}
	if s.claims.of == nil || len(s.claims.of) >= maxClaims || len(s.claims.named) >= maxClaims || s.claims.bytes > maxClaimBytes {
		s.claims = claims{of: make(map[claimant]claim), named: make(map[naming]dirtree.ID)}
	}
	s.claims.bytes += len(path)
	c := claim{string(path), e.moment()}
	s.claims.of[by] = c
	if before, ok := s.claims.named[naming{e.PID, c.path}]; ok && before != by.dir {
		s.renamed.note(lastPart(path), c.Moment) // it moved out of sight
	}
	s.claims.named[naming{e.PID, c.path}] = by.dir
	s.settle(by.dir)
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
