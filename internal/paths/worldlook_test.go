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
