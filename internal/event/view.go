package event

// A process may see the tree of names from another root than the host, or with
// other mounts: in a chroot, a container, a private mount. What it names absolutely
// says where a directory is in its view, and nothing of where others see it. So
// each view has a root of its own, under which names are kept that are not true on
// the host, too.

// stranger marks the view of a process which nobody else is known to share.
const stranger = 1 << 63

// maySeeAsHost says whether the event's process is not known to have another view.
func (e *Event) maySeeAsHost() bool { return e.view == 0 || e.view&stranger != 0 }

// A viewer is a process whose view was looked at.
type viewer struct {
	view uint64
	at   int64 // in Unix milliseconds
}

// maxViewers bounds how many processes are remembered, and how many views.
const maxViewers = 1024

// viewOf is how the event's process sees the tree: 0 for as the host does. One that
// is gone is a stranger, unless its parent has a view of its own.
func (s *Stream) viewOf(e *Event) uint64 {
	if s.lookup == nil || e.PID == 0 {
		return 0
	}
	now := e.ID.UnixMilli()
	if v, ok := s.viewers[e.PID]; ok && max(now-v.at, v.at-now) <= briefly {
		return v.view
	}
	view, ok := s.lookup.View(e.PID)
	if !ok {
		if view, _ = s.lookup.View(e.PPID); view == 0 {
			view = stranger | uint64(e.PID)
		}
	}
	if s.viewers == nil || len(s.viewers) >= maxViewers {
		s.viewers = make(map[uint32]viewer)
	}
	s.viewers[e.PID] = viewer{view, now}
	return view
}

// viewAnew looks again how a process sees the tree that saw it as the host does a moment
// ago, before what it names is believed of the host's: it may have gone into a chroot.
func (s *Stream) viewAnew(e *Event) {
	v, known := s.viewers[e.PID]
	if !known || v.at == e.ID.UnixMilli() {
		return
	}
	view, ok := s.lookup.View(e.PID)
	switch {
	case ok:
		e.view = view
	case e.ID.UnixMilli()-v.at > atOnce:
		e.view = stranger | uint64(e.PID)
	default:
		return
	}
	s.viewers[e.PID] = viewer{e.view, e.ID.UnixMilli()}
}

// rootFor is the root under which to note that the event names a directory by an
// absolute path: the host's if that is where the path leads, whatever the view.
func (s *Stream) rootFor(e *Event, path []byte, key inodeKey) *place {
	if e.view != 0 && s.lookup.Is(path, key.dev, key.ino) {
		return s.tree.root
	}
	return s.tree.rootOf(e.view)
}

// inView is whether a place is known in the event's own view, from what was said a
// moment ago and no rename since may have made untrue.
func (s *Stream) inView(e *Event, p *place) bool {
	since, last, top, ok := s.tree.said(p)
	if e.maySeeAsHost() || !ok || top.view != e.view { // what a stranger named was not there when it was looked at
		return false
	}
	now := e.ID.UnixMilli()
	return max(now-since, last-now) <= briefly && !s.outdated(e, p, since)
}

// rootOf is the root of a view.
func (t *tree) rootOf(view uint64) *place {
	if view == 0 {
		return t.root
	}
	root := t.roots[view]
	if root == nil || root.dead {
		if len(t.roots) >= maxViewers {
			clear(t.roots)
		}
		root = t.add(nil, "")
		root.view = view
		root.waiting.init()
		t.roots[view] = root
	}
	return root
}
