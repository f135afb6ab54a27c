package paths

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// procLookup asks /proc, as the daemon does.
type procLookup struct{}

func (procLookup) FD(pid uint32, fd int32, at int64) (path string, dev event.Dev, ino uint64, ok bool) {
	link := "/proc/" + strconv.Itoa(int(pid)) + "/fd/" + strconv.Itoa(int(fd))
	path, err := os.Readlink(link)
	if err != nil || strings.HasSuffix(path, " (deleted)") {
		return "", 0, 0, false
	}
	st, ok := look(link, 0)
	return path, event.MakeDev(st.Dev_major, st.Dev_minor), st.Ino, ok && isOlder(st, at)
}

func (procLookup) Is(path []byte, dev event.Dev, ino uint64) bool {
	st, ok := look(string(path), unix.AT_SYMLINK_NOFOLLOW)
	return ok && event.MakeDev(st.Dev_major, st.Dev_minor) == dev && st.Ino == ino
}

func (l procLookup) Only(path []byte, dev event.Dev, ino uint64, at int64) bool {
	st, _ := look(string(path), unix.AT_SYMLINK_NOFOLLOW)
	return l.Is(path, dev, ino) && st.Nlink == 1 && isOlder(st, at)
}

func (l procLookup) Still(path []byte, dir int, dev event.Dev, ino uint64, at int64) bool {
	for i := dir + 1; i < len(path); i++ {
		if st, ok := look(string(path[:i]), unix.AT_SYMLINK_NOFOLLOW); path[i] == '/' && (!ok || st.Mode&unix.S_IFMT != unix.S_IFDIR) {
			return false
		}
	}
	st, _ := look(string(path), unix.AT_SYMLINK_NOFOLLOW)
	return l.Only(path, dev, ino, at) && st.Ctime.Sec*1000+int64(st.Ctime.Nsec)/1e6 <= at+clockStep
}

func (procLookup) Lies([]byte, event.Dev) bool { return true }

func (procLookup) View(uint32) (uint64, bool) { return 0, true }

func (procLookup) Seek([]byte, event.Dev) {}

func (procLookup) Found(event.Dev, uint64) string { return "" }

func (procLookup) Walk(path []byte, f func(path []byte, dev event.Dev, ino uint64, born int64)) {
	for end := range len(path) + 1 {
		if end != 0 && end != len(path) && path[end] != '/' {
			continue
		}
		dir := path[:max(end, 1)]
		var st unix.Statx_t
		err := unix.Statx(unix.AT_FDCWD, string(dir), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME, &st)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return
		}
		if end > 0 || len(path) == 1 || end == 0 {
			f(dir, event.MakeDev(st.Dev_major, st.Dev_minor), st.Ino, max(st.Btime.Sec*1000+int64(st.Btime.Nsec)/1e6, 1))
		}
		if len(path) == 1 {
			return
		}
	}
}

func (procLookup) Around(uint32, func(string, event.Dev, uint64, int64)) {}

func (procLookup) Now() int64 { return time.Now().UnixMilli() }

func look(path string, flags int) (st unix.Statx_t, ok bool) {
	err := unix.Statx(unix.AT_FDCWD, path, flags, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_NLINK|unix.STATX_BTIME|unix.STATX_CTIME, &st)
	return st, err == nil
}

func isOlder(st unix.Statx_t, at int64) bool {
	return st.Mask&unix.STATX_BTIME == 0 || st.Btime.Sec*1000+int64(st.Btime.Nsec)/1e6 <= at
}
