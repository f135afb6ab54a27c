package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Mount is one line of /proc/self/mountinfo (proc_pid_mountinfo(5)). Its words are
// bytes, which need not be UTF-8.
type Mount struct {
	ID     string
	Parent string
	Dev    string // major:minor, decimal
	Point  string
	Type   string // nfs4, ext4, …
	Source string // fs-0123.efs.eu-west-1.amazonaws.com:/, /dev/nvme0n1, …

	// Owner is the user who mounted a FUSE file system. 0 is root, and whoever
	// mounted any other kind, which takes root's rights.
	Owner uint32

	// Port is the server's port, empty where the mount's options name none. The port of
	// amazon-efs-utils' proxy tells its mounts apart.
	Port string
}

// Foreign reports whether a user without rights mounted it: who serves it may let
// everybody wait who looks, and tell what he likes.
func (m Mount) Foreign() bool { return m.Owner != 0 }

// Network reports whether other hosts, or a process, serve the file system, so that a
// look may hang.
func (m Mount) Network() bool { return IsNetwork(m.Type) }

// Trigger reports whether the first look below it would mount something there.
func (m Mount) Trigger() bool { return m.Type == "autofs" }

const mountinfo = "/proc/self/mountinfo"

// ReadMounts returns the mounts in the order of /proc.
func ReadMounts() ([]Mount, error) {
	file, err := os.Open(mountinfo)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ParseMounts(file)
}

// ParseMounts reads the lines of a mountinfo.
func ParseMounts(r io.Reader) ([]Mount, error) {
	var mounts []Mount
	err := eachMountLine(r, func(line []byte) error {
		m, ok := parseMount(string(line))
		if !ok {
			return fmt.Errorf("mountinfo line %q is not one", line)
		}
		mounts = append(mounts, m)
		return nil
	})
	return mounts, err
}

// longestMountLine is more than two paths whose every byte is escaped, and options of
// a page, may take. The options of an overlay with hundreds of layers are longer; what
// is beyond is left out.
const longestMountLine = 64 << 10

// eachMountLine calls do with each line, until that fails.
func eachMountLine(r io.Reader, do func(line []byte) error) error {
	in := bufio.NewReaderSize(r, longestMountLine)
	for {
		line, err := in.ReadSlice('\n')
		if len(line) > 0 {
			if err := do(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
				return err
			}
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// parseMount reads a line. The kernel writes 0x20 between words and escapes it within
// them; any other white space belongs to a word.
func parseMount(line string) (Mount, bool) {
	before, after, ok := strings.Cut(line, " - ")
	f, g := strings.Split(before, " "), strings.Split(after, " ")
	if !ok || len(f) < 6 || len(g) < 2 || f[0] == "" || f[2] == "" || f[4] == "" || g[0] == "" {
		return Mount{}, false
	}
	m := Mount{ID: f[0], Parent: f[1], Dev: f[2], Point: unescape(f[4]), Type: g[0], Source: unescape(g[1])}
	if len(g) > 2 {
		m.Owner, m.Port = fuseOwner(m.Type, g[2]), portOf(m.Type, g[2])
	}
	return m, true
}

// fuseOwner finds user_id among the options of a FUSE file system, where the kernel
// itself writes it.
func fuseOwner(fstype, options string) uint32 {
	id := option(options, "user_id=")
	if !strings.HasPrefix(fstype, "fuse") || id == "" {
		return 0
	}
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return nobody
	}
	return uint32(n)
}

// portOf finds the server's port among the options of an NFS mount (nfs(5)).
func portOf(fstype, options string) string {
	if fstype != "nfs4" && fstype != "nfs" {
		return ""
	}
	return option(options, "port=")
}

// option returns the value of the first option that begins with key.
func option(options, key string) string {
	for option := range strings.SplitSeq(options, ",") {
		if value, ok := strings.CutPrefix(option, key); ok {
			return value
		}
	}
	return ""
}

// nobody is a user of whom nothing is known, but that it is not root.
const nobody = 65534

// unescape undoes the octal that the kernel writes for space, tab, newline, backslash
// and, in fstab and for sources, a few others.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c, ok := octal(s[i:]); ok {
			b.WriteByte(c)
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// octal reads a backslash and three octal digits at the begin of s.
func octal(s string) (byte, bool) {
	if len(s) < 4 || s[0] != '\\' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[1:4], 8, 8)
	return byte(n), err == nil
}

// MountOf returns the mount that holds path, as the kernel finds it: what another mount
// covers counts for nothing.
func MountOf(mounts []Mount, path string) (Mount, bool) {
	t := newMountTree(mounts)
	at := t.holder(path)
	if at < 0 {
		return Mount{}, false
	}
	return mounts[at], true
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
	case "nfs", "nfs4", "efs", "s3files", "lustre", "cifs", "smb3", "ceph", "9p", "fuse", "fuseblk", "virtiofs", "afs", "glusterfs", "gpfs", "beegfs":
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
	return parseFstab(string(text)), nil
}

// parseFstab reads fstab(5): words between spaces and tabs, escaped as in mountinfo.
func parseFstab(text string) map[string]string {
	points := map[string]string{}
	for line := range strings.Lines(text) {
		f := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' || c == '\n' })
		if len(f) >= 3 && !strings.HasPrefix(f[0], "#") && strings.HasPrefix(f[1], "/") {
			points[unescape(f[1])] = f[2]
		}
	}
	return points
}

// WatchMounts calls changed once when the watch begins, after every change of the mount
// table, and again after the time that it returns, until stop (a descriptor) becomes
// readable. 0 stands for not before the next change.
func WatchMounts(stop int, changed func() (again time.Duration)) error {
	// Not an os.File: the runtime would poll it, too, and a change is told only to
	// the first who asks.
	fd, err := unix.Open(mountinfo, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", mountinfo, err)
	}
	defer unix.Close(fd)
	for {
		// The first look is for changes of before the watch, which nobody is told of.
		wait := int(changed().Milliseconds())
		if wait == 0 {
			wait = -1
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}, {Fd: int32(stop), Events: unix.POLLIN}}
		switch _, err := unix.Poll(fds, wait); {
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("poll %s: %w", mountinfo, err)
		case fds[1].Revents != 0:
			return nil
		}
	}
}
