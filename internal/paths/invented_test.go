package paths

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A node is a file or directory of a made-up file system.
type node struct {
	parent *node
	name   string
	ino    int
	low    int // its inode in the layer below, in an overlay
	dir    bool
	kids   map[string]*node

	born, changed int64 // in Unix milliseconds
}

func (n *node) path() string {
	if n.parent == nil {
		return ""
	}
	return n.parent.path() + "/" + n.name
}

func (n *node) mode() string {
	if n.dir {
		return dirMode
	}
	return fileMode
}

func (n *node) inside(dir *node) bool {
	for ; n != nil; n = n.parent {
		if n == dir {
			return true
		}
	}
	return false
}

// A world is a file system in which processes delete and rename as the kernel
// would report it, through descriptors, from working directories and by
// absolute names. Inodes are reused at once, as ext4 does.
type world struct {
	*fakeKernel
	rnd   *rand.Rand
	root  *node
	free  []int
	next  int
	cwds  map[int]*node
	truth map[uint64][2]string // by serial
	low   map[int]int          // inodes of the layer below, in an overlay that numbers its own
	mix   bool

	// Of one that is looked at.
	fds    map[[2]int]*node // what processes have open, by number and descriptor
	ages   bool             // the file system says how old files are
	tells  bool             // what is made is reported
	mortal bool             // processes may be gone when they are looked at
	gone   map[int]bool
	pace   int // how many steps it takes to read all that is there, on average

	// Of one whose reader is killed at times.
	options  Options
	restarts bool
	mark     []byte // where the next reader goes on
	memory   []byte // what it knows

	names, unresolved, claimed int // of the events taken
}

// Kinds of worlds.
const (
	plain = iota
	same  // an overlay whose files have the numbers of the layer's
	apart // an overlay whose files have numbers of their own, never used again
	mixed // plain, and records of several processors mixed
	asked // plain or mixed, and the reader lags behind, but looks at the world as it is by then
)

func newWorld(t *testing.T, seed uint64, kind int) *world {
	eyes := &worldLookup{}
	options := Options{Places: 8 + int(seed%64)}
	if kind == asked {
		options.Lookup = eyes
	}
	w := &world{
		fakeKernel: newFakeKernel(t, options), fds: map[[2]int]*node{}, gone: map[int]bool{},
		rnd: rand.New(rand.NewPCG(seed, 3)), next: 10,
		root: &node{dir: true, ino: 2, kids: map[string]*node{}}, cwds: map[int]*node{}, truth: map[uint64][2]string{},
	}
	eyes.world, w.options = w, options
	switch kind {
	case mixed:
		w.mix = true
	case asked:
		w.lags = true
		w.ages, w.mortal, w.pace, w.mix = seed&1 == 0, seed&2 == 0, 3+20*int(seed>>3&1), seed&16 == 0
	case same:
		w.layer = func(ino int) int { return ino }
	case apart:
		w.low = map[int]int{2: 2}
		w.layer = func(ino int) int { return w.low[ino] }
	}
	for range 12 {
		w.make(true)
	}
	w.tells, w.restarts = kind == asked && seed&4 == 0, kind == asked && seed&8 == 0
	return w
}

// all lists the nodes below the root, in a fixed order.
func (w *world) all(keep func(*node) bool) (nodes []*node) {
	var walk func(n *node)
	walk = func(n *node) {
		names := make([]string, 0, len(n.kids))
		for name := range n.kids {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if k := n.kids[name]; keep(k) {
				nodes = append(nodes, k)
			}
			walk(n.kids[name])
		}
	}
	walk(w.root)
	return nodes
}

func (w *world) pick(nodes []*node) *node {
	if len(nodes) == 0 {
		return nil
	}
	return nodes[w.rnd.IntN(len(nodes))]
}

func isDir(n *node) bool { return n.dir }

// make creates a file or directory, which nobody reports.
func (w *world) make(dir bool) {
	parent := w.pick(append(w.all(isDir), w.root))
	name := string(rune('a' + w.rnd.IntN(5)))
	if parent.kids[name] != nil {
		return
	}
	n := &node{parent: parent, name: name, dir: dir, kids: map[string]*node{}, born: w.now.UnixMilli(), changed: w.now.UnixMilli()}
	if len(w.free) > 0 {
		n.ino, w.free = w.free[len(w.free)-1], w.free[:len(w.free)-1]
	} else {
		w.next++
		n.ino = w.next
	}
	if w.low != nil {
		w.next++
		n.ino, n.low = 1000+w.next, n.ino
		w.low[n.ino] = n.low
	}
	parent.kids[name] = n
	if !w.tells {
		return
	}
	given, arg, parentName := w.give(n)
	nr := 257 // openat
	if dir {
		nr = 258 // mkdirat
	}
	w.call(nr, "a0="+arg+" a1=1 a2=c1", pathRecord{w.printed(parentName), parent.ino, dirMode, "PARENT"}, pathRecord{given, n.ino, n.mode(), "CREATE"})
}

// drop gives the inode of a file that is no more to the next one.
func (w *world) drop(n *node) {
	if w.low != nil {
		w.free = append(w.free, n.low)
	} else {
		w.free = append(w.free, n.ino)
	}
}

// give says how the caller names a node: by which string, from which directory
// argument, and with what PARENT name, if that is not the working directory.
func (w *world) give(n *node) (name, arg, parentName string) {
	cwd := w.cwds[w.pid]
	switch w.rnd.IntN(4) {
	case 0:
		return n.path(), "ffffff9c", n.parent.path() + "/"
	case 1:
		if cwd == n.parent {
			return n.name, "ffffff9c", ""
		}
		if n.parent.inside(cwd) && cwd != w.root {
			rel := n.path()[len(cwd.path())+1:]
			return rel, "ffffff9c", rel[:len(rel)-len(n.name)]
		}
	}
	fd := 3 + w.rnd.IntN(3)
	w.fds[[2]int{w.pid, fd}] = n.parent
	return n.name, fmt.Sprint(fd), ""
}

// printed is a PARENT's name; "" stands for the working directory, as it is
// when the call has ended.
func (w *world) printed(parent string) string {
	if parent == "" {
		return w.cwd
	}
	return parent
}

func (w *world) step() {
	pause := w.rnd.IntN(60)
	if w.rnd.IntN(30) == 0 {
		pause += w.rnd.IntN(8000)
	}
	held := len(w.tail.records) > 0
	if held {
		pause = min(pause, 5)
	}
	w.later(time.Duration(pause) * time.Millisecond)
	if w.mix && !held && w.rnd.IntN(3) == 0 {
		w.tail = tail{cutting: true, after: 1 + w.rnd.IntN(5), until: 1 + w.rnd.IntN(8)}
	}
	defer func() { w.tail.cutting = false }()
	if w.rnd.IntN(8) == 0 {
		w.attack()
		return
	}
	w.pid = 100 + w.rnd.IntN(3)
	w.gone[w.pid] = false
	if w.mortal && w.rnd.IntN(3) == 0 {
		w.gone[100+w.rnd.IntN(3)] = true
	}
	if cwd := w.cwds[w.pid]; cwd == nil || w.rnd.IntN(5) == 0 || !cwd.inside(w.root) {
		w.cwds[w.pid] = w.pick(append(w.all(isDir), w.root))
	}
	if w.cwd = w.cwds[w.pid].path(); w.cwd == "" {
		w.cwd = "/"
	}
	if w.title = ""; w.lags && w.rnd.IntN(4) == 0 {
		w.title = "t\x00" + w.pick(append(w.all(isDir), w.root)).path()
	}
	switch w.rnd.IntN(8) {
	case 0, 1:
		w.make(w.rnd.IntN(2) == 0)
	case 2, 3, 4:
		w.remove(w.pick(w.all(func(n *node) bool { return len(n.kids) == 0 && !w.busy(n) })))
	default:
		w.renameAny()
	}
}

// attacker is a process whose words are not true: it goes through links of its own and
// changes its working directory while a call is under way.
const attacker = 666

// attack has the attacker name one directory and work in another one: in a call that
// fails, or in one that removes a file.
func (w *world) attack() {
	w.pid = attacker
	dirs := append(w.all(isDir), w.root)
	named, truly := w.pick(dirs), w.pick(dirs)
	w.cwd = cmp.Or(named.path(), "/")
	if w.rnd.IntN(2) == 0 {
		w.result(263, "success=no exit=-13", "a0=ffffff9c a1=1 a2=0", pathRecord{named.path() + "/", truly.ino, dirMode, "PARENT"})
		return
	}
	n := w.pick(w.all(func(n *node) bool { return !n.dir }))
	if n == nil {
		return
	}
	w.truth[w.serial+1] = [2]string{n.path()}
	parent := n.parent
	delete(parent.kids, n.name)
	w.drop(n)
	w.call(263, "a0=ffffff9c a1=1 a2=0", pathRecord{w.cwd, parent.ino, dirMode, "PARENT"}, pathRecord{n.name, n.ino, n.mode(), "DELETE"})
}

// busy says whether a directory is somebody's working directory: what happens
// in a deleted one is not modelled.
func (w *world) busy(n *node) bool {
	for _, cwd := range w.cwds {
		if cwd == n {
			return true
		}
	}
	return false
}

func (w *world) remove(n *node) {
	if n == nil {
		return
	}
	name, arg, parentName := w.give(n)
	w.truth[w.serial+1] = [2]string{n.path()}
	delete(n.parent.kids, n.name)
	w.drop(n)
	w.call(263, "a0="+arg+" a1=1 a2=0", pathRecord{w.printed(parentName), n.parent.ino, dirMode, "PARENT"}, pathRecord{name, n.ino, n.mode(), "DELETE"})
}

func (w *world) renameAny() {
	n, to := w.pick(w.all(func(*node) bool { return true })), w.pick(append(w.all(isDir), w.root))
	if n == nil || to.inside(n) {
		return
	}
	dest := &node{parent: to, name: string(rune('a' + w.rnd.IntN(5)))}
	there := to.kids[dest.name]
	exchange := there != nil && w.rnd.IntN(2) == 0
	switch {
	case there == n || there != nil && n.inside(there):
		return
	case there != nil && !exchange && (there.dir != n.dir || len(there.kids) > 0 || w.busy(there)):
		return
	}
	oldName, oldArg, oldParent := w.give(n)
	newName, newArg, newParent := w.give(dest)
	records := []pathRecord{
		{newParent, to.ino, dirMode, "PARENT"}, {oldParent, n.parent.ino, dirMode, "PARENT"}, {oldName, n.ino, n.mode(), "DELETE"},
	}
	if there != nil {
		records = append(records, pathRecord{newName, there.ino, there.mode(), "DELETE"})
	}
	records = append(records, pathRecord{newName, n.ino, n.mode(), "CREATE"})
	if exchange {
		records = append(records, pathRecord{oldName, there.ino, there.mode(), "CREATE"})
	}
	w.truth[w.serial+1] = [2]string{n.path(), dest.path()}

	from := n.parent
	oldLast := n.name
	delete(from.kids, oldLast)
	n.parent, n.name, n.changed = to, dest.name, w.now.UnixMilli()
	to.kids[n.name] = n
	if exchange {
		there.changed = n.changed
		there.parent, there.name = from, oldLast
		from.kids[oldLast] = there
	} else if there != nil {
		w.drop(there)
	}
	if w.cwd = w.cwds[w.pid].path(); w.cwd == "" { // printed as it is afterwards
		w.cwd = "/"
	}
	records[0].name, records[1].name = w.printed(newParent), w.printed(oldParent)
	w.call(316, "a0="+oldArg+" a1=1 a2="+newArg+" a3=2", records...)
}

// TestNoPathInvented lets processes delete and rename at random, in sight of the
// kernel, in a file system that gives inodes to the next one at once. No event
// may carry a path that was not true when it happened.
func TestNoPathInvented(t *testing.T) {
	for kind, name := range []string{plain: "plain", same: "overlay", apart: "overlay with its own numbers", mixed: "mixed", asked: "asked"} {
		t.Run(name, func(t *testing.T) { noPathInvented(t, kind) })
	}
}

func noPathInvented(t *testing.T, kind int) {
	seeds := 1500
	if many := os.Getenv("AUDITSHIPPER_WORLDS"); many != "" {
		var err error
		if seeds, err = strconv.Atoi(many); err != nil {
			t.Fatal(err)
		}
	}
	if testing.Short() {
		seeds = 150
	}
	names, unresolved, claimed := 0, 0, 0
	all := []int{5146, 6717, 9044, 45354, 70548, 120352} // were wrong once
	for seed := range seeds {
		all = append(all, seed)
	}
	for _, seed := range all {
		w := newWorld(t, uint64(seed), kind)
		for range 60 {
			w.step()
			w.follow()
			if w.restarts {
				w.killReader(seed)
			}
		}
		w.catchUp()
		w.read(len(w.behind))
		w.s.Flush()
		w.take(seed)
		names, unresolved, claimed = names+w.names, unresolved+w.unresolved, claimed+w.claimed
		if err := w.s.tree.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d names, %d unresolved, %d lies that are claimed", names, unresolved, claimed)
	if unresolved*10 > names*6 {
		t.Errorf("%d of %d names unresolved: the test shows little", unresolved, names)
	}
}

// take takes the events that are ready, and compares them with the truth.
func (w *world) take(seed int) {
	for e, ok := w.s.Next(); ok; e, ok = w.s.Next() {
		for i, n := range []*event.Name{&e.Path, &e.Dest} {
			want := w.truth[e.ID.Serial][i]
			if want == "" {
				continue
			}
			w.names++
			switch {
			case n.From == event.FromUnresolved:
				w.unresolved++
			case n.From == event.FromClaimed && e.PID == attacker:
				w.claimed++
			case string(n.Path) != want:
				for i, line := range w.lines {
					w.t.Log(i+1, line)
				}
				w.t.Fatalf("seed %d, event %d: %s %q (%v), truly %q", seed, e.ID.Serial, e.Action, n.Path, n.From, want)
			}
		}
		w.s.Free(e)
	}
}

// killReader lets the reader note at times where to go on and what it knows, and at other
// times puts another one in its place, who goes on from there.
func (w *world) killReader(seed int) {
	switch w.rnd.IntN(40) {
	case 0, 1:
		w.take(seed)
		w.mark = w.s.AppendMark(w.mark[:0])
	case 2, 3:
		var memory bytes.Buffer
		if err := w.s.Save(&memory); err != nil {
			w.t.Fatal(err)
		}
		w.memory = memory.Bytes()
	case 4:
		w.s = NewStream(w.options)
		low := uint64(1)
		if len(w.memory) > 0 {
			if err := w.s.Load(bytes.NewReader(w.memory), 1, w.seq+1); err != nil {
				w.t.Fatal(err)
			}
		}
		if len(w.mark) > 0 {
			var err error
			if low, err = w.s.Resume(w.mark); err != nil {
				w.t.Fatal(err)
			}
		}
		w.behind = nil
		for seq := low; seq <= w.seq; seq++ {
			r := w.journal[seq-1]
			w.behind = append(w.behind, sequenced{seq, r.typ, r.text})
		}
	}
}

// follow reads some of what is in the journal, and lets the stream know the time.
func (w *world) follow() {
	if !w.lags {
		return
	}
	if w.rnd.IntN(3) == 0 {
		w.read(w.rnd.IntN(40))
	}
	if w.rnd.IntN(w.pace) == 0 {
		w.read(len(w.behind))
		w.s.Tick(w.now)
	}
	if w.rnd.IntN(10) == 0 {
		w.s.Meet(uint32(100 + w.rnd.IntN(3)))
	}
}

// A worldLookup looks at a world.
type worldLookup struct {
	*world
	found map[uint64]string // by inode, when somebody last sought them
}

func (w *worldLookup) Seek([]byte, event.Dev) {
	w.found = map[uint64]string{}
	for _, n := range w.all(isDir) {
		w.found[uint64(n.ino)] = n.path()
	}
}

func (w *worldLookup) Found(_ event.Dev, ino uint64) string { return w.found[ino] }

// at is what there is at a path, nil for nothing.
func (w *worldLookup) at(path string) *node {
	n := w.root
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			continue
		}
		if n = n.kids[part]; n == nil {
			return nil
		}
	}
	return n
}

// there says whether a node is still part of the world.
func (w *worldLookup) there(n *node) bool { return n != nil && w.at(n.path()) == n }

func (w *worldLookup) FD(pid uint32, fd int32, at int64) (path string, dev event.Dev, ino uint64, ok bool) {
	n := w.fds[[2]int{int(pid), int(fd)}]
	if w.gone[int(pid)] || !w.there(n) || w.ages && n.born > at {
		return "", 0, 0, false
	}
	return cmp.Or(n.path(), "/"), event.MakeDev(0xfe, 0), uint64(n.ino), true
}

func (w *worldLookup) Is(path []byte, dev event.Dev, ino uint64) bool {
	n := w.at(string(path))
	return n != nil && dev == event.MakeDev(0xfe, 0) && uint64(n.ino) == ino
}

func (w *worldLookup) Only(path []byte, dev event.Dev, ino uint64, at int64) bool {
	return w.Is(path, dev, ino) && (!w.ages || w.at(string(path)).born <= at)
}

func (w *worldLookup) Still(path []byte, _ int, dev event.Dev, ino uint64, at int64) bool {
	return w.ages && w.Only(path, dev, ino, at) && w.at(string(path)).changed <= at+clockStep
}

func (*worldLookup) Lies([]byte, event.Dev) bool      { return true }
func (w *worldLookup) View(pid uint32) (uint64, bool) { return 0, !w.gone[int(pid)] }
func (w *worldLookup) Now() int64                     { return w.now.UnixMilli() }

func (w *worldLookup) Walk(path []byte, f func(path []byte, dev event.Dev, ino uint64, born int64)) {
	n, at := w.root, ""
	f([]byte("/"), event.MakeDev(0xfe, 0), uint64(n.ino), 0)
	for part := range strings.SplitSeq(strings.Trim(string(path), "/"), "/") {
		if n = n.kids[part]; n == nil || !n.dir {
			return
		}
		at += "/" + part
		born := n.born
		if !w.ages {
			born = 0
		}
		f([]byte(at), event.MakeDev(0xfe, 0), uint64(n.ino), born)
	}
}

func (w *worldLookup) Around(pid uint32, f func(path string, dev event.Dev, ino uint64, born int64)) {
	if w.gone[int(pid)] || !w.ages {
		return
	}
	dirs := []*node{w.cwds[int(pid)]}
	for fd := 3; fd < 6; fd++ {
		dirs = append(dirs, w.fds[[2]int{int(pid), fd}])
	}
	for _, n := range dirs {
		if !w.there(n) {
			continue
		}
		var way []*node
		for ; n != w.root; n = n.parent {
			way = append(way, n)
		}
		for _, n := range slices.Backward(way) {
			f(n.path(), event.MakeDev(0xfe, 0), uint64(n.ino), n.born)
		}
	}
}
