package kaudit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Message types of the audit protocol that this package sends or must tell
// apart, from include/uapi/linux/audit.h.
const (
	typeGet        = 1000 // AUDIT_GET
	typeSet        = 1001 // AUDIT_SET
	typeAddRule    = 1011 // AUDIT_ADD_RULE
	typeDelRule    = 1012 // AUDIT_DEL_RULE
	typeListRules  = 1013 // AUDIT_LIST_RULES
	typeTrim       = 1014 // AUDIT_TRIM
	typeMakeEquiv  = 1015 // AUDIT_MAKE_EQUIV
	typeSetFeature = 1018 // AUDIT_SET_FEATURE
	typeGetFeature = 1019 // AUDIT_GET_FEATURE

	typeUser    = 1005   // AUDIT_USER: deprecated, and a record
	typeLogin   = 1006   // AUDIT_LOGIN: a record below the others
	firstRecord = 1100   // AUDIT_FIRST_USER_MSG: from here on all are records …
	typeReplace = 1329   // AUDIT_REPLACE: … but this question whether we live
	lastRecord  = 0x3fff // linux/audit.h ends at 2999; higher numbers are the readers' own
)

const headerLen = unix.NLMSG_HDRLEN

// replyTimeout bounds the wait for the kernel's answer. The kernel acknowledges within
// the system call that asks; the status and the list of rules are sent by threads of its
// own.
const replyTimeout = 10 * time.Second

// conn is one netlink socket that asks and is answered, one question at a time: whoever
// reads takes all answers, and drops those to the questions of others.
type conn struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	buf []byte
}

func dial() (*conn, error) {
	fd, err := socket()
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("bind audit socket: %w", err)
	}
	if err := connectKernel(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	tv := unix.NsecToTimeval(int64(replyTimeout))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("set receive timeout: %w", err)
	}
	return &conn{fd: fd, buf: make([]byte, 64<<10)}, nil
}

func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return -1, fmt.Errorf("open audit socket: %w", noSocket(err))
	}
	return fd, nil
}

// connectKernel makes the kernel refuse (ECONNREFUSED) what any process sends to the
// socket fd. See netlink_getsockbyportid in net/netlink/af_netlink.c.
func connectKernel(fd int) error {
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("connect audit socket to the kernel: %w", err)
	}
	return nil
}

// disconnect undoes connectKernel.
func disconnect(fd int) error {
	var unspecified unix.RawSockaddrNetlink // family AF_UNSPEC
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unspecified)), unsafe.Sizeof(unspecified))
	if errno != 0 {
		return fmt.Errorf("disconnect audit socket: %w", errno)
	}
	return nil
}

func (c *conn) close() error { return unix.Close(c.fd) }

// appendMessage appends a netlink request to dst.
func appendMessage(dst []byte, typ uint16, flags uint16, seq uint32, payload []byte) []byte {
	dst = binary.NativeEndian.AppendUint32(dst, uint32(headerLen+len(payload)))
	dst = binary.NativeEndian.AppendUint16(dst, typ)
	dst = binary.NativeEndian.AppendUint16(dst, flags)
	dst = binary.NativeEndian.AppendUint32(dst, seq)
	dst = binary.NativeEndian.AppendUint32(dst, 0) // to the kernel
	return append(dst, payload...)
}

// do sends a request and calls each for every reply of type typ until the
// kernel has acknowledged it (and, with many, until the list's end). The bytes
// given to each are valid during the call only.
func (c *conn) do(typ uint16, payload []byte, many bool, each func([]byte)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	msg := appendMessage(nil, typ, unix.NLM_F_REQUEST|unix.NLM_F_ACK, c.seq, payload)
	if err := unix.Sendto(c.fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return outside(err) // in a user namespace the kernel answers so
	}
	acked, done := false, !many
	replied := each == nil || many
	for !acked || !done || !replied {
		typ, seq, data, err := c.receive()
		switch {
		case err != nil:
			return err
		case seq != c.seq:
			continue // an answer to a question that was given up
		case typ == unix.NLMSG_DONE:
			done = true
		case typ == unix.NLMSG_ERROR:
			if err := ackError(data); err != nil {
				return outside(err)
			}
			acked = true
		case each != nil:
			each(data)
			replied = true
		}
	}
	return nil
}

// receive returns the next message of the kernel, which sends one in each datagram on
// this protocol. What a process sent before the socket was connected is skipped.
func (c *conn) receive() (typ uint16, seq uint32, data []byte, err error) {
	for {
		n, from, err := unix.Recvfrom(c.fd, c.buf, 0)
		switch sender, _ := from.(*unix.SockaddrNetlink); {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, 0, nil, os.ErrDeadlineExceeded
		case err != nil:
			return 0, 0, nil, err
		case sender == nil || sender.Pid != 0:
			continue
		}
		return splitReply(c.buf[:n])
	}
}

// splitReply takes an answer apart.
func splitReply(b []byte) (typ uint16, seq uint32, data []byte, err error) {
	if len(b) < headerLen {
		return 0, 0, nil, fmt.Errorf("reply of %d bytes is shorter than its header", len(b))
	}
	if length := binary.NativeEndian.Uint32(b); length >= headerLen && length < uint32(len(b)) {
		b = b[:length] // the rest is padding; of an answer, unlike a record, the length is right
	}
	return binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:]), b[headerLen:], nil
}

// ackError returns the error inside an acknowledgement, nil for success.
func ackError(data []byte) error {
	if len(data) < 4 {
		return fmt.Errorf("acknowledgement of %d bytes", len(data))
	}
	if code := int32(binary.NativeEndian.Uint32(data)); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

// isRecord reports whether a message of this type is evidence, as opposed to
// part of a conversation with the kernel.
func isRecord(typ uint16) bool {
	return typ >= firstRecord && typ <= lastRecord && typ != typeReplace || typ == typeLogin || typ == typeUser
}
