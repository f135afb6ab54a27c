package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
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
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
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

// removeSocket removes a socket nobody listens on, and nothing else.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().Type() != os.ModeSocket {
		err = fmt.Errorf("%s is not a socket", path)
	}
	if err == nil {
		err = os.Remove(path)
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

// Ask returns what the daemon behind the control socket at path says of itself.
func Ask(path string) (Status, error) {
	c, err := net.DialTimeout("unix", path, answerTimeout)
	if err != nil {
		return Status{}, fmt.Errorf("ask the daemon: %w", err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(answerTimeout))
	var st Status
	if err := json.NewDecoder(c).Decode(&st); err != nil {
		return Status{}, fmt.Errorf("ask the daemon: %w", err)
	}
	return st, nil
}
