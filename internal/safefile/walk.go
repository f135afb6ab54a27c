package safefile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mostLinks is the kernel's own limit of links on one path.
const mostLinks = 40

// walk opens the directory at an absolute path, one component at a time.
func walk(path string, create bool) (fd int, st unix.Stat_t, err error) {
	fail := func(err error) (int, unix.Stat_t, error) {
		return -1, st, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if fd, st, err = enter(unix.AT_FDCWD, "/", false, st); err != nil {
		return fail(err)
	}
	trusted, links := true, 0
	for rest := parts(path); len(rest) > 0; {
		trusted = trusted && nobodyElse(st)
		next, entry, err := enter(fd, rest[0], create, st)
		if err != nil {
			unix.Close(fd)
			return fail(err)
		}
		rest = rest[1:]
		switch entry.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			unix.Close(fd)
			fd, st = next, entry
			continue
		case unix.S_IFLNK:
			links++
			target, err := readlink(next)
			unix.Close(next)
			if err == nil && (!trusted || !believed(entry.Uid) || links > mostLinks) {
				err = ErrLink
			}
			if err == nil && filepath.IsAbs(target) {
				unix.Close(fd)
				fd, st, err = enter(unix.AT_FDCWD, "/", false, st)
			}
			if err != nil {
				unix.Close(fd)
				return fail(err)
			}
			rest = append(parts(target), rest...)
		default:
			unix.Close(next)
			unix.Close(fd)
			return fail(unix.ENOTDIR)
		}
	}
	return fd, st, nil
}

// parts are the components of a path. A ".." stays: behind a link it is not what
// the path's text says.
func parts(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// enter opens what name is in a directory whose owner parent tells, without
// following or reading it. With create, a directory that is missing is made, and
// belongs to whom its parent belongs.
func enter(dir int, name string, create bool, parent unix.Stat_t) (fd int, st unix.Stat_t, err error) {
	const flags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC
	made := false
	fd, err = unix.Openat(dir, name, flags, 0)
	if err == unix.ENOENT && create {
		err = unix.Mkdirat(dir, name, 0o700)
		if made = err == nil; made || err == unix.EEXIST {
			fd, err = unix.Openat(dir, name, flags, 0)
		}
	}
	if err != nil {
		return -1, st, err
	}
	if err = unix.Fstat(fd, &st); err == nil && made && os.Geteuid() == 0 && parent.Uid != 0 && st.Uid == 0 && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = unix.Fchownat(fd, "", int(parent.Uid), int(parent.Gid), unix.AT_EMPTY_PATH)
		st.Uid, st.Gid = parent.Uid, parent.Gid
	}
	if err != nil {
		unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// readlink returns what an open link leads to.
func readlink(fd int) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	return string(buf[:max(n, 0)]), err
}

// believed reports whether a user's links and files count as the caller's own.
func believed(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// nobodyElse reports whether only root and the caller can put links of theirs
// into a directory. In one like /tmp, whose entries only their owners rename,
// the link's own owner tells.
func nobodyElse(st unix.Stat_t) bool {
	switch {
	case !believed(st.Uid):
		return false
	case st.Mode&unix.S_ISVTX != 0:
		return true
	}
	return st.Mode&0o002 == 0 && (st.Mode&0o020 == 0 || st.Gid == 0 || int(st.Gid) == os.Getegid())
}

// Placed returns the owner of the directory at path if root or the caller put
// that directory there, and false if it is missing or anybody could have made it.
func Placed(path string) (uid uint32, ok bool) {
	parent, err := Open(filepath.Dir(path))
	if err != nil {
		return 0, false
	}
	defer parent.Close()
	var st unix.Stat_t
	if unix.Fstat(parent.fd, &st) != nil || !nobodyElse(st) || st.Mode&unix.S_ISVTX != 0 {
		return 0, false
	}
	d, err := Open(path)
	if err != nil {
		return 0, false
	}
	defer d.Close()
	return d.uid, true
}

// Trusted reports why others could replace what the caller makes in the directory
// at path.
func Trusted(path string) error {
	d, err := Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil {
		return err
	}
	if !nobodyElse(st) {
		return fmt.Errorf("%s belongs to %s, or others may write there", path, userName(st.Uid))
	}
	return nil
}
