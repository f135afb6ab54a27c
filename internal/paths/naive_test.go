package paths

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A naive resolver is the oracle of the real one: it has all of a trail before it, keeps
// every fact and every word for ever, and looks each up in the whole trail. It knows no
// time, no memory and no order of arrival. So it finds more paths than the real one, and
// each path that the real one gives must be among them.
type naive struct {
	facts  []naiveFact
	claims []naiveClaim
}

type naiveFact struct {
	seq     uint64
	dir     event.Inode
	was, is naiveEdge
}

// A naiveEdge is a name in a directory; the zero one is an unknown place.
type naiveEdge struct {
	in   event.Inode
	name string
}

type naiveClaim struct {
	pid  uint32
	dir  event.Inode
	path string
}

// learn takes from an event what it says of directories.
func (o *naive) learn(e *work) {
	for _, n := range []*place{&e.path, &e.dest} {
		if n.words != nil && n.parent != nil {
			o.claims = append(o.claims, naiveClaim{e.PID, n.parent.Key, string(n.words)})
		} else if n.words != nil && n.item != nil {
			o.claims = append(o.claims, naiveClaim{e.PID, n.item.Key, string(n.words)})
		}
	}
	if e.Success == event.No {
		return
	}
	add := func(it *event.Item, was, is naiveEdge) {
		if it.IsDir() {
			o.facts = append(o.facts, naiveFact{e.First, it.Key, was, is})
		}
	}
	old, dest := naiveEdgeOf(&e.path), naiveEdgeOf(&e.dest)
	switch {
	case e.Call.Verb == event.VerbRename:
		add(e.overwritten, dest, naiveEdge{})
		add(e.path.item, old, dest)
		add(e.exchanged, dest, old)
	case e.path.item != nil && e.path.item.Kind == event.KindDelete:
		add(e.path.item, old, naiveEdge{})
	case e.path.item != nil && e.path.item.Kind == event.KindCreate:
		add(e.path.item, naiveEdge{}, old)
	}
}

func naiveEdgeOf(n *place) naiveEdge {
	if n.parent == nil || n.given == nil {
		return naiveEdge{}
	}
	return naiveEdge{n.parent.Key, string(lastPart(n.given))}
}

// ways are the paths that a directory may have had at an event of a process: up to any
// directory for which that process has words.
func (o *naive) ways(seq uint64, pid uint32, dir event.Inode, depth int) (paths []string) {
	for _, c := range o.claims {
		if c.pid == pid && c.dir == dir {
			paths = append(paths, c.path)
		}
	}
	var before, after naiveFact
	for _, f := range o.facts {
		switch {
		case f.dir != dir:
		case f.seq < seq && f.seq >= before.seq:
			before = f
		case f.seq >= seq && (after.seq == 0 || f.seq < after.seq):
			after = f
		}
	}
	for _, at := range []naiveEdge{before.is, after.was} {
		if at == (naiveEdge{}) || depth == 0 {
			continue
		}
		for _, above := range o.ways(seq, pid, at.in, depth-1) {
			paths = append(paths, strings.TrimSuffix(above, "/")+"/"+at.name)
		}
	}
	return paths
}

// A trailed name is one that the real resolver has found.
type trailed struct {
	serial uint64
	seq    uint64
	pid    uint32
	dir    event.Inode
	path   string // of the directory
}

// resolveTrail lets both resolvers read a trail, and returns what the real one found, and
// which of that the naive one finds nowhere.
func resolveTrail(trail []scripted) (found, wrong []trailed) {
	s, o := NewStream(Options{}), &naive{}
	for i, r := range trail {
		s.Push(uint64(i+1), r.typ, []byte(r.text))
	}
	s.Flush()
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		w := workOf(e)
		o.learn(w)
		for _, n := range []*place{&w.path, &w.dest} {
			dir, _ := splitName(n.Path)
			if dir = bytes.TrimSuffix(dir, []byte("/")); n.parent != nil && n.known() && n.Dir == nil {
				found = append(found, trailed{e.ID.Serial, e.First, e.PID, n.parent.Key, "/" + strings.TrimPrefix(string(dir), "/")})
			}
		}
	}
	for _, f := range found {
		if !slices.Contains(o.ways(f.seq, f.pid, f.dir, 6), f.path) {
			wrong = append(wrong, f)
		}
	}
	return found, wrong
}

// simplify takes events out of a trail, as long as what is left still shows the fault.
func simplify(trail []scripted, shows func([]scripted) bool) []scripted {
	head := func(r scripted) string { return r.text[:strings.IndexByte(r.text, ')')] }
	for again := true; again; {
		again = false
		tried := map[string]bool{}
		for i := 0; i < len(trail); i++ {
			one := head(trail[i])
			if tried[one] {
				continue
			}
			tried[one] = true
			less := slices.DeleteFunc(slices.Clone(trail), func(r scripted) bool { return head(r) == one })
			if shows(less) {
				trail, again, i = less, true, -1
			}
		}
	}
	return trail
}

// TestNaive compares the resolver with the naive one over the trails of made-up worlds. A
// seed that fails is shown with as few events as show the fault.
func TestNaive(t *testing.T) {
	total := 0
	for seed := range uint64(300) {
		w := newWorld(t, seed, plain)
		for range 40 {
			w.step()
		}
		w.catchUp()
		found, wrong := resolveTrail(w.journal)
		total += len(found)
		if len(wrong) == 0 {
			continue
		}
		trail := simplify(w.journal, func(trail []scripted) bool {
			_, wrong := resolveTrail(trail)
			return len(wrong) > 0
		})
		_, wrong = resolveTrail(trail)
		for _, r := range trail {
			t.Logf("type=%v msg=%s", r.typ, r.text)
		}
		t.Fatalf("seed %d: event %d has its directory %v at %s, where no fact and no word leads", seed, wrong[0].serial, wrong[0].dir, wrong[0].path)
	}
	if total < 1000 {
		t.Errorf("%d names found: the test shows little", total)
	}
}

// TestSimplify takes out of a world's trail all that a path does not need.
func TestSimplify(t *testing.T) {
	var trail []scripted
	k := newFakeKernel(t, Options{})
	for i := range 20 {
		k.unlink(300+i, fmt.Sprintf("/other/%d/f", i))
	}
	k.unlinkat(83, "f")
	k.rmdirat(8, "c", 83)
	k.rmdir(1, "/srv/t", 8)
	k.unlink(400, "/other/x")
	trail = simplify(k.journal, func(trail []scripted) bool {
		found, _ := resolveTrail(trail)
		return slices.ContainsFunc(found, func(f trailed) bool { return f.path == "/srv/t/c" })
	})
	calls := 0
	for _, r := range trail {
		if r.typ == event.TypeSyscall {
			calls++
		}
	}
	if calls != 3 {
		t.Errorf("%d calls are left, want the 3 that make the path", calls)
	}
}
