package event

import "strings"

// ask looks at the caller's descriptor while the caller may still live. The
// answer counts only if no record names the directory in time, and only if it
// is the same file as the PARENT record's.
func (s *Stream) ask(e *Event, n *Name) {
	p := n.place
	if s.lookup == nil || n.dirArg < 0 || e.PID == 0 || p.asked == e.PID {
		return
	}
	if dir, _ := splitName(n.given); n.given != nil && len(dir) > 0 {
		return // the descriptor is not of the directory that holds the name
	}
	path, dev, ino, ok := s.lookup.FD(e.PID, int32(uint32(e.args[n.dirArg])))
	p.asked, p.answer = e.PID, ""
	if ok && p.key == (inodeKey{dev, ino}) && strings.HasPrefix(path, "/") {
		p.answer = path
	}
}

// askFile looks at a descriptor of the file itself: the one the call was given,
// or the one it returned.
func (s *Stream) askFile(e *Event, n *Name) bool {
	if s.lookup == nil || n.item == nil || !n.item.hasIno || e.Success != Yes || e.PID == 0 {
		return false
	}
	fd := int32(-1)
	switch {
	case e.call.fd >= 0:
		fd = int32(uint32(e.args[e.call.fd]))
	case e.call.verb == verbOpen:
		fd = int32(e.exit)
	}
	if fd < 0 {
		return false
	}
	path, dev, ino, ok := s.lookup.FD(e.PID, fd)
	if !ok || n.item.key != (inodeKey{dev, ino}) || !strings.HasPrefix(path, "/") {
		return false
	}
	start := len(e.built)
	e.built = append(e.built, path...)
	n.Path, n.From = e.built[start:len(e.built):len(e.built)], FromProc
	return true
}
