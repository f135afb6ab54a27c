package host

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// askProcess has a crew look at a process. A process that holds its own memory map, or
// has a descriptor of which there is much to tell, lets whoever looks wait.
func askProcess[T any](l *System, pid uint32, look func() (T, bool)) (T, bool) {
	type answer struct {
		got T
		ok  bool
	}
	a, ok := ask(l.procs, func() uint64 { return ownerOf(pid) }, func() answer {
		got, ok := look()
		return answer{got, ok}
	})
	return a.got, ok && a.ok
}

// unsetLogin marks the key of a process that nobody logged in for: its user is the
// process's own.
const unsetLogin = 1 << 32

// ownerOf is the user whose process it is: who logged in, which no program changes, or
// else whom it runs as. Neither waits for the process.
func ownerOf(pid uint32) uint64 {
	base := procPath(pid)
	text, err := readStart(base+"/loginuid", 16)
	if id, bad := strconv.ParseUint(string(text), 10, 32); err == nil && bad == nil && uint32(id) != event.Unset {
		return id
	}
	var st unix.Stat_t
	if unix.Stat(base, &st) != nil {
		return unsetLogin | nobody // it is no more
	}
	return unsetLogin | uint64(st.Uid)
}

func procPath(pid uint32) string { return "/proc/" + strconv.FormatUint(uint64(pid), 10) }

// readStart reads a file up to a size. What lies behind is not asked for.
func readStart(path string, size int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	buf := make([]byte, size)
	n, err := io.ReadFull(file, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return buf[:n], err
}

// began is when a process began, in Unix milliseconds, less what its clock is rough by; ok
// is false if it is no more.
func began(pid int) (at int64, ok bool) {
	text, err := readStart("/proc/"+strconv.Itoa(pid)+"/stat", 1<<10)
	if err != nil {
		return 0, false
	}
	_, ticks, ok := parseStat(text)
	return sinceBoot(ticks), ok
}

// sinceBoot is a time in hundredths of a second since boot as Unix milliseconds, less what
// that is rough by.
func sinceBoot(ticks int64) int64 {
	var real, boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME, &real) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 1<<63 - 1 // no kernel refuses these clocks
	}
	return (real.Nano()-boot.Nano())/1e6 + ticks*10 - 10
}

// parseStat reads a process's parent, 0 for none, and when it began, in hundredths of a
// second since boot, from /proc/PID/stat. Its name, in brackets, may hold anything.
func parseStat(stat []byte) (parent uint32, ticks int64, ok bool) {
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 20 {
		return 0, 0, false
	}
	pid, err1 := strconv.ParseUint(string(f[1]), 10, 32)
	ticks, err2 := strconv.ParseInt(string(f[19]), 10, 64)
	return uint32(pid), ticks, err1 == nil && err2 == nil
}

// A directory is what a file descriptor of another process stands for.
type directory struct {
	path string
	dev  event.Dev
	ino  uint64
}

// procFD tells what descriptor fd of process pid stands for, while the process
// lives and has it open. It reads only /proc, which asks the kernel's memory
// and never the file system behind the descriptor, so a dead NFS server cannot
// hold it up. The inode is in fdinfo since Linux 5.14; on older kernels there
// is no answer.
//
// A descriptor that has no path is not asked further: fdinfo of an inotify
// descriptor lists all its watches, which takes seconds.
func procFD(pid, fd int, mounts *MountTable) (directory, bool) {
	base := "/proc/" + strconv.Itoa(pid)
	n := strconv.Itoa(fd)
	path, err := os.Readlink(base + "/fd/" + n)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasSuffix(path, " (deleted)") {
		return directory{}, false // a name may end so, too; then we do not know it
	}
	ino, mnt, ok := fdinfo(base + "/fdinfo/" + n)
	if !ok {
		return directory{}, false
	}
	dev, ok := mounts.dev(base, mnt)
	return directory{path, dev, ino}, ok
}

// mostFdinfo is more than what stands before the list of a file's locks.
const mostFdinfo = 1 << 10

// fdinfo reads the inode and the mount's id of a descriptor.
func fdinfo(path string) (ino uint64, mnt string, ok bool) {
	text, err := readStart(path, mostFdinfo)
	if err != nil {
		return 0, "", false
	}
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(string(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "ino":
			ino, err = strconv.ParseUint(value, 10, 64)
			ok = err == nil
		case "mnt_id":
			mnt = value
		}
	}
	return ino, mnt, ok && mnt != ""
}
