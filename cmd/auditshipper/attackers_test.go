//go:build amd64

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() { roles["AUDITSHIPPER_TEST_ATTACKER"] = attacker }

// A stage is where an attacker works: its own directories m and o, and root's.
type stage struct {
	Story   string
	Own     string // the attacker's, inside the watched directory
	Outside string // the attacker's, outside, on the same file system
	Secret  string // root's, inside
	Pages   string // a file system whose pages come when they are asked for
}

// attacks are the ways to work beside root, by story. Each prepares and returns one step, which
// is repeated.
var attacks = map[string]func(stage) (step func(i int) error, err error){
	"page": attackOverPage, "symlink": attackByLink, "cwd": attackByCwd, "chroot": attackByChroot, "bind": attackByBind,
	"overlay": attackByOverlay, "renamed": attackByRenames, "reuse": attackByReuse, "proc": attackByProc, "storm": attackByStorm,
	"commandline": attackByCommandLine,
}

// attacker attacks until its standard input ends.
func attacker(text string) error {
	var s stage
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	step, err := attacks[s.Story](s)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Story, err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for i := 0; ; i++ {
		if err := step(i); err != nil {
			return fmt.Errorf("%s, step %d: %w", s.Story, i, err)
		}
		if i == 3 {
			fmt.Println("attacking")
		}
		time.Sleep(300 * time.Microsecond) // root's commands need a processor, too
	}
}

// dirs opens the attacker's directories.
func (s stage) dirs() (m, o int, err error) {
	m, err1 := unix.Open(s.Own+"/m", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	o, err2 := unix.Open(s.Own+"/o", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return m, o, errors.Join(err1, err2)
}

func touchAt(dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

// attackOverPage has the kernel wait for the page in which a name stands, while another
// thread changes the working directory: the name is looked up in another directory than
// the one that the kernel prints.
func attackOverPage(s stage) (func(int) error, error) {
	m, o, err := s.dirs()
	if err != nil {
		return nil, err
	}
	file, err := unix.Open(s.Pages+"/f", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	pages, err := unix.Mmap(file, 0, pagesSize, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	begin, moved := make(chan bool), make(chan error)
	go moveMeanwhile(s, o, begin, moved)
	return func(i int) error {
		const here = ^uintptr(99) // AT_FDCWD
		page := uintptr(unsafe.Pointer(&pages[i%(pagesSize/4096)*4096]))
		old, err := unix.BytePtrFromString(fmt.Sprintf("m.%d", i/3))
		if err != nil {
			return err
		}
		dir, at := uintptr(m), uintptr(unsafe.Pointer(old))
		call := [7]uintptr{unix.SYS_UNLINKAT, here, page}
		switch i % 3 {
		case 0:
			call, err = [7]uintptr{unix.SYS_RENAMEAT2, dir, at, here, page}, touchAt(m, fmt.Sprintf("m.%d", i/3))
		case 1:
			call = [7]uintptr{unix.SYS_RENAMEAT2, here, page, dir, at}
		default:
			err = touchAt(o, "o.x")
		}
		if err = errors.Join(err, unix.Fchdir(m)); err != nil {
			return err
		}
		begin <- true
		_, _, errno := unix.Syscall6(call[0], call[1], call[2], call[3], call[4], call[5], call[6])
		runtime.KeepAlive(old)
		if err := <-moved; err != nil || errno != 0 {
			return errors.Join(err, errno)
		}
		return nil
	}, nil
}

// moveMeanwhile goes to a directory while a page is waited for. Until the page has come, nothing
// here may change the memory map, which whoever waits may hold: no memory is allocated.
func moveMeanwhile(s stage, dir int, begin <-chan bool, moved chan<- error) {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	held, release, st := []byte(s.Pages+"/held\x00"), []byte(s.Pages+"/go\x00"), new(unix.Stat_t)
	stat := func(path []byte) unix.Errno {
		_, _, errno := unix.RawSyscall(unix.SYS_STAT, uintptr(unsafe.Pointer(&path[0])), uintptr(unsafe.Pointer(st)), 0)
		return errno
	}
	for range begin {
		for stat(held) != unix.EBUSY {
			unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		}
		_, _, errno := unix.RawSyscall(unix.SYS_FCHDIR, uintptr(dir), 0, 0)
		stat(release) // ENOENT
		var err error
		if errno != 0 {
			err = errno
		}
		moved <- err
	}
}

// attackByLink names root's directories through a link of its own, in calls that fail.
func attackByLink(s stage) (func(int) error, error) {
	link := s.Own + "/m/ln"
	if err := os.Symlink(s.Secret, link); err != nil {
		return nil, err
	}
	return func(int) error { return refusedBelow(link) }, nil
}

// refusedBelow tries to remove whatever there is.
func refusedBelow(top string) error {
	return filepath.WalkDir(top+"/", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && unix.Unlink(path) == nil {
			return fmt.Errorf("%s could be removed", path)
		}
		return nil // what is gone is gone
	})
}

// attackByCommandLine removes trees as rm -rf does, by descriptors, from a working directory of
// root's. The command line names root's directory, too: a preloaded library, or the
// program itself, calls what it likes.
func attackByCommandLine(s stage) (func(int) error, error) {
	m, o, err := s.dirs()
	if err == nil {
		err = unix.Chdir(s.Secret)
	}
	return func(i int) error {
		dir := []int{m, o}[i%2]
		if err := unix.Mkdirat(dir, "kept", 0o755); err != nil {
			return err
		}
		fd, err := unix.Openat(dir, "kept", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return errors.Join(touchAt(fd, "kept"), unix.Unlinkat(fd, "kept", 0), unix.Close(fd), unix.Unlinkat(dir, "kept", unix.AT_REMOVEDIR))
	}, err
}

// attackByCwd changes the working directory in one thread, while another one removes.
func attackByCwd(s stage) (func(int) error, error) {
	m, o, err := s.dirs()
	if err != nil {
		return nil, err
	}
	secret, err := unix.Open(s.Secret+"/kept", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var failed atomic.Value
	go func() {
		for i := 0; ; i++ {
			if err := unix.Fchdir([]int{m, secret, o}[i%3]); err != nil {
				failed.Store(err)
			}
		}
	}()
	return func(int) error {
		for _, dir := range []int{m, o} {
			if err := touchAt(dir, "kept"); err != nil { // as root has one
				return err
			}
		}
		_ = unix.Unlink("kept")             // EACCES in root's directory
		_ = unix.Rename("kept", "kept.new") // the same
		err, _ := failed.Load().(error)
		return err
	}, nil
}

// private has the calling process see mounts of its own.
func private() error { return unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") }

// attackByChroot has below its own directory one by the name of root's.
func attackByChroot(s stage) (func(int) error, error) {
	if err := errors.Join(unix.Chroot(s.Own+"/m/jail"), unix.Chdir("/")); err != nil {
		return nil, err
	}
	return func(i int) error {
		name := fmt.Sprintf("%s/kept/jailed.%d", s.Secret, i)
		if err := touchAt(unix.AT_FDCWD, name); err != nil {
			return err
		}
		return errors.Join(unix.Rename(name, s.Secret+"/kept/jailed"), unix.Unlink(s.Secret+"/kept/jailed"))
	}, nil
}

// attackByBind mounts its own directory over root's, and root's over its own.
func attackByBind(s stage) (func(int) error, error) {
	err := errors.Join(private(), unix.Mount(s.Secret, s.Own+"/o", "", unix.MS_BIND, ""), unix.Mount(s.Own+"/m", s.Secret+"/kept", "", unix.MS_BIND, ""))
	if err != nil {
		return nil, err
	}
	return func(i int) error {
		name := fmt.Sprintf("%s/kept/m.%d", s.Secret, i)
		if err := touchAt(unix.AT_FDCWD, name); err != nil {
			return err
		}
		if i%2 == 0 {
			return errors.Join(unix.Unlink(name), refusedBelow(s.Own+"/o"))
		}
		dir, err := os.Open(s.Secret + "/kept")
		if err != nil {
			return err
		}
		return errors.Join(unix.Unlinkat(int(dir.Fd()), filepath.Base(name), 0), dir.Close())
	}, nil
}

// attackByOverlay mounts a stacked file system over root's directory.
func attackByOverlay(s stage) (func(int) error, error) {
	m := s.Own + "/m/"
	if err := errors.Join(private(), unix.Mount("overlay", s.Secret+"/kept", "overlay", 0, "userxattr,lowerdir="+m+"low,upperdir="+m+"up,workdir="+m+"work")); err != nil {
		return nil, err
	}
	return func(i int) error {
		name := fmt.Sprintf("%s/kept/up.%d", s.Secret, i)
		if err := touchAt(unix.AT_FDCWD, name); err != nil {
			return err
		}
		return errors.Join(unix.Rename(name, s.Secret+"/kept/up"), unix.Unlink(s.Secret+"/kept/up"))
	}, nil
}

// A turnstile counts renames in memory that attacker and victim share: it is odd during one.
type turnstile struct{ count *atomic.Uint64 }

func openTurnstile(path string) (turnstile, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return turnstile{}, err
	}
	defer unix.Close(fd)
	m, err := unix.Mmap(fd, 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return turnstile{}, err
	}
	return turnstile{(*atomic.Uint64)(unsafe.Pointer(&m[0]))}, nil
}

// names are those that the directory has before an even number of renames, and an odd one.
var renamedNames = [2]string{"one", "two"}

// attackByRenames renames the directory in which root removes.
func attackByRenames(s stage) (func(int) error, error) {
	turns, err := openTurnstile(s.Outside + "/turns")
	if err != nil {
		return nil, err
	}
	return func(i int) error {
		turns.count.Add(1)
		err := unix.Rename(s.Own+"/m/"+renamedNames[i%2], s.Own+"/m/"+renamedNames[1-i%2])
		turns.count.Add(1)
		time.Sleep(time.Millisecond)
		return err
	}, nil
}

// attackByReuse moves directories out of sight and removes them there: their inodes are
// given to root's next ones.
func attackByReuse(s stage) (func(int) error, error) {
	m := s.Own + "/m/"
	return func(i int) error {
		var err error
		for j := range 8 {
			name := fmt.Sprintf("gone.%d.%d", i, j)
			err = errors.Join(err, unix.Mkdir(m+name, 0o755), unix.Rename(m+name, s.Outside+"/"+name))
		}
		for j := range 8 {
			err = errors.Join(err, unix.Rmdir(fmt.Sprintf("%s/gone.%d.%d", s.Outside, i, j)))
		}
		time.Sleep(3 * time.Millisecond)
		return err
	}, nil
}

// attackByProc names its directories, and root's, through /proc.
func attackByProc(s stage) (func(int) error, error) {
	m, _, err := s.dirs()
	if err != nil {
		return nil, err
	}
	secret, err := unix.Open(s.Secret+"/kept", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err = errors.Join(err, unix.Fchdir(m)); err != nil {
		return nil, err
	}
	ways := []string{
		fmt.Sprintf("/proc/self/fd/%d/", m), "/proc/self/cwd/", fmt.Sprintf("/proc/%d/cwd/", os.Getpid()), "/proc/thread-self/cwd/",
		fmt.Sprintf("/proc/self/root%s/m/", s.Own), fmt.Sprintf("/proc/self/fd/%d/../m/", m), fmt.Sprintf("/dev/fd/%d/", m),
	}
	return func(i int) error {
		name, way := fmt.Sprintf("m.%d", i), ways[i%len(ways)]
		_ = unix.Unlink(fmt.Sprintf("/proc/self/fd/%d/kept", secret))         // EACCES
		_ = unix.Unlink(fmt.Sprintf("/proc/self/fd/%d/../kept/kept", secret)) // EACCES
		return errors.Join(touchAt(m, name), unix.Rename(way+name, way+"m"), unix.Unlink(way+"m"))
	}, nil
}

// attackByStorm renames directories, by names that root uses as well and by descriptors.
func attackByStorm(s stage) (func(int) error, error) {
	m, o, err := s.dirs()
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Fields("a b f") {
		if err := os.Mkdir(s.Own+"/m/m."+name, 0o755); err != nil {
			return nil, err
		}
	}
	return func(i int) (err error) {
		for _, name := range strings.Fields("a b f") {
			err = errors.Join(err, unix.Renameat(m, "m."+name, o, "o."+name), unix.Renameat(o, "o."+name, m, "m."+name),
				unix.Rename(s.Own+"/m/m."+name, s.Own+"/o/o."+name), unix.Rename(s.Own+"/o/o."+name, s.Own+"/m/m."+name))
		}
		return err
	}, nil
}
