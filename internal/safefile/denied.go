package safefile

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// A Denied is a file that the caller may not open, with its owner and the cure.
type Denied struct {
	os.PathError
	Owner string // as user:group
	top   string
}

func (e *Denied) Error() string {
	return fmt.Sprintf("%v: it belongs to %s, this is %s", e.PathError.Error(), e.Owner, userName(uint32(os.Geteuid())))
}

// Hint is the command that cures it.
func (e *Denied) Hint() string {
	return fmt.Sprintf("as root: chown -Rh %s: %s", userName(uint32(os.Geteuid())), e.top)
}

// failed names what failed, and who owns what the caller may not open.
func (d *Dir) failed(op, name string, err error) error {
	path := filepath.Join(d.path, name)
	e := os.PathError{Op: op, Path: path, Err: err}
	if !errors.Is(err, unix.EACCES) {
		return &e
	}
	owner := d.stat()
	if st, err := d.lstat(name); err == nil && !believed(st.Uid) {
		owner = st
	} else if err == nil && int(d.uid) == os.Geteuid() {
		owner = st
	}
	return &Denied{e, userName(owner.Uid) + ":" + groupName(owner.Gid), d.top}
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
