package host

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// TestStepsAlong goes along paths: it tells each directory from the root on, and ends at a
// link, at what is no directory, and where nothing is.
func TestStepsAlong(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir+"/a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/a/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l := newTestSystem(t, mountsHere(t))
	for _, tt := range []struct{ path, last string }{
		{dir + "/a/b", dir + "/a/b"},
		{dir + "/link/b", dir},
		{dir + "/link", dir},
		{dir + "/a/file", dir + "/a"},
		{dir + "/a/none/b", dir + "/a"},
		{"/", "/"},
	} {
		last, steps := "", 0
		l.Walk([]byte(tt.path), func(path []byte, f paths.File) {
			last = string(path)
			steps++
			var st unix.Stat_t
			if err := unix.Lstat(last, &st); err != nil || st.Ino != f.Ino || event.MakeDev(unix.Major(st.Dev), unix.Minor(st.Dev)) != f.Dev {
				t.Errorf("%s: got inode %d on %x, want %d on %x (%v)", last, f.Ino, f.Dev, st.Ino, st.Dev, err)
			}
		})
		if last != tt.last {
			t.Errorf("%s: went to %q, want %q", tt.path, last, tt.last)
		}
	}
}
