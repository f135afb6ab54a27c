package host

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Place is what a path leads to.
type Place struct {
	Path string // without links
	Dir  bool
	Dev  uint64
	Ino  uint64
	Born int64 // in nanoseconds, 0 where the file system does not know
}

// ErrUnknown means that nothing can be said of a path: the way there leads through a
// user's own file system, a mount that is not in the table, or one that is not made
// until somebody looks.
var ErrUnknown = errors.New("the way leads through a file system of a user's own, or one that is not mounted yet")

// At says where a path leads, links followed. It may wait for a file server without
// end, but mounts nothing by looking and asks no user's file system.
func (t *MountTable) At(path string) (Place, error) {
	w, err := walkTo(t, path, followAll)
	if err != nil {
		return Place{}, err
	}
	defer unix.Close(w.fd)
	var st unix.Statx_t
	if err := unix.Statx(w.fd, "", unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return Place{}, err
	}
	p := Place{Path: w.at, Dir: st.Mode&unix.S_IFMT == unix.S_IFDIR, Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Ino: st.Ino}
	if p.Path == "" {
		p.Path = "/"
	}
	p.Born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	return p, nil
}

// Automounted reports whether an automount is on the way to a path. Each look that
// passes it starts its idle time anew.
func (t *MountTable) Automounted(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.list, func(m Mount) bool {
		return m.Trigger() && (path == m.Point || strings.HasPrefix(path, strings.TrimSuffix(m.Point, "/")+"/"))
	})
}

// Version counts the changes of the table.
func (t *MountTable) Version() uint64 { return t.version.Load() }

// Trusted returns the mounts without those of users.
func Trusted(mounts []Mount) []Mount {
	var own []Mount
	for _, m := range mounts {
		if !m.Foreign() {
			own = append(own, m)
		}
	}
	return own
}
