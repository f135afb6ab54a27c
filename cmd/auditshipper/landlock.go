package main

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// readable are the directories in which the host's name service finds libraries,
// its configuration, and the sockets and maps of its caches. Journal, credentials
// and the directories of users are not below them.
var readable = []string{"/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc", "/dev", "/proc", "/var/lib/sss", "/run/systemd/userdb", "/run/nscd", "/var/run/nscd"}

// hideFiles makes this thread, and what it starts, see no file outside readable and
// own, and write none. Nor can it look into a process outside. A kernel without Landlock (before 5.13, or switched off) hides
// nothing.
func hideFiles(own string) error {
	version, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if e == unix.ENOSYS || e == unix.EOPNOTSUPP || e == unix.EPERM {
		return nil
	}
	if e != 0 || version == 0 {
		return fmt.Errorf("ask for Landlock: %w", e)
	}
	const read = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	const all = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // the rights of the first version
	attr := unix.LandlockRulesetAttr{Handled_access_fs: all}
	set, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if e != 0 {
		return fmt.Errorf("make a Landlock ruleset: %w", e)
	}
	defer unix.Close(int(set))
	if err := grant(int(set), "/dev/null", unix.LANDLOCK_ACCESS_FS_READ_FILE|unix.LANDLOCK_ACCESS_FS_WRITE_FILE); err != nil {
		return fmt.Errorf("let getent write /dev/null: %w", err)
	}
	for _, dir := range append([]string{own}, readable...) {
		if err := grant(int(set), dir, read); err != nil {
			return fmt.Errorf("let getent read %s: %w", dir, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	if _, _, e := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); e != 0 {
		return fmt.Errorf("restrict getent: %w", e)
	}
	return nil
}

func grant(set int, dir string, access uint64) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	_, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(set), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	runtime.KeepAlive(&rule)
	if e != 0 {
		return e
	}
	return nil
}
