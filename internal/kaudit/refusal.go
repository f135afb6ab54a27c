package kaudit

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A RefusedError means that it is not the kernel but where this process runs
// that keeps it from audit: a container, mostly.
type RefusedError struct {
	Why  string
	Cure string
	Err  error // the kernel's answer
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s: %v", e.Why, e.Err) }
func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what the container needs.
func (e *RefusedError) Hint() string { return e.Cure }

// noSocket says why there is no audit socket. A kernel without audit and a
// filter of system calls give the same errors, but only a kernel with audit has
// login uids.
func noSocket(err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err
	}
	_, none := os.Stat("/proc/self/loginuid")
	switch {
	case none == nil && isFiltered():
		return &RefusedError{
			"a seccomp filter refuses the audit socket",
			"a container needs --security-opt seccomp=unconfined, or --cap-add AUDIT_WRITE where the runtime's profile ties the socket to it (podman, CRI-O)", err,
		}
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.EINVAL):
		return ErrNoAudit
	}
	return err
}

// isFiltered reports whether a seccomp filter holds for this process.
func isFiltered() bool {
	text, err := os.ReadFile("/proc/self/status")
	return err == nil && strings.Contains(string(text), "\nSeccomp:\t2\n")
}

// Inodes of the initial namespaces, the same in every kernel
// (include/linux/proc_ns.h).
const (
	initialUser = "user:[4026531837]"
	initialPID  = "pid:[4026531836]"
)

// outside says whether the kernel refuses a command because of the namespace it
// comes from: ECONNREFUSED in a user namespace, EPERM in one of process ids.
func outside(err error) error {
	switch {
	case errors.Is(err, unix.ECONNREFUSED) && !in("user", initialUser):
		return &RefusedError{
			"the kernel takes audit commands from the initial user namespace only, and this is another",
			"run the container as real root: not rootless, without user namespaces (--userns=host)", err,
		}
	case errors.Is(err, unix.EPERM) && !in("pid", initialPID):
		return &RefusedError{
			"the kernel takes audit commands from the initial pid namespace only, and this is another",
			"a container needs --pid=host (Kubernetes: hostPID: true), and --cap-add AUDIT_CONTROL", err,
		}
	}
	return err
}

// in reports whether this process is in a namespace, or cannot know.
func in(kind, name string) bool {
	link, err := os.Readlink("/proc/self/ns/" + kind)
	return err != nil || link == name
}
