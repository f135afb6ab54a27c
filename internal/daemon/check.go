package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/host"
)

// Check returns what the system at hand makes wrong in a configuration: a
// watched path that is missing, a state directory that cannot be written. A
// full disk is no fault: the daemon starts, and says so.
func Check(c config.Config) []error {
	var errs []error
	if err := writable(c.StateDir); err != nil && filepath.IsAbs(c.StateDir) {
		errs = append(errs, c.Fault("state_dir", "", "%v", err))
	}
	mounts, err1 := host.ReadMounts()
	fstab, err2 := host.Fstab()
	if err := errors.Join(err1, err2); err != nil {
		return append(errs, err)
	}
	for i, w := range c.Watches {
		if !filepath.IsAbs(w.Path) || needsMount(w, mounts, fstab, false) {
			continue
		}
		if err := exists(w.Path); err != nil {
			errs = append(errs, c.Fault(fmt.Sprintf("watches[%d].path", i),
				"make the directory, or set require_mount: true if a file system will be mounted there", "%v", err))
		}
	}
	return errs
}

// writable reports why no file can be made in dir, which is made if need be.
func writable(dir string) error {
	err := os.MkdirAll(dir, 0o700)
	var f *os.File
	if err == nil {
		f, err = os.CreateTemp(dir, ".writable-*")
	}
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", dir, err)
	}
	return nil
}

// existsPatience is how long a look at a watched path may take at the start.
const existsPatience = 2 * time.Second

// exists reports that path is missing. A look that hangs, as on a dead file
// server, proves nothing.
func exists(path string) error {
	looked := make(chan error, 1)
	go func() {
		_, err := os.Stat(path)
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
