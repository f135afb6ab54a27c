package main

import (
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

func init() { roles["AUDITSHIPPER_TEST_LOGIN"] = logsIn }

// logsIn begins a login session as sshd does, deletes "before" in the directory dir, and
// "after" at the end of its input.
func logsIn(dir string) error {
	runtime.LockOSThread() // each thread has a login of its own
	if err := os.WriteFile("/proc/thread-self/loginuid", []byte("1000"), 0); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	const text = `op=login id=1000 exe="/usr/sbin/sshd" hostname=192.0.2.7 addr=192.0.2.7 terminal=/dev/pts/9 res=success`
	const userLogin = 1112
	msg := binary.NativeEndian.AppendUint32(nil, uint32(16+len(text)))
	msg = binary.NativeEndian.AppendUint16(msg, userLogin)
	msg = append(binary.NativeEndian.AppendUint16(msg, unix.NLM_F_REQUEST), make([]byte, 8)...)
	if err := unix.Sendto(fd, append(msg, text...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, "before")); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return os.Remove(filepath.Join(dir, "after"))
}

// TestKernelLogin says in events from where their login session came, also after a restart.
func TestKernelLogin(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	for _, name := range []string{"before", "after", "others"} {
		if err := os.WriteFile(filepath.Join(r.watched, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env, cmd.Stderr = append(os.Environ(), "AUDITSHIPPER_TEST_LOGIN="+r.watched), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deleted := func(name string) (addr, term string, ok bool) {
		for _, s := range r.ours() {
			if s.Path == filepath.Join(r.watched, name) {
				return s.LoginAddr, s.LoginTerm, true
			}
		}
		return "", "", false
	}
	arrives := func(name, wantAddr, wantTerm string) {
		t.Helper()
		r.eventually(20*time.Second, name, func() bool { _, _, ok := deleted(name); return ok })
		if addr, term, _ := deleted(name); addr != wantAddr || term != wantTerm {
			t.Errorf("%s: from %q on %q, want %q, %q", name, addr, term, wantAddr, wantTerm)
		}
	}
	arrives("before", "192.0.2.7", "/dev/pts/9")
	if err := os.Remove(filepath.Join(r.watched, "others")); err != nil {
		t.Fatal(err)
	}
	arrives("others", "", "")
	r.stop()
	r.start()
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	arrives("after", "192.0.2.7", "/dev/pts/9")
	r.stop()
}
