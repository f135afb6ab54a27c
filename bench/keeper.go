package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A keeper is as much of a service manager as is needed to keep descriptors
// for a process that is killed: sd_notify(3) with FDSTORE=1.
type keeper struct {
	conn *net.UnixConn
	path string
	done sync.WaitGroup

	mu    sync.Mutex
	names []string
	files []*os.File
}

func newKeeper(path string) (*keeper, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	k := &keeper{conn: conn, path: path}
	k.done.Go(k.listen)
	return k, nil
}

// listen takes messages until the socket is closed.
func (k *keeper) listen() {
	text, rights := make([]byte, 4096), make([]byte, 256)
	for {
		n, m, _, _, err := k.conn.ReadMsgUnix(text, rights)
		if err != nil {
			return
		}
		k.take(strings.Split(string(text[:n]), "\n"), rights[:m])
	}
}

// take keeps the descriptors that come with a message, or drops those it names.
func (k *keeper) take(assignments []string, rights []byte) {
	name, store, remove := "", false, false
	for _, a := range assignments {
		v, isName := strings.CutPrefix(a, "FDNAME=")
		if isName {
			name = v
		}
		store = store || a == "FDSTORE=1"
		remove = remove || a == "FDSTOREREMOVE=1"
	}
	fds := descriptors(rights)
	k.mu.Lock()
	defer k.mu.Unlock()
	if remove {
		k.drop(name)
	}
	for _, fd := range fds {
		if !store {
			unix.Close(fd)
			continue
		}
		k.names = append(k.names, name)
		k.files = append(k.files, os.NewFile(uintptr(fd), name))
	}
}

func descriptors(rights []byte) []int {
	var fds []int
	messages, _ := unix.ParseSocketControlMessage(rights) // ours sends none that does not parse
	for i := range messages {
		more, _ := unix.ParseUnixRights(&messages[i])
		fds = append(fds, more...)
	}
	return fds
}

// drop closes what is kept under name.
func (k *keeper) drop(name string) {
	for i := len(k.names) - 1; i >= 0; i-- {
		if k.names[i] == name {
			k.files[i].Close()
			k.names = append(k.names[:i], k.names[i+1:]...)
			k.files = append(k.files[:i], k.files[i+1:]...)
		}
	}
}

// command is a command that is given what is kept, as sd_listen_fds(3) has it.
// The shell becomes the command, so that LISTEN_PID can be its own.
func (k *keeper) command(name string, args ...string) *exec.Cmd {
	k.mu.Lock()
	defer k.mu.Unlock()
	cmd := exec.Command("/bin/sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, name}, args...)...)
	cmd.ExtraFiles = append([]*os.File(nil), k.files...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+k.path, fmt.Sprint("LISTEN_FDS=", len(k.files)), "LISTEN_FDNAMES="+strings.Join(k.names, ":"))
	return cmd
}

// close lets go of everything.
func (k *keeper) close() error {
	if k == nil {
		return nil
	}
	err := k.conn.Close()
	k.done.Wait()
	for _, f := range k.files {
		f.Close()
	}
	return err
}
