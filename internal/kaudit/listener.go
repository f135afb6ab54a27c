package kaudit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrOverrun means that the socket's receive buffer was full and the kernel
// dropped records it does not count (ENOBUFS). Receiving goes on.
var ErrOverrun = errors.New("receive buffer overrun")

// A pause after the socket has been drained lets records gather, which halves
// the cost of each for us and for the kernel's audit thread. A rest is for load:
// it costs a third less than naps do, and more of it gains nothing. Processes
// that call now and then are seen within a nap, since one that lives can still
// tell its directory.
const (
	nap  = 2 * time.Millisecond
	rest = 10 * time.Millisecond

	load  = 64       // records since the last pause, above which the next is a rest
	roomy = 16 << 20 // bytes of receive buffer that a rest cannot fill
)

// In a flood the kernel's audit thread and the receive loop may share a
// processor. The scheduler is fair to both, in turns of 20 ms, but what waits for
// the thread is the short backlog, which holds 14 ms of it, and what waits for us
// is the long buffer. So every few milliseconds (a stretch of records) we let the
// thread run, while the buffer is less than half full.
const (
	stretch = 3000
	yield   = 20 * time.Microsecond
)

// A Listener receives records. All its methods but Wake and Close belong to
// one goroutine.
type Listener struct {
	fd      int
	wake    int // eventfd
	landing *Landing
	half    int // of the receive buffer, in bytes
	came    int // records since the last pause
	closed  atomic.Bool
	shut    bool // the kernel refuses what processes send to the socket
	recs    [slots][]byte
}

// Listen makes a listener over a socket that is yet to Register or Join, or
// over fd if that is not negative: a socket which an earlier process opened
// and the service manager kept. The listener owns fd, not the landing.
func Listen(fd int, landing *Landing) (*Listener, error) {
	if fd < 0 {
		var err error
		if fd, err = socket(); err != nil {
			return nil, err
		}
		if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("bind audit socket: %w", err)
		}
	}
	unix.CloseOnExec(fd)
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	l := &Listener{fd: fd, wake: wake, landing: landing}
	if err := l.Reopen(); err != nil { // an earlier process may have left it shut
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// FD returns the socket, for the service manager to keep. It stays the
// listener's.
func (l *Listener) FD() int { return l.fd }

// SetBuffer makes the socket's receive buffer hold at least n bytes, beyond
// net.core.rmem_max where CAP_NET_ADMIN allows it, and returns what it holds. A
// record charges about 900 bytes of it.
func (l *Listener) SetBuffer(n int) (int, error) {
	got, err := l.enlarge(n)
	l.half = got
	return got, err
}

func (l *Listener) enlarge(n int) (int, error) {
	got, err := l.buffer()
	if err != nil || got >= n { // whoever made the socket may have had the right
		return got, err
	}
	err = unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, n)
	if errors.Is(err, unix.EPERM) {
		err = unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, n)
	}
	if err != nil {
		return got, fmt.Errorf("set receive buffer to %d: %w", n, err)
	}
	return l.buffer()
}

// buffer returns the size of the socket's receive buffer in bytes as one asks
// for it. The kernel doubles that, see socket(7).
func (l *Listener) buffer() (int, error) {
	got, err := unix.GetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 0, fmt.Errorf("get receive buffer: %w", err)
	}
	return got / 2, nil
}

// Join subscribes to the multicast of records (AUDIT_NLGRP_READLOG), which
// needs CAP_AUDIT_READ and works beside a registered daemon, in the initial
// network namespace.
func (l *Listener) Join() error {
	const readlog = 1 // AUDIT_NLGRP_READLOG
	if err := unix.SetsockoptInt(l.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, readlog); err != nil {
		return fmt.Errorf("join audit multicast: %w", err)
	}
	return nil
}

// Register makes this process the kernel's audit daemon, with this socket as
// the place where records go. The kernel answers within the call; whether it
// agreed shows in Control.Status, since its refusal would wait behind records.
func (l *Listener) Register() error { return l.setPID("register", uint32(os.Getpid())) }

// Unregister gives the registration back. The kernel takes that only from the
// process which registered; from another, closing the last copy of the socket
// does it.
func (l *Listener) Unregister() error { return l.setPID("unregister", 0) }

func (l *Listener) setPID(what string, pid uint32) error {
	msg := appendMessage(nil, typeSet, unix.NLM_F_REQUEST, 1, statusMessage(maskPID, 3, pid))
	if err := unix.Sendto(l.fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("%s as audit daemon: %w", what, err)
	}
	return nil
}

// Receive waits until records arrive and returns them in the kernel's order,
// each as two bytes of type (little-endian) followed by the text. They are
// borrowed: valid until the next call, which also tells the landing that the
// caller has them safe. base is the sequence that the first of them will get.
//
// It returns no records and no error after Wake and where all that arrived was
// answers to ourselves or forged, ErrOverrun when the kernel had to drop some, and
// os.ErrClosed after Stop, once the socket is empty.
func (l *Listener) Receive(base uint64) ([][]byte, error) {
	l.landing.prepare(base)
	for {
		n, err := l.read()
		switch {
		case err == nil:
			l.giveWay(n)
			recs := l.records(n)
			if !l.shut && l.landing.Forged().Count >= manyForged {
				return recs, l.refuseOthers()
			}
			return recs, nil
		case errors.Is(err, unix.ENOBUFS):
			return nil, ErrOverrun
		case errors.Is(err, unix.EAGAIN) && l.closed.Load():
			return nil, os.ErrClosed
		case errors.Is(err, unix.EAGAIN):
			woken, err := l.wait()
			if woken || err != nil {
				return nil, err
			}
		case errors.Is(err, unix.EINTR):
		default:
			return nil, fmt.Errorf("receive from kernel: %w", err)
		}
	}
}

// read drains what the socket holds, as much as the landing has room for. It
// never blocks, so the raw system call spares the runtime's bookkeeping.
func (l *Listener) read() (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(l.fd),
		uintptr(unsafe.Pointer(&l.landing.vectors[0])), slots,
		unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (l *Listener) records(n int) [][]byte {
	recs := l.recs[:0]
	for i := range n {
		if rec := l.landing.record(i); rec != nil {
			recs = append(recs, rec)
		}
	}
	return recs
}

// manyForged is how many datagrams of processes are received and counted before the
// kernel is told to refuse more: they would fill the buffer that records need.
const manyForged = 1024

// refuseOthers makes the kernel refuse what processes send to the socket
// (ECONNREFUSED), as it does for a netlink socket that is connected to another port
// than theirs. The kernel's own port is 0. Multicast is not affected.
func (l *Listener) refuseOthers() error {
	if err := connectKernel(l.fd); err != nil {
		return err
	}
	l.shut = true
	return nil
}

// Refuses reports whether the kernel refuses what processes send, so that nobody
// counts it.
func (l *Listener) Refuses() bool { return l.shut }

// Reopen ends that, so that the next forged datagram is counted. It belongs to the
// goroutine that calls Receive.
func (l *Listener) Reopen() error {
	l.shut = false
	return disconnect(l.fd)
}

// wait returns when there may be something to read. If records came, that is
// after a pause, in which more of them gather; a quiet socket is polled for as
// long as it stays so. It reports whether somebody called Wake.
func (l *Listener) wait() (woken bool, err error) {
	timeout := -1
	if l.came > 0 {
		pause(l.pauseNow())
		l.came, timeout = 0, 0
	}
	fds := []unix.PollFd{{Fd: int32(l.wake), Events: unix.POLLIN}, {Fd: int32(l.fd), Events: unix.POLLIN}}
	if timeout == 0 {
		fds = fds[:1]
	}
	_, err = unix.Poll(fds, timeout)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, fmt.Errorf("poll audit socket: %w", err)
	}
	if fds[0].Revents == 0 {
		return false, nil
	}
	var drain [8]byte
	_, err = unix.Read(l.wake, drain[:])
	return err == nil, nil
}

// giveWay lets the kernel's audit thread run after a stretch without a pause, of
// which n more records came.
func (l *Listener) giveWay(n int) {
	before := l.came / stretch
	l.came += n
	if l.came/stretch > before && l.queued() < l.half {
		pause(yield)
	}
}

// queued returns how many bytes of the receive buffer are in use, as the kernel
// counts them; the whole buffer if that is unknown.
func (l *Listener) queued() int {
	var info [9]uint32 // SK_MEMINFO_VARS of linux/sock_diag.h; the first is SK_MEMINFO_RMEM_ALLOC
	n := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(l.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 2 * l.half
	}
	return int(info[0])
}

func (l *Listener) pauseNow() time.Duration {
	if l.half >= roomy/2 && l.came >= load {
		return rest
	}
	return nap
}

// pause sleeps in the kernel and not in the runtime: waking a goroutine costs
// more than the receiving that the nap saves. The runtime is not told either
// (a raw call), or its monitor would take the processor away and give it back
// for every nap; so there has to be one to spare. A signal of the runtime, for
// a collection, ends the nap.
func pause(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0) // an early end is harmless
}

// Wake makes Receive return early. It may be called from any goroutine.
func (l *Listener) Wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(l.wake, one[:]) // full means that a wake-up is pending already
}

// Stop makes Receive return os.ErrClosed as soon as the socket is empty. It may
// be called from any goroutine; the socket stays open until Close.
func (l *Listener) Stop() {
	l.closed.Store(true)
	l.Wake()
}

// Close closes the socket. It must not overlap a Receive: Stop, let Receive
// return, then Close.
func (l *Listener) Close() error {
	unix.Close(l.wake)
	return unix.Close(l.fd)
}
