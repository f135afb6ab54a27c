package host

import "strings"

// A mountTree finds mounts as the kernel does: down from the root. The zero value has
// none.
type mountTree struct {
	list []Mount
	byID map[string]int
	on   map[step]int
}

// A step leads from a mount to the one that is mounted on it at a point. In a chroot
// the list may lack the mount that others are on: its id is empty.
type step struct{ parent, point string }

func newMountTree(list []Mount) mountTree {
	t := mountTree{list: list, byID: make(map[string]int, len(list)), on: make(map[step]int, len(list))}
	for i, m := range list {
		t.byID[m.ID] = i
	}
	for i, m := range list {
		parent := m.Parent
		if at, listed := t.byID[parent]; !listed || at == i {
			parent = ""
		}
		t.on[step{parent, m.Point}] = i
	}
	return t
}

// top is what is mounted last at a point, on a mount or, where that is -1, on what is
// not in the list. It is at itself if nothing is.
func (t *mountTree) top(at int, point string) int {
	for range t.list {
		on := step{point: point}
		if at >= 0 {
			on.parent = t.list[at].ID
		}
		next, ok := t.on[on]
		if !ok || next == at {
			break
		}
		at = next
	}
	return at
}

// holder is the mount that holds path, -1 for not knowing.
func (t *mountTree) holder(path string) int {
	if !strings.HasPrefix(path, "/") {
		return -1
	}
	at := t.top(-1, "/")
	for end := 2; end <= len(path); end++ {
		if end == len(path) || path[end] == '/' {
			at = t.top(at, path[:end])
		}
	}
	return at
}

// parent is the mount that another one is mounted on, -1 for none in the list.
func (t *mountTree) parent(at int) int {
	next, ok := t.byID[t.list[at].Parent]
	if !ok || next == at {
		return -1
	}
	return next
}
