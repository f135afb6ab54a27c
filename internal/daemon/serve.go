package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// answerTimeout bounds how long one client of the control socket may take.
const answerTimeout = 2 * time.Second

// A server answers every connection to the control socket with one JSON object
// and closes it. It reads nothing, so there is nothing to get wrong.
type server struct {
	listener net.Listener
	answer   func() any
}

// serve opens the socket, over what a killed daemon left there.
func serve(path string, answer func() any) (*server, error) {
	if err := makeSocketDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("open control socket %s: another daemon answers there", path)
	} else if !errors.Is(err, os.ErrNotExist) {
		if err := removeSocket(path); err != nil {
			return nil, err
		}
	}
	old := unix.Umask(0o117)
	l, err := net.Listen("unix", path)
	unix.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	s := &server{l, answer}
	go s.loop()
	return s, nil
}

// makeSocketDir makes the socket's directory where it is missing. Others may go
// through it, as the socket's own mode says who may ask.
func makeSocketDir(path string) error {
	_, err := os.Lstat(path)
	missing := errors.Is(err, os.ErrNotExist)
	dir, err := safefile.Make(path)
	if err != nil {
		return err
	}
	if missing {
		err = dir.Chmod(0o755)
	}
	return errors.Join(err, dir.Close())
}

// removeSocket removes a socket nobody listens on, and nothing else.
func removeSocket(path string) error {
	dir, err := safefile.Open(filepath.Dir(path))
	if err == nil {
		err = errors.Join(dir.RemoveSocket(filepath.Base(path)), dir.Close())
	}
	if err != nil {
		return fmt.Errorf("open control socket: %w", err)
	}
	return nil
}

func (s *server) loop() {
	for {
		c, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors, say; the next may work
			time.Sleep(100 * time.Millisecond)
			continue
		}
		_ = c.SetDeadline(time.Now().Add(answerTimeout))
		_ = json.NewEncoder(c).Encode(s.answer()) // a client that left asks nothing
		c.Close()
	}
}

func (s *server) close() error { return s.listener.Close() }

// longestAnswer bounds what is read of an answer.
const longestAnswer = 4 << 20

// Ask returns what the daemon behind the configured control socket says of itself.
// It believes root, the owner of the state directory and this process's own user.
func Ask(c config.Config) (Status, error) {
	conn, err := net.DialTimeout("unix", c.Socket, answerTimeout)
	if err != nil {
		return Status{}, fmt.Errorf("ask the daemon: %w", err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerTimeout))
	if err := genuine(conn.(*net.UnixConn), c); err != nil {
		return Status{}, fmt.Errorf("ask the daemon: %w", err)
	}
	var st Status
	if err := json.NewDecoder(io.LimitReader(conn, longestAnswer)).Decode(&st); err != nil {
		return Status{}, fmt.Errorf("ask the daemon: %w", err)
	}
	return st, nil
}

// ErrForger means that somebody else than the daemon listens at the socket.
var ErrForger = errors.New("not the daemon's socket")

// genuine reports that whoever listens is not whom the daemon runs as, or that the
// socket's directory is somebody else's, who can put any socket there.
func genuine(conn *net.UnixConn, c config.Config) error {
	uid, err := peer(conn)
	if err != nil {
		return err
	}
	if !daemonUser(uid, c.StateDir) {
		return fmt.Errorf("%w: user %d listens at %s, who is neither root nor the owner of %s", ErrForger, uid, c.Socket, c.StateDir)
	}
	dir, err := safefile.Open(filepath.Dir(c.Socket))
	if err != nil {
		return err
	}
	defer dir.Close()
	if owner := dir.Owner(); !daemonUser(owner, c.StateDir) {
		return fmt.Errorf("%w: the directory of %s belongs to user %d, who is neither root nor the owner of %s", ErrForger, c.Socket, owner, c.StateDir)
	}
	return nil
}

// daemonUser reports whether a user may be the one that the daemon runs as. The
// owner of a state directory that anybody could have made is not.
func daemonUser(uid uint32, stateDir string) bool {
	if uid == 0 || int(uid) == os.Geteuid() {
		return true
	}
	owner, placed := safefile.Placed(stateDir)
	return placed && owner == uid
}

// peer returns the user who listens at the other end.
func peer(conn *net.UnixConn) (uid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	ctlErr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(ctlErr, err); err != nil {
		return 0, fmt.Errorf("see who listens: %w", err)
	}
	return cred.Uid, nil
}
