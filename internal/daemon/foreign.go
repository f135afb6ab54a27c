package daemon

import (
	"fmt"
	"strconv"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/host"
)

// foreignMounts are the FUSE file systems that users mounted on watched directories,
// above or below them. What happens in them is not audited; the rules beneath hold for
// everybody who does not go through them, and stay.
type foreignMounts struct {
	tell func(m host.Mount)

	now   map[string]host.Mount // by point
	over  []host.Mount          // of now, those that cover a watched directory
	known map[host.Mount]bool   // that were told
}

// mostForeign bounds how many are told, and named in the status: a user has as many as
// he likes.
const mostForeign = 64

// look finds those of the mounts that matter for the watched directories.
func (f *foreignMounts) look(mounts []host.Mount, dirs []string) {
	f.now, f.over = map[string]host.Mount{}, nil
	for _, m := range mounts {
		if !m.Foreign() {
			continue
		}
		for _, dir := range dirs {
			if host.Below(dir, m.Point) {
				f.over = append(f.over, m)
			}
			if host.Below(dir, m.Point) || host.Below(m.Point, dir) {
				f.now[m.Point] = m
			}
		}
	}
	for _, m := range f.now {
		told := m
		told.ID, told.Parent, told.Dev = "", "", "" // other ones each time
		if f.known[told] || len(f.known) >= mostForeign {
			continue
		}
		if f.known == nil {
			f.known = map[host.Mount]bool{}
		}
		f.known[told] = true
		f.tell(m)
	}
}

// covers reports whether the way to a path leads through one.
func (f *foreignMounts) covers(path string) bool {
	for _, m := range f.over {
		if path != "" && host.Below(path, m.Point) {
			return true
		}
	}
	return false
}

// covered names those that cover a watched directory.
func (f *foreignMounts) covered() (names []string) {
	for _, m := range f.over[:min(len(f.over), mostForeign)] {
		names = append(names, foreignName(m))
	}
	return names
}

// told names all.
func (f *foreignMounts) told() (names []string) {
	for _, m := range f.now {
		if len(names) < mostForeign {
			names = append(names, foreignName(m))
		}
	}
	return names
}

func foreignName(m host.Mount) string {
	return fmt.Sprintf("%s (%s of user %d)", m.Point, m.Type, m.Owner)
}

// tellForeign says in the stream and in the log that a user mounted something on a watch.
func (k *keeper) tellForeign(m host.Mount) {
	k.log.Warn("a user mounted a file system of his own on or below a watch; nothing in it is audited",
		zap.String("path", m.Point), zap.String("type", m.Type), zap.Uint32("uid", m.Owner))
	k.notes.add(event.TypeRules, event.NoteField{Key: "op", Value: "foreign_mount"}, event.NoteField{Key: "path", Value: m.Point},
		event.NoteField{Key: "fstype", Value: m.Type}, event.NoteField{Key: "uid", Value: strconv.FormatUint(uint64(m.Owner), 10)})
}
