package daemon

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/config"
)

const nobody = 65534

// listenAs answers every connection at path as a daemon of the given user would.
func listenAs(t *testing.T, uid uint32, path string) {
	t.Helper()
	type listening struct {
		l   net.Listener
		err error
	}
	got := make(chan listening)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the user it became
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); e != 0 {
			got <- listening{nil, e}
			return
		}
		l, err := net.Listen("unix", path)
		got <- listening{l, err}
	}()
	it := <-got
	if it.err != nil {
		t.Fatal(it.err)
	}
	t.Cleanup(func() { it.l.Close() })
	go func() {
		for {
			c, err := it.l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, `{"state":"running"}`)
			c.Close()
		}
	}()
}

// TestForger requires that nobody is believed to be the daemon but root and the
// owner of a state directory that root put where it is.
func TestForger(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	for _, tt := range []struct {
		name                           string
		listener, runOwner, stateOwner uint32
		shared                         bool // anybody could have made the state directory
		believed                       bool
	}{
		{"root", 0, 0, 0, false, true},
		{"the daemon's user", nobody, nobody, nobody, false, true},
		{"root in the daemon's directory", 0, nobody, nobody, false, true},
		{"another user", nobody, nobody, 0, false, false},
		{"root in another user's directory", 0, nobody, 0, false, false},
		{"a user with a state directory in a shared place", nobody, nobody, nobody, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var c config.Config
			run, place := filepath.Join(dir, "run"), filepath.Join(dir, "lib")
			c.Socket, c.StateDir = filepath.Join(run, "s"), filepath.Join(place, "state")
			mode := os.FileMode(0o755)
			if tt.shared {
				mode = 0o777 | os.ModeSticky
			}
			err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755), os.Mkdir(run, 0o755), os.MkdirAll(c.StateDir, 0o700), os.Chmod(place, mode),
				os.Chown(run, int(tt.runOwner), 0), os.Chown(c.StateDir, int(tt.stateOwner), 0))
			if err != nil {
				t.Fatal(err)
			}
			listenAs(t, tt.listener, c.Socket)
			st, err := Ask(c)
			if tt.believed && (err != nil || st.State != "running") || !tt.believed && (!errors.Is(err, ErrForger) || st.State != "") {
				t.Errorf("%q, %v", st.State, err)
			}
		})
	}
}

// TestIdleConnections requires that clients who only hold connections keep neither
// more descriptors than the bound nor the next client away.
func TestIdleConnections(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &boundedListener{Listener: inner, most: 4}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "figures") })}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	defer func() { server.Close(); <-done }()
	for range 100 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	client := &http.Client{Timeout: 20 * time.Second}
	resp, err := client.Get("http://" + inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if resp.Body.Close(); string(text) != "figures" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.open); n > 4 {
		t.Errorf("%d connections are open, want 4 at most", n)
	}
}
