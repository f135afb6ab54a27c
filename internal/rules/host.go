package rules

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// HostMachine is the running machine, with the io_uring list if its kernel is
// Linux 5.16 or later, where AUDIT_FILTER_URING_EXIT came.
func HostMachine() Machine {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) == nil {
		_, _ = fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	}
	return Machine{Arch: HostArch(), IOUring: major > 5 || major == 5 && minor >= 16}
}
