//go:build amd64

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// A silentServer is a FUSE file system with one file, f, of one page, and never answers
// who reads it.
type silentServer struct {
	fd    int
	dir   string
	size  uint64      // of the file
	pages *pageHolder // nil for one that never answers
}

// Requests of FUSE, linux/fuse.h.
const (
	fuseLookup  = 1
	fuseForget  = 2
	fuseGetattr = 3
	fuseOpen    = 14
	fuseRead    = 15
	fuseInit    = 26
)

// serveSilently mounts one at dir, as a user without rights would.
func serveSilently(t *testing.T, dir string, user int) *silentServer {
	t.Helper()
	return serve(t, &silentServer{dir: dir, size: 4096}, user)
}

// serve mounts a server for a user, and the group of the same number.
func serve(t *testing.T, s *silentServer, user int) *silentServer {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		kerneltest.Skip(t, err.Error())
	}
	s.fd = fd
	if err := unix.Mount("silent", s.dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%[2]d", fd, user)); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() {
		s.abort(t)
		<-done
		unix.Close(fd)
	})
	return s
}

// abort ends the connection: whoever waits for an answer gets an error.
func (s *silentServer) abort(t *testing.T) {
	if err := unix.Unmount(s.dir, unix.MNT_FORCE|unix.MNT_DETACH); err != nil && err != unix.EINVAL {
		t.Error(err)
	}
}

func (s *silentServer) serve() {
	buf := make([]byte, 256<<10)
	for {
		n, err := unix.Read(s.fd, buf)
		if err == unix.EINTR || err == unix.ENOENT {
			continue
		}
		if err != nil || n < 40 {
			return // unmounted
		}
		if s.pages != nil && s.pages.intercept(s.fd, buf[:n]) {
			continue
		}
		in := binary.NativeEndian
		if out, ok := s.answer(in.Uint32(buf[4:]), in.Uint64(buf[16:])); ok {
			_, _ = unix.Write(s.fd, append(binary.NativeEndian.AppendUint64(out[:8:8], in.Uint64(buf[8:])), out[16:]...)) // who asked may be gone
		}
	}
}

// answer is a reply without its unique number, false for none.
func (s *silentServer) answer(request uint32, node uint64) ([]byte, bool) {
	out := make([]byte, 16, 256)
	in := binary.NativeEndian
	switch request {
	case fuseForget, fuseRead:
		return nil, false
	case fuseInit:
		out = in.AppendUint32(out, 7) // version 7.31
		out = in.AppendUint32(out, 31)
		out = append(out, make([]byte, 8)...)
		out = in.AppendUint32(out, 12|10<<16)
		out = in.AppendUint32(out, 4096)
		out = in.AppendUint32(out, 1)
		out = append(out, make([]byte, 36)...)
	case fuseLookup:
		out = in.AppendUint64(out, 2)
		out = append(out, make([]byte, 8)...)
		out = in.AppendUint64(in.AppendUint64(out, 3600), 3600)
		out = append(out, make([]byte, 8)...)
		out = s.attr(out, 2)
	case fuseGetattr:
		out = in.AppendUint64(out, 3600)
		out = append(out, make([]byte, 8)...)
		out = s.attr(out, node)
	case fuseOpen:
		out = append(out, make([]byte, 16)...)
	default:
		in.PutUint32(out[4:], uint32(0xffffffff-uint32(unix.ENOSYS)+1))
	}
	in.PutUint32(out, uint32(len(out)))
	return out, true
}

func (s *silentServer) attr(out []byte, node uint64) []byte {
	in := binary.NativeEndian
	mode := uint32(unix.S_IFREG | 0o644)
	if node == 1 {
		mode = unix.S_IFDIR | 0o755
	}
	out = in.AppendUint64(in.AppendUint64(in.AppendUint64(out, node), s.size), 8)
	out = append(out, make([]byte, 36)...) // times
	out = in.AppendUint32(in.AppendUint32(out, mode), 1)
	return append(out, make([]byte, 20)...)
}

func init() { roles["AUDITSHIPPER_TEST_HOLD"] = holdMemory }

// holdMemory maps a file that is never read, reads a page of it through
// /proc/self/mem, which holds the memory map, and queues a change of the map behind.
// For each byte of its input it deletes the file of that name in directory 3; the first
// before it holds its memory: with it the kernel learns the command line for all events.
func holdMemory(file string) error {
	fd, err := unix.Open(file, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	m, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	mem, err := unix.Open("/proc/self/mem", unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	name, line, one := []byte("0\x00"), make([]byte, 1), make([]byte, 1)
	begun := make(chan struct{})
	deleter := func() { // without memory of its own, which could not grow any more
		runtime.LockOSThread()
		for first := true; ; first = false {
			if n, _, _ := unix.Syscall(unix.SYS_READ, 0, uintptr(unsafe.Pointer(&line[0])), 1); n != 1 {
				unix.Syscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
			}
			name[0] = line[0]
			unix.Syscall(unix.SYS_UNLINKAT, 3, uintptr(unsafe.Pointer(&name[0])), 0)
			if first {
				close(begun)
			}
		}
	}
	queue := func() {
		runtime.LockOSThread()
		for {
			at, _, _ := unix.Syscall6(unix.SYS_MMAP, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, ^uintptr(0), 0)
			unix.Syscall(unix.SYS_MUNMAP, at, 4096, 0)
		}
	}
	go deleter()
	<-begun
	go queue()
	runtime.LockOSThread()
	unix.Syscall6(unix.SYS_PREAD64, uintptr(mem), uintptr(unsafe.Pointer(&one[0])), 1, uintptr(unsafe.Pointer(&m[0])), 0, 0)
	select {}
}

// isHeld reports whether somebody who asks for a process's command line waits.
func isHeld(pid int) bool {
	read := make(chan struct{})
	go func() {
		_, _ = os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline") // until the process is killed
		close(read)
	}()
	select {
	case <-read:
		return false
	case <-time.After(200 * time.Millisecond):
		return true
	}
}

// TestKernelAttackHeldMemory has a process delete files while it holds its memory map, so
// that whoever looks at its command line waits without end. Everybody's events must
// arrive, the status must tell, and a stop must be a stop.
func TestKernelAttackHeldMemory(t *testing.T) {
	kerneltest.Need(t)
	server := serveSilently(t, t.TempDir(), 0)
	r := newRig(t, "")
	var names []string
	for i := range 8 {
		names = append(names, filepath.Join(r.watched, strconv.Itoa(i)), filepath.Join(r.watched, "honest"+strconv.Itoa(i)))
	}
	for _, name := range names {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	dir, err := os.Open(r.watched)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	attacker := exec.Command("/proc/self/exe")
	attacker.Env = append(os.Environ(), "AUDITSHIPPER_TEST_HOLD="+filepath.Join(server.dir, "f"), "GOMAXPROCS=8")
	attacker.ExtraFiles = []*os.File{dir}
	in, err := attacker.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := attacker.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		server.abort(t)
		_ = attacker.Process.Kill()
		_ = attacker.Wait() // "signal: killed"
	}()
	if _, err := io.WriteString(in, "0"); err != nil {
		t.Fatal(err)
	}
	r.eventually(20*time.Second, "the attacker to hold its memory", func() bool { return isHeld(attacker.Process.Pid) })

	for i := range 8 {
		if _, err := io.WriteString(in, strconv.Itoa(i)); err != nil { // the first is gone already
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(r.watched, "honest"+strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually(30*time.Second, "all events", func() bool { return len(r.ours()) >= 2*8 })
	if took := r.stop(); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	for _, e := range r.ours() {
		if e.Path != "" && filepath.IsAbs(e.Path) && filepath.Dir(e.Path) != r.watched {
			t.Errorf("%s is said to be at %s", e.ID, e.Path)
		}
	}
}

// TestKernelAttackForeignMount has a user mount a file system of his own over a watched
// directory and take it away again. The rules of the watch must stay, and it is told.
func TestKernelAttackForeignMount(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	file := filepath.Join(r.watched, "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	var armed int
	r.eventually(20*time.Second, "the rules", func() bool {
		st, err := askSocket(r.socket())
		armed = st.Rules.InEffect
		return err == nil && st.State == "running" && armed > 0
	})
	beneath, err := os.Open(r.watched)
	if err != nil {
		t.Fatal(err)
	}
	defer beneath.Close()
	server := serveSilently(t, r.watched, 1000)
	r.eventually(20*time.Second, "the status to tell", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.State == "degraded" && len(st.Rules.Covered) == 1 && st.Rules.InEffect == armed
	})
	if err := unix.Unlinkat(int(beneath.Fd()), "f", 0); err != nil {
		t.Fatal(err)
	}
	server.abort(t)
	r.eventually(20*time.Second, "the status to tell that it is gone", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.State == "running" && st.Rules.InEffect == armed && st.Rules.Repairs == 0
	})
	r.eventually(20*time.Second, "the deletion beneath, and the event that tells", func() bool {
		foreign := false
		for _, e := range r.arrived() {
			foreign = foreign || e.Op == "foreign_mount" && e.Path == r.watched
		}
		return foreign && len(r.ours()) == 1
	})
	r.stop()
}
