package paths

import (
	"github.com/auditshipper/auditshipper/internal/dirtree"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A knowledge is what is known of where directories are and were, and of what is
// missing. The rules of proof are its methods (policy.go, claims.go).
type knowledge struct {
	in   *event.Assembler // tells the time, and what is still to be read
	wait int64            // how long an event waits, in milliseconds; negative: not at all
	host Host             // nil if nobody can look

	tree    *dirtree.Tree // facts and sights
	claims  claims
	renamed renames

	barrier  uint64 // records are missing before the event that begins here: nothing known is of before
	doubt    int64  // when mounts changed last, Unix milliseconds; never falls
	dropped  loss   // the last one
	complete int64  // it is known of all up to this time what is missing, Unix milliseconds; 0 for never

	parts []string        // scratch of climb: the names on the way, the last one first
	steps []*dirtree.Node // likewise: the directories, one more than parts at most

	explain *explainer // nil unless somebody wants to know why; see explain.go
}

// maxDepth is more than the parts of any name that a call takes.
const maxDepth = 4096

// climb decides where a directory was at an event: edge by edge up to the root, or to a
// directory that the event's own process has named. It leaves the names in s.parts,
// the last one first.
//
//  1. Each directory on the way must have its place proven by the same event's moment.
//  2. At the first that has not, the own words of the caller for one of the directories
//     passed may stand for the rest of the way: for the highest of them first.
//  3. Without such words, the answer is that of the directory which blocks the way.
//  4. What rests on facts of after the event waits until it is known that no records are
//     missing in between.
func (s *knowledge) climb(e *work, n *dirtree.Node, final bool) way {
	t, latest := way{answer: proven, from: event.FromTrail}, int64(0)
	s.parts, s.steps = s.parts[:0], s.steps[:0]
	s.explain.begin(e)
	for range maxDepth {
		n = s.tree.Live(n)
		if n == nil {
			return way{answer: never, why: whyForgotten}
		}
		s.steps = append(s.steps, n)
		p := s.edge(e, n)
		s.explain.step(n, &p)
		if p.answer != proven {
			t.answer, t.why, t.block, t.until = p.answer, p.why, n, p.until
			s.anchor(e, &t, final)
			return t
		}
		if len(s.steps) == 1 {
			t.from = p.from
		}
		if p.rule == byNextFact && p.fact.Seq != e.First {
			latest = max(latest, p.fact.At)
		}
		if p.Parent == nil {
			if !s.accounted(latest) {
				t.answer, t.why, t.block, t.until = notYet, whyMissing, s.steps[0], latest
				s.anchor(e, &t, final)
			}
			return t
		}
		s.parts = append(s.parts, p.Name)
		n = p.Parent
	}
	return way{answer: never, why: whyTooDeep}
}

// anchor ends a way at a directory that the event's own process has named, if there is one
// and nobody can look, or nobody has found more while the event waited.
func (s *knowledge) anchor(e *work, t *way, final bool) {
	if s.host != nil && !final {
		return
	}
	for i := len(s.steps) - 1; i >= 0; i-- {
		if s.ruleOwnWords(e, s.steps[i], t) {
			s.parts = s.parts[:i]
			s.explain.claimed(i, t)
			return
		}
	}
}

// appendTrace appends the path that climb has found.
func (s *knowledge) appendTrace(dst []byte, t way) []byte {
	start := len(dst)
	dst = append(dst, t.base...)
	if len(dst) == start+1 {
		dst = dst[:start] // the root
	}
	for i := len(s.parts) - 1; i >= 0; i-- {
		dst = append(append(dst, '/'), s.parts[i]...)
	}
	return dst
}

// appendLatest appends the path that a directory had by the latest of what is known.
func (s *knowledge) appendLatest(dst []byte, n *dirtree.Node) (path []byte, ok bool) {
	s.parts = s.parts[:0]
	for range maxDepth {
		if n = s.tree.Live(n); n == nil {
			return dst, false
		}
		at := n.Latest()
		if !at.Known() {
			return dst, false
		}
		if at.Parent == nil {
			return cmpRoot(s.appendTrace(dst, way{})), true
		}
		s.parts = append(s.parts, at.Name)
		n = at.Parent
	}
	return dst, false
}

// cmpRoot is a path, "/" if it is empty.
func cmpRoot(path []byte) []byte {
	if len(path) == 0 {
		return append(path, '/')
	}
	return path
}

// edgeOf is the place that a name is; unknown without its directory or its last part.
func (s *knowledge) edgeOf(n *place) dirtree.Edge {
	last := lastPart(n.given)
	if n.parent == nil || !n.parent.HasIno || n.parent.Key.Ino == 0 || len(last) == 0 || string(last) == "." || string(last) == ".." {
		return dirtree.Edge{}
	}
	return dirtree.Edge{Parent: s.tree.Node(idOf(n.parent.Key)), Name: string(last)}
}

// contradicts says whether a process's words for a directory cannot be true: another
// directory is at that path, which was there already.
//
// A claim may not stand where a look says otherwise: such a name is unresolved, not claimed.
// The directory that is there must have been there at the event, so one that was made since
// contradicts nothing.
func (s *knowledge) contradicts(e *work, n *dirtree.Node, path []byte) (found bool) {
	if s.host == nil || s.seesOtherwise(e) {
		return false
	}
	s.host.Walk(path, func(dir []byte, f File) {
		found = len(dir) == len(path) && n.ID() != idOf(f.Inode) && f.before(e.ID.UnixMilli())
	})
	return found
}

// seesOtherwise says whether the event's process is known to see another tree of names
// than the host.
//
// What its words mean on the host, nobody can tell then: a container's /etc is not the host's.
// The answer is asked for once an event, while the process lives.
func (s *knowledge) seesOtherwise(e *work) bool {
	if e.view == 0 && !e.viewed && s.host != nil && e.PID != 0 {
		if view, ok := s.host.Process(e.PID, nil); ok {
			e.view = view
		}
		e.viewed = true
	}
	return e.view != 0
}

// answered is where the event's directory was seen.
func (s *knowledge) answered(key event.Inode) string {
	if n := s.tree.Find(idOf(key)); n != nil {
		if path, ok := s.appendLatest(nil, n); ok {
			return string(path)
		}
	}
	return ""
}
