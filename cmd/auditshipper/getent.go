package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// getentNotFound is the exit status of getent(1) for a key that is not there.
const getentNotFound = 2

// longestUserName is the C library's LOGIN_NAME_MAX.
const longestUserName = 256

// getent returns what asks the name service switch for a user's name, nil where
// there is no getent(1). The switch loads libraries, which a static program cannot.
func getent() func(ctx context.Context, uid uint32) (string, error) {
	path, err := exec.LookPath("getent")
	if err != nil {
		return nil
	}
	return func(ctx context.Context, uid uint32) (string, error) {
		out, err := runGetent(ctx, path, uid)
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil: // plainer than "signal: killed"
			return "", fmt.Errorf("ask getent for user %d: %w", uid, ctx.Err())
		case errors.As(err, &exit) && exit.ExitCode() == getentNotFound:
			return "", nil
		case err != nil:
			return "", fmt.Errorf("ask getent for user %d: %w", uid, err)
		}
		return parseUser(out, uid)
	}
}

// nobody is the user of the kernel that owns nothing.
const nobody = 65534

// runGetent returns what getent prints of a user. The libraries that getent loads
// are strangers' code: it gets neither our capabilities nor our environment, which
// may hold credentials, and does not outlive us. Root's daemon runs it as nobody.
// The service's user cannot become another one, so there the kernel keeps getent
// from our files.
func runGetent(ctx context.Context, path string, uid uint32) (out []byte, err error) {
	cmd := exec.CommandContext(ctx, path, "passwd", strconv.FormatUint(uint64(uid), 10))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // a script in some distributions
	cmd.WaitDelay = time.Second
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Capabilities are a thread's, and so is the death that getent hears of. This
		// thread is never unlocked: it ends here, with getent.
		runtime.LockOSThread()
		err = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
		if err == nil && os.Geteuid() != 0 {
			err = hideFiles(filepath.Dir(path))
		}
		if err == nil {
			out, err = cmd.Output()
		}
	}()
	<-done
	return out, err
}

// parseUser takes the name from a line of passwd(5), if it is this user's and one
// that can stand in an event.
func parseUser(line []byte, uid uint32) (string, error) {
	f := strings.SplitN(string(line), ":", 4)
	if len(f) < 4 || f[2] != strconv.FormatUint(uint64(uid), 10) {
		return "", fmt.Errorf("getent answers of user %d: %.100q", uid, line)
	}
	name := f[0]
	bad := func(r rune) bool { return !unicode.IsPrint(r) }
	if name == "" || len(name) > longestUserName || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) {
		return "", fmt.Errorf("getent answers that user %d is %.100q", uid, name)
	}
	return name, nil
}
