package host

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestSlowDescriptor asks about a descriptor of which /proc tells thousands of lines: the
// watches of an inotify instance. It has no path, so that nothing is asked.
func TestSlowDescriptor(t *testing.T) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	top := t.TempDir()
	for i := range 500 {
		dir := filepath.Join(top, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE); err != nil {
			t.Fatal(err)
		}
	}
	mounts := mountsHere(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if d, ok := procFD(os.Getpid(), fd, mounts); ok {
		t.Errorf("an inotify instance is %+v", d)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<10 {
		t.Errorf("the look took %d KiB", took>>10)
	}
}

// TestWalk requires that a walk part by part comes to where the kernel comes, follows
// links only where it is told to, and ends where they are a circle.
func TestWalk(t *testing.T) {
	top := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(top, "a/b/c"), 0o700), os.Symlink("a/b", filepath.Join(top, "way")), os.Symlink("../b/./c/..", filepath.Join(top, "a/b/up")),
		os.Symlink(filepath.Join(top, "way/up/c"), filepath.Join(top, "abs")), os.Symlink("circle", filepath.Join(top, "circle")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	mounts := mountsHere(t)
	for _, tt := range []struct {
		path  string
		links follow
		want  string // empty for none
	}{
		{"a/b/c", followNone, "a/b/c"},
		{"way/c", followNone, ""},
		{"way", followNone, "way"},
		{"way/c", followWay, "a/b/c"},
		{"way", followWay, "way"},
		{"way", followAll, "a/b"},
		{"a/b/up/c", followWay, "a/b/c"},
		{"abs", followAll, "a/b/c"},
		{"circle", followAll, ""},
		{"circle", followNone, "circle"},
		{"nowhere", followAll, ""},
	} {
		w, err := walkTo(mounts, filepath.Join(top, tt.path), tt.links)
		if err != nil {
			if tt.want != "" {
				t.Errorf("%s: %v", tt.path, err)
			}
			continue
		}
		want := filepath.Join(top, tt.want)
		if w.at != want {
			t.Errorf("%s leads to %s, want %s", tt.path, w.at, want)
		}
		got, err := lookAt(w.fd)
		var st unix.Stat_t
		if e := unix.Lstat(want, &st); e != nil || err != nil || got.Ino != st.Ino {
			t.Errorf("%s is inode %d, want %d (%v, %v)", tt.path, got.Ino, st.Ino, e, err)
		}
		unix.Close(w.fd)
	}
}

// TestWideDirectory walks a directory of more directories than are kept, and requires
// that memory and time stay within bounds.
func TestWideDirectory(t *testing.T) {
	f := &finder{mounts: mountsHere(t), found: map[event.Inode]string{}, walked: map[string]time.Time{}}
	for i := range 400_000 {
		f.note(event.Inode{Dev: 1, Ino: uint64(i)}, fmt.Sprintf("/srv/wide/%0100d", i))
	}
	var now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&now)
	if now.HeapAlloc > 32<<20 || len(f.found) == 0 {
		t.Errorf("%d directories are kept in %d MiB", len(f.found), now.HeapAlloc>>20)
	}
	runtime.KeepAlive(f)
}
