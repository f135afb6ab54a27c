// Package safefile opens, makes and replaces files in directories that belong
// to others.
//
// The daemon's state directory belongs to an unprivileged user, and root's
// commands work in it. That user could put a link to /etc/shadow, a pipe that
// never answers or a device where root expects a file. Everything here works
// relative to an open directory, follows no link that such a user could have
// made, and changes the owner of a file only while it is new.
//
// # Guarantees
//
// A name in a Dir is one component, and is never followed where it is a symbolic
// link. A file is refused if it is no regular file, has a second name (a hard
// link), or belongs to neither root, the caller nor the directory's owner. No
// open waits, not even on a pipe. On the way to a directory, a symbolic link is
// followed only if root or the caller made it, in a place where nobody else
// could have put it.
package safefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Reasons for which a file is refused.
var (
	ErrLink       = errors.New("is a symbolic link, which is not followed here")
	ErrHardLink   = errors.New("has a second name (a hard link)")
	ErrNotRegular = errors.New("is not a regular file")
	ErrStranger   = errors.New("belongs to somebody else than its directory")
)

// A Dir is a directory held open, so that what its path leads to later does not
// matter.
type Dir struct {
	fd       int // opened with O_PATH
	path     string
	top      string // of which this is a subdirectory
	uid, gid uint32
	give     bool // what root makes here gets the directory's owner
}

// Open opens a directory. What is made in it belongs to the caller.
func Open(path string) (*Dir, error) { return openDir(path, false) }

// Make opens a directory of the daemon, making it and its parents if need be.
// What root makes in it gets the directory's owner, because the daemon, which
// may not be root, must be able to open it.
func Make(path string) (*Dir, error) { return openDir(path, true) }

func openDir(path string, create bool) (*Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	fd, st, err := walk(abs, create)
	if err != nil {
		return nil, err
	}
	return &Dir{fd: fd, path: path, top: path, uid: st.Uid, gid: st.Gid, give: create}, nil
}

// Sub opens a subdirectory, which Make's Dir makes if need be.
func (d *Dir) Sub(name string) (*Dir, error) {
	path := filepath.Join(d.path, name)
	if err := component(name); err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	fd, st, err := enter(d.fd, name, d.give, d.stat())
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = errors.Join(unix.ENOTDIR, unix.Close(fd))
	}
	if err != nil {
		return nil, d.failed("open", name, err)
	}
	return &Dir{fd: fd, path: path, top: d.top, uid: st.Uid, gid: st.Gid, give: d.give}, nil
}

func (d *Dir) stat() unix.Stat_t { return unix.Stat_t{Uid: d.uid, Gid: d.gid} }

// Close gives the directory back. Files opened from it stay open.
func (d *Dir) Close() error { return unix.Close(d.fd) }

// Path is the path by which the directory was opened.
func (d *Dir) Path() string { return d.path }

// Owner is the user that the directory belongs to.
func (d *Dir) Owner() uint32 { return d.uid }

// OpenFile opens a file of the directory as os.OpenFile does.
func (d *Dir) OpenFile(name string, flag int, perm os.FileMode) (*os.File, error) {
	f, err := d.open(name, flag, perm)
	if err != nil {
		return nil, d.failed("open", name, err)
	}
	return f, nil
}

func (d *Dir) open(name string, flag int, perm os.FileMode) (*os.File, error) {
	if err := component(name); err != nil {
		return nil, err
	}
	for {
		if flag&os.O_EXCL == 0 {
			f, err := d.existing(name, flag&^os.O_CREATE)
			if flag&os.O_CREATE == 0 || !errors.Is(err, unix.ENOENT) {
				return f, err
			}
		}
		f, err := d.create(name, flag, perm)
		if flag&os.O_EXCL != 0 || !errors.Is(err, unix.EEXIST) {
			return f, err
		}
	}
}

// existing opens a file that is there. It is cut (O_TRUNC) only after it was
// looked at.
func (d *Dir) existing(name string, flag int) (*os.File, error) {
	fd, err := openat(d.fd, name, flag&^os.O_TRUNC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err = d.acceptable(fd); err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err == nil && flag&os.O_TRUNC != 0 {
		err = unix.Ftruncate(fd, 0)
	}
	return d.file(fd, name, err)
}

// create makes a file that is not there, and gives it to the directory's owner.
func (d *Dir) create(name string, flag int, perm os.FileMode) (*os.File, error) {
	fd, err := openat(d.fd, name, flag|os.O_CREATE|os.O_EXCL, uint32(perm.Perm()))
	if err != nil {
		return nil, err
	}
	if d.give && os.Geteuid() == 0 && d.uid != 0 {
		err = unix.Fchown(fd, int(d.uid), int(d.gid))
	}
	return d.file(fd, name, err)
}

func (d *Dir) file(fd int, name string, err error) (*os.File, error) {
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), filepath.Join(d.path, name)), nil
}

// acceptable reports why an open file cannot be one that we or the directory's
// owner made here.
func (d *Dir) acceptable(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return ErrNotRegular
	case st.Nlink > 1:
		return ErrHardLink
	case !believed(st.Uid) && st.Uid != d.uid:
		return ErrStranger
	}
	return nil
}

// ReadFile returns what a file of the directory holds.
func (d *Dir) ReadFile(name string) ([]byte, error) {
	f, err := d.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	return text, errors.Join(err, f.Close())
}

// Replace writes a file so that there is the old or the new one at any time. The
// file may be new; what is there and is no regular file is refused.
func (d *Dir) Replace(name string, perm os.FileMode, write func(io.Writer) error) error {
	if err := d.replaceable(name); err != nil {
		return d.failed("replace", name, err)
	}
	temp := "." + name + ".new-" + rand.Text()
	f, err := d.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(perm), f.Sync(), f.Close())
	if err == nil {
		err = unix.Renameat(d.fd, temp, d.fd, name)
	}
	if err != nil {
		return errors.Join(d.failed("replace", name, err), d.Remove(temp))
	}
	return nil
}

// ReplaceText is Replace with the whole text.
func (d *Dir) ReplaceText(name string, perm os.FileMode, text []byte) error {
	return d.Replace(name, perm, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

func (d *Dir) replaceable(name string) error {
	if err := component(name); err != nil {
		return err
	}
	st, err := d.lstat(name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return ErrLink
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return ErrNotRegular
	}
	return nil
}

// Mode returns the mode of a file of the directory.
func (d *Dir) Mode(name string) (os.FileMode, error) {
	st, err := d.lstat(name)
	if err != nil {
		return 0, d.failed("stat", name, err)
	}
	return os.FileMode(st.Mode & 0o777), nil
}

func (d *Dir) lstat(name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, err
}

// Remove removes a file or a link of the directory, not what a link leads to.
func (d *Dir) Remove(name string) error {
	err := component(name)
	if err == nil {
		err = unix.Unlinkat(d.fd, name, 0)
	}
	if err != nil {
		return d.failed("remove", name, err)
	}
	return nil
}

// RemoveSocket removes a socket, and nothing else. One that is missing is no fault.
func (d *Dir) RemoveSocket(name string) error {
	st, err := d.lstat(name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err == nil && st.Mode&unix.S_IFMT != unix.S_IFSOCK:
		err = errors.New("is not a socket")
	}
	if err != nil {
		return d.failed("remove", name, err)
	}
	return d.Remove(name)
}

// Chmod changes the mode of the directory itself.
func (d *Dir) Chmod(mode os.FileMode) error {
	f, err := d.reopen()
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(mode), f.Close())
}

// List returns the names in the directory, in no order.
func (d *Dir) List() ([]string, error) {
	f, err := d.reopen()
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

// Sync makes names that were made or removed outlive the machine's death.
func (d *Dir) Sync() error {
	f, err := d.reopen()
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// reopen opens the directory itself for reading.
func (d *Dir) reopen() (*os.File, error) {
	fd, err := openat(d.fd, ".", os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, d.failed("open", ".", err)
	}
	return os.NewFile(uintptr(fd), d.path), nil
}

// Statfs tells of the file system that the directory lies on.
func (d *Dir) Statfs() (st unix.Statfs_t, err error) {
	if err := unix.Fstatfs(d.fd, &st); err != nil {
		return st, d.failed("statfs", ".", err)
	}
	return st, nil
}

// WriteFile replaces the file at a path that a person named. The file belongs to
// the caller.
func WriteFile(path string, perm os.FileMode, write func(io.Writer) error) (err error) {
	d, err := Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Replace(filepath.Base(path), perm, write)
}

// ReadFile reads the file at a path that others may have made.
func ReadFile(path string) (text []byte, err error) {
	d, err := Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.ReadFile(filepath.Base(path))
}

// component reports that name is not the name of something in a directory.
func component(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("%q is no name of a file", name)
	}
	return nil
}

func openat(dir int, name string, flag int, perm uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flag|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NOCTTY, perm)
		switch {
		case err == unix.EINTR:
		case err == unix.ELOOP:
			return -1, ErrLink
		case err == unix.ENXIO: // a pipe that nobody reads, or a socket
			return -1, ErrNotRegular
		default:
			return fd, err
		}
	}
}
