package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lockName is a file that the writer holds a flock(2) on. It contains the
// writer's process id in decimal, for people.
const lockName = "lock"

// lock makes this process the writer of dir. The lock ends with the process.
func lock(dir directory) (unlock func() error, err error) {
	f, err := dir.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// Nothing depends on the id, so a full disk may refuse it.
	if err := writePID(f); err != nil && !isFull(err) {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

func tryLock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	pid, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if _, bad := strconv.Atoi(strings.TrimSpace(string(pid))); err != nil || bad != nil {
		return ErrLocked
	}
	return fmt.Errorf("%w by process %s", ErrLocked, strings.TrimSpace(string(pid)))
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0)
	return err
}
