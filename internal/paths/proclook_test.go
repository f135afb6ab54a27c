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

func (procLookup) Descriptor(pid uint32, fd int32) (path string, f File, began int64, ok bool) {
	link := "/proc/" + strconv.Itoa(int(pid)) + "/fd/" + strconv.Itoa(int(fd))
	path, err := os.Readlink(link)
	if err != nil || strings.HasSuffix(path, " (deleted)") {
		return "", File{}, 0, false
	}
	f = look(link, 0)
	return path, f, 0, f != File{}
}

func (procLookup) Stat(path []byte) File { return look(string(path), unix.AT_SYMLINK_NOFOLLOW) }

func (procLookup) Mounted([]byte, event.Dev) bool { return true }

func (procLookup) Process(uint32, func(string, File)) (uint64, bool) { return 0, true }

func (procLookup) Search([]byte, event.Inode) string { return "" }

func (procLookup) Walk(path []byte, f func(path []byte, dir File)) {
	for end := range len(path) + 1 {
		if end != 0 && end != len(path) && path[end] != '/' {
			continue
		}
		dir := path[:max(end, 1)]
		at := look(string(dir), unix.AT_SYMLINK_NOFOLLOW)
		if !at.Dir {
			return
		}
		at.Born = max(at.Born, 1)
		f(dir, at)
		if len(path) == 1 {
			return
		}
	}
}

func (procLookup) Now() int64 { return time.Now().UnixMilli() }

// look is what is at a path, the zero File for nothing.
func look(path string, flags int) (f File) {
	var st unix.Statx_t
	if unix.Statx(unix.AT_FDCWD, path, flags, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_NLINK|unix.STATX_BTIME|unix.STATX_CTIME, &st) != nil {
		return File{}
	}
	f = File{Inode: event.Inode{Dev: event.MakeDev(st.Dev_major, st.Dev_minor), Ino: st.Ino}, Dir: st.Mode&unix.S_IFMT == unix.S_IFDIR, Local: true, Links: st.Nlink}
	if st.Mask&unix.STATX_BTIME != 0 {
		f.Born = st.Btime.Sec*1000 + int64(st.Btime.Nsec)/1e6
	}
	f.Changed = st.Ctime.Sec*1000 + int64(st.Ctime.Nsec)/1e6
	return f
}
