package paths

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
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
		options.Host = eyes
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
