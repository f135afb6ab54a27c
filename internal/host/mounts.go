package host

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A Mount is one line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type Mount struct {
	ID     string
	Dev    string // major:minor, decimal
	Point  string
	Type   string // nfs4, ext4, …
	Source string // fs-0123.efs.eu-west-1.amazonaws.com:/, /dev/nvme0n1, …
}

const mountinfo = "/proc/self/mountinfo"

// ReadMounts returns the mounts in the order of /proc, in which a later one
// covers an earlier one at the same point.
func ReadMounts() ([]Mount, error) {
	text, err := os.ReadFile(mountinfo)
	if err != nil {
		return nil, err
	}
	return ParseMounts(bytes.NewReader(text))
}

// ParseMounts reads the lines of a mountinfo.
func ParseMounts(r io.Reader) ([]Mount, error) {
	var mounts []Mount
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 2 {
			return nil, fmt.Errorf("mountinfo line %q is not one", lines.Text())
		}
		mounts = append(mounts, Mount{ID: f[0], Dev: f[2], Point: unescape(f[4]), Type: g[0], Source: unescape(g[1])})
	}
	return mounts, lines.Err()
}

// unescape undoes the octal that the kernel writes for space, tab, newline and
// backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if o := (s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'); s[i+1] <= '3' {
				b.WriteByte(o)
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// MountOf returns the mount that holds path: the last one whose point is path
// or above it.
func MountOf(mounts []Mount, path string) (Mount, bool) {
	var best Mount
	found := false
	for _, m := range mounts {
		if Below(path, m.Point) && (!found || len(m.Point) >= len(best.Point)) {
			best, found = m, true
		}
	}
	return best, found
}

// Below reports whether path is dir or inside it.
func Below(path, dir string) bool {
	if dir == "/" {
		return strings.HasPrefix(path, "/")
	}
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/')
}

// IsNetwork reports whether a file system's type is one that other hosts serve
// and that may therefore hang.
func IsNetwork(fstype string) bool {
	switch fstype {
	case "nfs", "nfs4", "efs", "lustre", "cifs", "smb3", "ceph", "9p", "fuse", "virtiofs", "afs", "glusterfs", "gpfs", "beegfs":
		return true
	}
	return strings.HasPrefix(fstype, "fuse.")
}

// Fstab returns the points that /etc/fstab names, with their types. A
// host without the file has none.
func Fstab() (map[string]string, error) {
	text, err := os.ReadFile("/etc/fstab")
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	points := map[string]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) >= 3 && !strings.HasPrefix(f[0], "#") && strings.HasPrefix(f[1], "/") {
			points[unescape(f[1])] = f[2]
		}
	}
	return points, nil
}

// WatchMounts calls changed after every change of the mount table, until stop
// (a descriptor) becomes readable.
func WatchMounts(stop int, changed func()) error {
	// Not an os.File: the runtime would poll it, too, and a change is told only to
	// the first who asks.
	fd, err := unix.Open(mountinfo, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", mountinfo, err)
	}
	defer unix.Close(fd)
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}, {Fd: int32(stop), Events: unix.POLLIN}}
		switch _, err := unix.Poll(fds, -1); {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("poll %s: %w", mountinfo, err)
		case fds[1].Revents != 0:
			return nil
		}
		changed()
	}
}
