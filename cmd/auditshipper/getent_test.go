package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeGetent puts a script in the place of getent.
func fakeGetent(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "getent"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	openWay(t)
}

func TestGetent(t *testing.T) {
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	const ann = `1000:1000:Ann:/home/ann:/bin/sh\n`
	for _, tt := range []struct {
		name, script string
		want, err    string
	}{
		{"a user", `[ "$*" = "passwd 1000" ] && printf 'ann:x:` + ann + `'`, "ann", ""},
		{"a domain", `printf '%s\n' 'CORP\domain users:*:1000:1000::/:/bin/sh'`, `CORP\domain users`, ""},
		{"an accent", `printf 'j\303\274rgen:x:` + ann + `'`, "jürgen", ""},
		{"nobody", `exit 2`, "", ""},
		{"no such database", `exit 1`, "", "exit status 1"},
		{"no answer at all", ``, "", "answers of user 1000"},
		{"somebody else", `echo eve:x:0:0::/:/bin/sh`, "", "answers of user 1000"},
		{"half a line", `echo ann:x:1000`, "", "answers of user 1000"},
		{"no name", `printf ':x:` + ann + `'`, "", `is ""`},
		{"a control character", `printf 'a\033[2Jn:x:` + ann + `'`, "", "is "},
		{"broken UTF-8", `printf 'a\377n:x:` + ann + `'`, "", "is "},
		{"a name of 257 bytes", `printf '%0257d:x:` + ann + `' 0`, "", "is "},
		{"our environment", `echo "$AWS_SECRET_ACCESS_KEY:x:1000:1000"`, "", `is ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fakeGetent(t, tt.script)
			got, err := getent()(t.Context(), 1000)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q, %v; want %q, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

// TestGetentHere asks this machine.
func TestGetentHere(t *testing.T) {
	ask := getent()
	if ask == nil {
		t.Skip("no getent")
	}
	if got, err := ask(t.Context(), 0); got != "root" || err != nil {
		t.Errorf("user 0 is %q, %v; want root", got, err)
	}
}

func TestGetentIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if getent() != nil {
		t.Error("there is somebody to ask")
	}
}

// TestGetentHangs requires that a getent which never answers is ended with its
// context, even if it leaves somebody behind who holds its output.
func TestGetentHangs(t *testing.T) {
	fakeGetent(t, "sleep 30 & sleep 30\n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if got, err := getent()(ctx, 1000); got != "" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%q, %v; want the deadline", got, err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestGetentHasNoRights requires that getent gets none of the capabilities that the
// daemon has by systemd. It runs itself again as a user who has one.
func TestGetentHasNoRights(t *testing.T) {
	if os.Getenv("GETENT_AS_USER") != "" {
		got, err := getent()(t.Context(), 1000)
		if strings.Trim(got, "0") != "" || got == "" || err != nil {
			t.Errorf("getent has capabilities %s, %v", got, err)
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	fakeGetent(t, `while read -r key set; do [ "$key" = CapEff: ] && echo "$set:x:1000:1000"; done </proc/self/status; exit 0`)
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	cmd := exec.Command("/proc/self/fd/3", "-test.run", "^"+t.Name()+"$") // its directory is closed to others
	cmd.ExtraFiles = []*os.File{self}
	cmd.Env = append(os.Environ(), "GETENT_AS_USER=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: []uintptr{unix.CAP_SYS_PTRACE, unix.CAP_DAC_READ_SEARCH},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestGetentSeesNothing requires that getent, as root's daemon runs it, is nobody,
// and as the service runs it, cannot read the files of the service's user.
func TestGetentSeesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	fakeGetent(t, `echo "$(id -u):x:1000:1000"`)
	if got, err := getent()(t.Context(), 1000); got != "65534" || err != nil {
		t.Errorf("root's getent is user %q, %v", got, err)
	}
	secret := filepath.Join(t.TempDir(), "credentials")
	if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o644), os.Chmod(filepath.Dir(secret), 0o755), os.Chmod(filepath.Dir(filepath.Dir(secret)), 0o755)); err != nil {
		t.Fatal(err)
	}
	fakeGetent(t, `cat "`+secret+`" >/dev/null 2>&1 && echo read:x:1000:1000 || echo refused:x:1000:1000`)
	got, err := asService(t, 1000)
	if got == "read" && !hasLandlock() {
		t.Skip("this kernel has no Landlock")
	}
	if got != "refused" || err != nil {
		t.Errorf("a credential can be %q, %v", got, err)
	}
}

// openWay lets other users run the fake getent.
func openWay(t *testing.T) {
	t.Helper()
	for dir, _, _ := strings.Cut(os.Getenv("PATH"), ":"); dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func hasLandlock() bool {
	_, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return e == 0
}

// asService asks as hideFiles confines the service's user.
func asService(t *testing.T, uid uint32) (name string, err error) {
	t.Helper()
	path, err := exec.LookPath("getent")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends confined
		if err = hideFiles(filepath.Dir(path)); err != nil {
			return
		}
		var out []byte
		if out, err = exec.Command(path, "passwd", "1000").Output(); err == nil {
			name, err = parseUser(out, uid)
		}
	}()
	<-done
	return name, err
}
