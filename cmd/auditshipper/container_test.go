//go:build amd64

package main

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() { roles["AUDITSHIPPER_TEST_FILTERED"] = filtered }

// TestContainer runs where a container is most often wrong, and requires that
// the answer says so, with the cure.
func TestContainer(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := program(t)
	tests := []struct {
		name string
		cmd  *exec.Cmd
		attr *syscall.SysProcAttr
		want string
	}{
		{
			"a user namespace", exec.Command(binary, "rules", "list"),
			&syscall.SysProcAttr{
				Cloneflags:  unix.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			},
			"auditshipper: get audit status: the kernel takes audit commands from the initial user namespace only, and this is another: connection refused\n" +
				"hint: run the container as real root: not rootless, without user namespaces (--userns=host)\n",
		},
		{
			"a pid namespace", exec.Command(binary, "rules", "list"),
			&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
			"auditshipper: get audit status: the kernel takes audit commands from the initial pid namespace only, and this is another: operation not permitted\n" +
				"hint: a container needs --pid=host (Kubernetes: hostPID: true), and --cap-add AUDIT_CONTROL\n",
		},
		{
			"a seccomp filter", exec.Command(self, "rules", "list"), nil,
			"auditshipper: open audit socket: a seccomp filter refuses the audit socket: invalid argument\n" +
				"hint: a container needs --security-opt seccomp=unconfined, or --cap-add AUDIT_WRITE where the runtime's profile ties the socket to it (podman, CRI-O)\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cmd.SysProcAttr = tt.attr
			tt.cmd.Env = append(os.Environ(), "AUDITSHIPPER_CONFIG=")
			if tt.attr == nil {
				tt.cmd.Env = append(tt.cmd.Env, "AUDITSHIPPER_TEST_FILTERED="+binary)
			}
			out, err := tt.cmd.CombinedOutput()
			if tt.cmd.ProcessState == nil {
				t.Skip(err) // no right to make one
			}
			if string(out) != tt.want || tt.cmd.ProcessState.ExitCode() != exitFailed {
				t.Errorf("%v, got\n%swant\n%s", err, out, tt.want)
			}
		})
	}
}

// filtered becomes the program at path, under a filter as containers have it:
// no audit socket, EINVAL.
func filtered(path string) error {
	runtime.LockOSThread()
	const number, protocol = 0, 16 + 2*8 // offsets in struct seccomp_data
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	unless := func(value uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: skip, K: value}
	}
	answer := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
	}
	filter := []unix.SockFilter{
		load(number), unless(unix.SYS_SOCKET, 3),
		load(protocol), unless(unix.NETLINK_AUDIT, 1),
		answer(unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)),
		answer(unix.SECCOMP_RET_ALLOW),
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return err
	}
	os.Unsetenv("AUDITSHIPPER_TEST_FILTERED")
	return unix.Exec(path, append([]string{path}, os.Args[1:]...), os.Environ())
}
