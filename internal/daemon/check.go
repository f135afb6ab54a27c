package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// Check returns what the system at hand makes wrong in a configuration: a
// watched path that is missing, a state directory that cannot be written. A
// full disk is no fault: the daemon starts, and says so.
func Check(c config.Config) []error { return append(CheckState(c), absentWatches(c)...) }

// Advise returns why a valid configuration watches less than it says on this
// machine. It changes nothing.
func Advise(c config.Config) []error {
	if c.Source.Mode == modeFile || c.Source.Mode == modeStdin || len(c.Watches) > 0 {
		return absentWatches(c)
	}
	for _, glob := range c.Rules.Files {
		if names, err := filepath.Glob(glob); err == nil && len(names) > 0 {
			return nil
		}
	}
	return []error{c.Fault("watches", "name what to watch: watches: [{path: /mnt/efs, key: efs_changes}]", "nothing is watched: there are no watches and no rule files")}
}

// CheckState returns why the state directory cannot be used.
func CheckState(c config.Config) []error {
	if err := writable(c.StateDir); err != nil && filepath.IsAbs(c.StateDir) {
		return []error{c.Fault("state_dir", hint(err), "%s cannot be written: %v", c.StateDir, err)}
	}
	return nil
}

// absentWatches returns the watched paths that do not exist.
func absentWatches(c config.Config) []error {
	var errs []error
	all, err1 := host.ReadMounts()
	fstab, err2 := host.Fstab()
	if err := errors.Join(err1, err2); err != nil {
		return append(errs, err)
	}
	var table host.MountTable
	table.Set(all)
	mounts := host.Trusted(all)
	for i, w := range c.Watches {
		if !filepath.IsAbs(w.Path) || needsMount(w, mounts, fstab, false) {
			continue
		}
		if err := exists(&table, w.Path); err != nil {
			errs = append(errs, c.Fault(fmt.Sprintf("watches[%d].path", i),
				"make the directory, or set require_mount: true if a file system will be mounted there", "%v", err))
		}
	}
	return errs
}

// hint is the cure that an error knows.
func hint(err error) string {
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		return h.Hint()
	}
	return ""
}

// openState opens a file of the state directory, which may belong to another
// user.
func openState(path string, flag int) (*os.File, error) {
	dir, err := safefile.Make(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	f, err := dir.OpenFile(filepath.Base(path), flag, 0o600)
	return f, errors.Join(err, dir.Close())
}

// replaceState replaces a file of the state directory at once or not at all. The
// file belongs to the directory's owner, also where root's run wrote it.
func replaceState(path string, write func(io.Writer) error) (err error) {
	dir, err := safefile.Make(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return dir.Replace(filepath.Base(path), 0o600, write)
}

// writable reports why no file can be made in a directory, which is made if need
// be, or why a file of an earlier daemon cannot be opened there.
func writable(path string) error {
	dir, err := safefile.Make(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	const probe = ".writable"
	f, err := dir.OpenFile(probe, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(f.Close(), dir.Remove(probe))
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = nil
	}
	if err != nil {
		return err
	}
	if err := openable(dir, "rules.lock", "rules.applied", "landing"); err != nil {
		return err
	}
	journal, err := dir.Sub("journal")
	if err != nil {
		return err
	}
	defer journal.Close()
	return openable(journal, "lock", "cursor.0", "last")
}

// openable reports which of the files cannot be written.
func openable(dir *safefile.Dir, names ...string) error {
	for _, name := range names {
		f, err := dir.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// existsPatience is how long a look at a watched path may take at the start.
const existsPatience = 2 * time.Second

// exists reports that path is missing. A look that hangs, as on a dead file
// server, proves nothing.
func exists(mounts *host.MountTable, path string) error {
	looked := make(chan error, 1)
	go func() {
		_, err := mounts.At(path)
		looked <- err
	}()
	select {
	case err := <-looked:
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
			return fmt.Errorf("%s does not exist", path)
		}
	case <-time.After(existsPatience):
	}
	return nil
}
