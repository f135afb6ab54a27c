package host

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// startedAfter says whether a process is certainly younger than at, in Unix
// milliseconds: then its number was another one's. The kernel counts its start in
// hundredths of a second, and the time of events in steps of up to ten milliseconds.
func startedAfter(pid int, at int64) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true // it is no more
	}
	var real, boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME, &real) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return true
	}
	ticks, ok := startOf(text)
	booted := (real.Nano() - boot.Nano()) / 1e6
	return !ok || booted+ticks*10-10 > at
}

// startOf reads when a process began from /proc/PID/stat, in hundredths of a
// second since boot. Its name, in brackets, may hold anything.
func startOf(stat []byte) (ticks int64, ok bool) {
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 20 {
		return 0, false
	}
	ticks, err := strconv.ParseInt(string(f[19]), 10, 64)
	return ticks, err == nil
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
func procFD(pid, fd int, mounts *MountTable) (directory, bool) {
	base := "/proc/" + strconv.Itoa(pid)
	n := strconv.Itoa(fd)
	ino, mnt, ok := fdinfo(base + "/fdinfo/" + n)
	if !ok {
		return directory{}, false
	}
	path, err := os.Readlink(base + "/fd/" + n)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasSuffix(path, " (deleted)") {
		return directory{}, false // a name may end so, too; then we do not know it
	}
	dev, ok := mounts.dev(base, mnt)
	return directory{path, dev, ino}, ok
}

// fdinfo reads the inode and the mount's id of a descriptor.
func fdinfo(path string) (ino uint64, mnt string, ok bool) {
	text, err := os.ReadFile(path)
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
