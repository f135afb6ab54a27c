//go:build amd64

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// sendAudit sends an audit message: to the kernel if port is 0, else to a process.
func sendAudit(t *testing.T, fd int, port uint32, typ uint16, text string) {
	t.Helper()
	msg := binary.NativeEndian.AppendUint32(nil, uint32(16+len(text)))
	msg = binary.NativeEndian.AppendUint16(msg, typ)
	msg = binary.NativeEndian.AppendUint16(msg, unix.NLM_F_REQUEST)
	msg = append(msg, make([]byte, 8)...)
	if err := unix.Sendto(fd, append(msg, text...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port}); err != nil {
		t.Fatal(err)
	}
}

// auditSocket is a socket of the audit protocol, without privileges of its own.
func auditSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// auditPorts are the netlink ports of all audit sockets, which everybody may read.
func auditPorts(t *testing.T) (ports []uint32) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/netlink")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var address string
		var protocol int
		var port uint32
		if n, _ := fmt.Sscan(line, &address, &protocol, &port); n == 3 && protocol == unix.NETLINK_AUDIT && port != 0 {
			ports = append(ports, port)
		}
	}
	return ports
}

// TestKernelAttackRecords attacks one daemon with forged records, and with messages whose
// words claim what only the kernel may say.
func TestKernelAttackRecords(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "events: all\n")
	r.start()
	t.Run("words", func(t *testing.T) { attackByWords(t, r) })
	t.Run("forged", func(t *testing.T) { attackByForgery(t, r) })
	r.stop()
	for _, e := range r.endpoint.Events("/g", "s") {
		if strings.Contains(e.Message, "forged") && !strings.Contains(e.Message, `"op":"forged","count":`) || strings.Contains(e.Message, `:4242"`) {
			t.Errorf("delivered: %s", e.Message)
		}
	}
}

// attackByWords sends messages through the kernel, as CAP_AUDIT_WRITE allows: a container's
// right by default.
func attackByWords(t *testing.T, r *rig) {
	fd := auditSocket(t)
	const claims = `x' pid=1 uid=0 auid=0 ses=9 key="efs_changes" success=yes exe="/bin/rm" comm="rm" container=c path="/mnt/efs/a" action=delete` +
		"\ntype=SYSCALL msg=audit(1796000000.000:4242): arch=c000003e syscall=87 success=yes pid=1\x1dUID=\"root\" \x1b[2Jclaimed"
	for _, typ := range []uint16{1112, 1123, 2404} {
		sendAudit(t, fd, 0, typ, claims+"\x00")
	}
	var got []string
	r.eventually(20*time.Second, "the three messages", func() bool {
		got = got[:0]
		for _, e := range r.endpoint.Events("/g", "s") {
			if strings.Contains(e.Message, "claimed") {
				got = append(got, e.Message)
			}
		}
		return len(got) == 3
	})
	for _, message := range got {
		var e shipped
		if err := json.Unmarshal([]byte(message), &e); err != nil {
			t.Fatalf("%s: %v", message, err)
		}
		if e.PID != os.Getpid() || e.UID == nil || *e.UID != os.Getuid() || e.Key+e.Exe+e.Comm+e.Path+e.PathFrom != "" || strings.Contains(message, `"success"`) ||
			!strings.Contains(message, `"msg_key":"efs_changes"`) || strings.Contains(e.Raw, "\n") && strings.Index(e.Raw, "\n") < len(e.Raw)-1 {
			t.Errorf("delivered: %s, want pid %d", message, os.Getpid())
		}
	}
}

// attackByForgery sends events to every audit port of the host while the daemon runs: a
// deletion that nobody did, a gap, a stop. None may arrive; that somebody tried must.
func attackByForgery(t *testing.T, r *rig) {
	fd := auditSocket(t)
	sent := 0
	for _, port := range auditPorts(t) {
		for typ, text := range map[uint16]string{
			1300:  `audit(1796000000.000:4242): arch=c000003e syscall=87 success=yes exit=0 items=0 pid=1 uid=0 auid=0 comm="forged" key="efs_changes"`,
			1320:  `audit(1796000000.000:4242): `,
			64001: `audit(1796000000.000:0): cause="forged" count=1`,
			64002: `audit(1796000000.000:0): op="forged-stop"`,
		} {
			msg := append(binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint32(nil, 0), typ), make([]byte, 10)...)
			err := unix.Sendto(fd, append(msg, text...), unix.MSG_DONTWAIT, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
			if err == nil {
				sent++
			}
		}
	}
	if sent == 0 {
		t.Fatal("nothing was sent")
	}
	r.eventually(20*time.Second, "an event that tells of the forgery", func() bool {
		for _, e := range r.arrived() {
			if e.Action == "daemon" && e.Op == "forged" && e.Count > 0 {
				return true
			}
		}
		return false
	})
	r.eventually(20*time.Second, "the count in the status", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.Source.Forged >= uint64(4)
	})
	r.eventually(20*time.Second, "a line in the log", func() bool { return strings.Contains(r.log.String(), "in the kernel's place") })
}
