package kaudit_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// forger is a socket of a process that sends to ports of other sockets.
func forger(t *testing.T) (fd int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_AUDIT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// portOf returns the netlink port of a socket.
func portOf(t *testing.T, fd int) uint32 {
	t.Helper()
	addr, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return addr.(*unix.SockaddrNetlink).Pid
}

// forge sends a datagram to the port or to the multicast groups.
func forge(fd int, port, groups uint32, typ uint16, text string) error {
	msg := kaudit.AppendMessage(nil, typ, 0, 0, []byte(text))
	return unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port, Groups: groups})
}

const forgedText = `audit(1796000000.000:4242): arch=c000003e syscall=87 success=yes key="forged"`

func openLanding(t *testing.T, path string) *kaudit.Landing {
	t.Helper()
	landing, err := kaudit.OpenLanding(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { landing.Close() })
	return landing
}

// TestKernelForged sends records to the listener's port and to its multicast group as
// a process can, mixed with the kernel's, and requires the kernel's only, from Receive
// and from the landing of a killed process.
func TestKernelForged(t *testing.T) {
	c := kerneltest.Need(t)
	for name, how := range map[string]struct{ multicast bool }{"to the port": {false}, "to the group": {true}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "landing")
			landing := openLanding(t, path)
			l := register(t, c, landing)
			defer l.Close()
			defer l.Unregister()
			port, groups := portOf(t, l.FD()), uint32(0)
			if how.multicast {
				port, groups = 0, 1
				if err := l.Join(); err != nil {
					t.Fatal(err)
				}
			}
			fd := forger(t)
			for range 3 {
				if err := forge(fd, port, groups, 1300, forgedText); err != nil {
					t.Fatal(err)
				}
			}
			say(t, "op=genuine")
			for _, r := range receive(t, l, 1, "op=genuine") {
				if strings.Contains(string(r), "forged") {
					t.Errorf("received %q", r)
				}
			}
			want := kaudit.Forgery{Count: 3, Port: uint64(portOf(t, fd))}
			if got := landing.Forged(); got != want {
				t.Errorf("forged: %+v, want %+v", got, want)
			}
			again := openLanding(t, path)
			for _, r := range again.Left(0) {
				if strings.Contains(string(r), "forged") {
					t.Errorf("left after a kill: %q", r)
				}
			}
			if got := again.Forged(); got != want {
				t.Errorf("forged, after a kill: %+v, want %+v", got, want)
			}
		})
	}
}

// TestKernelForgedKill kills the receiver, as it were, between the system call that
// brought a forged record and the first look at it.
func TestKernelForgedKill(t *testing.T) {
	c := kerneltest.Need(t)
	path := filepath.Join(t.TempDir(), "landing")
	l := register(t, c, openLanding(t, path))
	defer l.Close()
	defer l.Unregister()
	say(t, "op=first")
	receive(t, l, 1, "op=first")

	fd := forger(t)
	for _, text := range []string{forgedText, ""} {
		if err := forge(fd, portOf(t, l.FD()), 0, 1300, text); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.Land(2); n < 2 || err != nil {
		t.Fatalf("%d datagrams landed, %v, want 2", n, err)
	}
	again := openLanding(t, path)
	for _, r := range again.Left(2) {
		if !strings.Contains(string(r), "audit(") || strings.Contains(string(r), "forged") {
			t.Errorf("left after a kill: %q", r)
		}
	}
	if n := again.Forged().Count; n != 2 {
		t.Errorf("%d forged, want 2", n)
	}
}

// TestKernelForgedFlood sends until the kernel refuses, and requires it to refuse
// long before the buffer is full, to go on delivering its own records, and to count
// again after Reopen.
func TestKernelForgedFlood(t *testing.T) {
	c := kerneltest.Need(t)
	landing := openLanding(t, filepath.Join(t.TempDir(), "landing"))
	l := register(t, c, landing)
	defer l.Close()
	defer l.Unregister()
	if _, err := l.SetBuffer(16 << 20); err != nil {
		t.Fatal(err)
	}
	fd, port := forger(t), portOf(t, l.FD())
	for range 2000 {
		if err := forge(fd, port, 0, 1300, forgedText); err != nil {
			t.Fatal(err)
		}
	}
	for !l.Refuses() {
		if _, err := l.Receive(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := forge(fd, port, 0, 1300, forgedText); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("a flood's next datagram: %v, want ECONNREFUSED", err)
	}
	say(t, "op=genuine")
	receive(t, l, 1, "op=genuine")
	if n := landing.Forged().Count; n != 2000 {
		t.Errorf("%d forged, want 2000", n)
	}

	landing.SetForged(kaudit.Forgery{})
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	if err := forge(fd, port, 0, 1300, forgedText); err != nil {
		t.Fatal(err)
	}
	say(t, "op=again")
	receive(t, l, 1, "op=again")
	if n := landing.Forged().Count; n != 1 {
		t.Errorf("%d forged after Reopen, want 1", n)
	}
}

// TestKernelForgedStop stops a listener to which somebody goes on sending.
func TestKernelForgedStop(t *testing.T) {
	c := kerneltest.Need(t)
	l := register(t, c, openLanding(t, filepath.Join(t.TempDir(), "landing")))
	defer l.Close()
	defer l.Unregister()
	fd, port := forger(t), portOf(t, l.FD())
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				forge(fd, port, 0, 1300, forgedText) // refused in the end, which is the point
			}
		}
	}()
	l.Stop()
	for {
		_, err := l.Receive(1)
		if errors.Is(err, os.ErrClosed) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-done
}

// TestKernelForgedReply answers commands in the kernel's place, with every sequence
// number that they may have, and requires the kernel's answers only. The second time
// the answers were there before the socket was connected to the kernel.
func TestKernelForgedReply(t *testing.T) {
	c := kerneltest.Need(t)
	fd, port := forger(t), portOf(t, c.FD())
	const lost = 4242424242
	var status [44]byte
	binary.NativeEndian.PutUint32(status[24:], lost)
	for _, refused := range []bool{true, false} {
		if !refused {
			if err := kaudit.Disconnect(c.FD()); err != nil {
				t.Fatal(err)
			}
		}
		for seq := range uint32(64) {
			msg := kaudit.AppendMessage(nil, 1000, 0, seq, status[:])
			err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
			if errors.Is(err, unix.ECONNREFUSED) != refused {
				t.Fatalf("a forged reply: %v, refused should be %v", err, refused)
			}
		}
		for range 8 {
			s, err := c.Status()
			if err != nil {
				t.Fatal(err)
			}
			if s.Lost == lost {
				t.Fatal("the status is the forger's")
			}
		}
	}
}
