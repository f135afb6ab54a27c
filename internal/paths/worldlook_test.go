package paths

import (
	"cmp"
	"slices"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A worldLookup looks at a world.
type worldLookup struct {
	*world
	found map[uint64]string // by inode, when somebody last sought them
}

func (w *worldLookup) Search(root []byte, of event.Inode) string {
	if len(root) > 0 {
		w.found = map[uint64]string{}
		for _, n := range w.all(isDir) {
			w.found[uint64(n.ino)] = n.path()
		}
	}
	return w.found[of.Ino]
}

// file is what the host says of a node, nil for nothing. Where it does not tell ages, nobody
// knows whether a file is another one by now.
func (w *worldLookup) file(n *node) (f File) {
	if n == nil {
		return File{}
	}
	f = File{Inode: event.Inode{Dev: event.MakeDev(0xfe, 0), Ino: uint64(n.ino)}, Dir: n.dir, Local: w.ages, Links: 1}
	if w.ages {
		f.Born, f.Changed = n.born, max(n.changed, 1)
	}
	return f
}

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

func (w *worldLookup) Descriptor(pid uint32, fd int32) (path string, f File, began int64, ok bool) {
	n := w.fds[[2]int{int(pid), int(fd)}]
	if w.gone[int(pid)] || !w.there(n) {
		return "", File{}, 0, false
	}
	return cmp.Or(n.path(), "/"), w.file(n), 0, true
}

func (w *worldLookup) Stat(path []byte) File { return w.file(w.at(string(path))) }

func (*worldLookup) Mounted([]byte, event.Dev) bool { return true }
func (w *worldLookup) Now() int64                   { return w.now.UnixMilli() }

func (w *worldLookup) Walk(path []byte, f func(path []byte, dir File)) {
	n, at := w.root, ""
	f([]byte("/"), File{Inode: w.file(n).Inode})
	for part := range strings.SplitSeq(strings.Trim(string(path), "/"), "/") {
		if n = n.kids[part]; n == nil || !n.dir {
			return
		}
		at += "/" + part
		f([]byte(at), w.file(n))
	}
}

func (w *worldLookup) Process(pid uint32, around func(path string, dir File)) (view uint64, ok bool) {
	if w.gone[int(pid)] || !w.ages || around == nil {
		return 0, !w.gone[int(pid)]
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
			around(n.path(), w.file(n))
		}
	}
	return 0, true
}
