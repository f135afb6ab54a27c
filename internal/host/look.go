package host

import (
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A look is what there is at a path.
type look struct {
	event.Inode
	links  uint32
	isDir  bool
	isLink bool
	mount  string // its id, empty if the kernel does not say

	// In Unix milliseconds, 0 if the file system does not say.
	born, changed int64
}

// on corrects the device of what is on a mount. A btrfs tells a subvolume's in a
// file's attributes, and its own in records and in the mount table.
func (k look) on(m Mount) look {
	if dev, ok := parseDev(m.Dev); ok && m.Type == "btrfs" && k.Ino != 0 {
		k.Dev = dev
	}
	return k
}

// resolveCached is RESOLVE_CACHED, linux/openat2.h.
const resolveCached = 0x20

// kernelLooks is what this kernel, or the filter of system calls that we run under,
// lets us use.
var kernelLooks = sync.OnceValue(func() (can struct{ openat2, cached bool }) {
	try := func(resolve uint64) bool {
		fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: resolve})
		if err == nil {
			unix.Close(fd)
		}
		return err == nil || err == unix.EAGAIN
	}
	can.openat2 = try(unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV) // Linux 5.6
	can.cached = can.openat2 && try(resolveCached)                                                  // Linux 5.12
	return can
})

// lookCached says what the kernel has in memory of path. It never waits: for what is
// not there it returns EAGAIN. The path's last part is not followed if it is a
// link.
func lookCached(path string, links follow) (look, error) {
	if !kernelLooks().cached {
		return look{}, unix.EAGAIN
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS | resolveCached}
	if links == followNone {
		how.Resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	fd, err := unix.Openat2(unix.AT_FDCWD, path, &how)
	if err != nil {
		return look{}, err
	}
	defer unix.Close(fd)
	return lookAt(fd)
}

// lookAt says what a descriptor is open on. It takes the attributes that are in memory
// rather than ask a server.
func lookAt(fd int) (look, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT,
		unix.STATX_TYPE|unix.STATX_INO|unix.STATX_NLINK|unix.STATX_BTIME|unix.STATX_CTIME|unix.STATX_MNT_ID, &st)
	if err != nil {
		return look{}, err
	}
	got := look{Inode: event.Inode{Dev: event.MakeDev(st.Dev_major, st.Dev_minor), Ino: st.Ino}, links: st.Nlink}
	got.isDir, got.isLink = st.Mode&unix.S_IFMT == unix.S_IFDIR, st.Mode&unix.S_IFMT == unix.S_IFLNK
	if st.Mask&unix.STATX_MNT_ID != 0 {
		got.mount = strconv.FormatUint(st.Mnt_id, 10)
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		got.born = max(millis(st.Btime), 1) // images are made with files of 1970
	}
	if st.Mask&unix.STATX_CTIME != 0 {
		got.changed = millis(st.Ctime)
	}
	return got, nil
}

func millis(t unix.StatxTimestamp) int64 { return t.Sec*1000 + int64(t.Nsec)/1e6 }

// mostLinks bounds links on the way of a walk, as the kernel does.
const mostLinks = 40

// follow says which links a walk follows.
type follow int

const (
	followNone follow = iota
	followWay         // those before the last part of a path
	followAll
)

// A walk goes to a path part by part, and enters only mounts that are in the table and
// that no user made. A file server on the way may let it wait.
type walk struct {
	mounts *MountTable
	links  follow

	at   string // where it is, "" for the root; free of links
	fd   int
	hops int
}

// walkTo goes to path. The caller closes the walk's descriptor, which only says where
// it is.
func walkTo(mounts *MountTable, path string, links follow) (*walk, error) {
	w := &walk{mounts: mounts, links: links, fd: -1}
	err := w.restart()
	if err != nil {
		return nil, err
	}
	parts := strings.Split(path, "/")
	for len(parts) > 0 && err == nil {
		part := parts[0]
		parts = parts[1:]
		switch part {
		case "", ".":
		case "..":
			parts = append(strings.Split(w.at[:max(strings.LastIndexByte(w.at, '/'), 0)], "/"), parts...)
			err = w.again()
		default:
			parts, err = w.step(part, parts)
		}
	}
	if err != nil {
		unix.Close(w.fd)
		return nil, err
	}
	return w, nil
}

// restart goes to the root.
func (w *walk) restart() error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	w.move(fd, "")
	return nil
}

// again goes to the root once more, for a link.
func (w *walk) again() error {
	if w.hops++; w.hops > mostLinks {
		return unix.ELOOP
	}
	return w.restart()
}

func (w *walk) move(fd int, at string) {
	if w.fd >= 0 {
		unix.Close(w.fd)
	}
	w.fd, w.at = fd, at
}

// step goes to one part of the way, and returns what is left of the way behind it.
func (w *walk) step(part string, rest []string) ([]string, error) {
	next := w.at + "/" + part
	m, known := w.mounts.of(next)
	if known && (m.Foreign() || m.Trigger()) {
		return nil, ErrUnknown
	}
	fd, err := openPart(w.fd, part, known && m.Point == next)
	if err != nil {
		return nil, err
	}
	got, err := lookAt(fd)
	if err == nil && got.mount != "" && known && got.mount != m.ID {
		err = ErrUnknown // mounted just now
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	if !got.isLink || len(rest) == 0 && w.links != followAll {
		w.move(fd, next)
		return rest, nil
	}
	defer unix.Close(fd)
	if w.links == followNone {
		return nil, unix.ELOOP
	}
	to := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", to)
	if err != nil {
		return nil, err
	}
	way := string(to[:n])
	if !strings.HasPrefix(way, "/") {
		way = w.at + "/" + way
	}
	return append(strings.Split(way, "/"), rest...), w.again()
}

// openPart opens one part of a way. It leaves the mount only where it may.
func openPart(dir int, part string, leave bool) (int, error) {
	if !kernelLooks().openat2 {
		return unix.Openat(dir, part, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	if !leave {
		how.Resolve |= unix.RESOLVE_NO_XDEV
	}
	fd, err := unix.Openat2(dir, part, &how)
	if err == unix.EXDEV {
		err = ErrUnknown
	}
	return fd, err
}

// mayWait says whether a look at what is in memory was not enough.
func mayWait(err error) bool { return err == unix.EAGAIN }

// identify says what is at path now, the zero look for nothing or for not knowing. It
// may wait for a file server.
func identify(mounts *MountTable, path string, links follow) look {
	w, err := walkTo(mounts, path, links)
	if err != nil {
		return look{}
	}
	defer unix.Close(w.fd)
	got, err := lookAt(w.fd)
	if err != nil {
		return look{}
	}
	return got
}
