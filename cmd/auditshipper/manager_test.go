//go:build amd64

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A serviceManager keeps descriptors for the daemon over its death, as systemd
// does: over the real protocol of sd_notify(3) and sd_listen_fds(3).
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	path string

	mu   sync.Mutex
	kept map[string]*os.File
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	m := &serviceManager{t: t, path: filepath.Join(t.TempDir(), "notify"), kept: map[string]*os.File{}}
	var err error
	m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.listen()
	}()
	t.Cleanup(func() {
		m.conn.Close()
		<-done
		for _, f := range m.kept {
			f.Close()
		}
	})
	return m
}

func (m *serviceManager) listen() {
	text, rights := make([]byte, 4096), make([]byte, 4096)
	for {
		n, r, _, _, err := m.conn.ReadMsgUnix(text, rights)
		if err != nil {
			return
		}
		m.hear(string(text[:n]), rights[:r])
	}
}

// hear does what one message asks for.
func (m *serviceManager) hear(text string, rights []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name, store, remove := "stored", false, false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		store = store || line == "FDSTORE=1"
		remove = remove || line == "FDSTOREREMOVE=1"
		if n, ok := strings.CutPrefix(line, "FDNAME="); ok {
			name = n
		}
	}
	var fds []int
	if msgs, err := unix.ParseSocketControlMessage(rights); err == nil {
		for _, msg := range msgs {
			got, err := unix.ParseUnixRights(&msg)
			if err == nil {
				fds = append(fds, got...)
			}
		}
	}
	if f := m.kept[name]; f != nil && (remove || store) {
		f.Close()
		delete(m.kept, name)
	}
	for _, fd := range fds {
		if store && m.kept[name] == nil {
			m.kept[name] = os.NewFile(uintptr(fd), name)
		} else {
			unix.Close(fd)
		}
	}
}

// drop closes what is kept, as a stop of the service does.
func (m *serviceManager) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, f := range m.kept {
		f.Close()
		delete(m.kept, name)
	}
}

// adopt prepares cmd to be started by this manager, with what it keeps. The
// shell in between sets LISTEN_PID, which must be the daemon's own.
func (m *serviceManager) adopt(cmd *exec.Cmd) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name, f := range m.kept {
		names = append(names, name)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.path)
	if len(names) > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprint("LISTEN_FDS=", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
}
