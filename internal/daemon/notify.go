package daemon

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A manager is the service manager that started us, as far as sd_notify(3) and
// sd_listen_fds(3) go. Without one every method does nothing.
type manager struct {
	fd       int // of a socket, -1 without a manager
	addr     unix.Sockaddr
	watchdog time.Duration // 0 for none
	kept     map[string]int
}

// newManager finds the service manager in the environment, and takes the
// descriptors it kept for us.
func newManager() (*manager, error) {
	m := &manager{fd: -1, kept: listenFDs()}
	if usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && forUs("WATCHDOG_PID") {
		m.watchdog = time.Duration(usec) * time.Microsecond
	}
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return m, nil
	}
	var err error
	m.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reach the service manager: %w", err)
	}
	m.addr = &unix.SockaddrUnix{Name: path} // one that begins with @ is abstract
	return m, nil
}

// forUs reports whether the variable, if set, names this process.
func forUs(name string) bool {
	pid := os.Getenv(name)
	return pid == "" || pid == strconv.Itoa(os.Getpid())
}

// listenFDs returns the descriptors passed to us by their names
// (sd_listen_fds_with_names). They do not pass to children.
func listenFDs() map[string]int {
	const first = 3 // SD_LISTEN_FDS_START
	kept := map[string]int{}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return kept
	}
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for i := range n {
		unix.CloseOnExec(first + i)
		name := "unknown" + strconv.Itoa(i)
		if i < len(names) && names[i] != "" {
			name = names[i]
		}
		if _, twice := kept[name]; twice {
			unix.Close(first + i)
			continue
		}
		kept[name] = first + i
	}
	return kept
}

// take returns the descriptor kept under name, -1 if there is none. It is the
// caller's from then on.
func (m *manager) take(name string) int {
	fd, ok := m.kept[name]
	if !ok {
		return -1
	}
	delete(m.kept, name)
	return fd
}

// notify sends assignments such as READY=1, with descriptors if there are any.
func (m *manager) notify(assignments []string, fds ...int) error {
	if !m.present() {
		return nil
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if err := unix.Sendmsg(m.fd, []byte(strings.Join(assignments, "\n")), rights, m.addr, 0); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// keep asks the manager to hold fd for our next start. FDPOLL=0 matters: the
// manager would drop a socket that shows EPOLLERR, and a netlink socket that
// overran does.
func (m *manager) keep(name string, fd int) error {
	return m.notify([]string{"FDSTORE=1", "FDPOLL=0", "FDNAME=" + name}, fd)
}

// letGo asks the manager to close what it holds under name.
func (m *manager) letGo(name string) error {
	return m.notify([]string{"FDSTOREREMOVE=1", "FDNAME=" + name})
}

// present reports whether there is a service manager.
func (m *manager) present() bool { return m.fd >= 0 }

// monotonic is the assignment that goes with RELOADING=1.
func monotonic() string {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return "MONOTONIC_USEC=0"
	}
	return fmt.Sprintf("MONOTONIC_USEC=%d", ts.Nano()/1000)
}
