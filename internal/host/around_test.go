package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/paths"
)

// TestAround looks around at a process: at what it has open, where it works, and what
// it was called with.
func TestAround(t *testing.T) {
	top := t.TempDir()
	dir := func(name string) string {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, cwd, link := dir("open/deep/down"), dir("work"), dir("linked/to")
	dir("word/here")
	if err := os.Symlink(filepath.Dir(link), filepath.Join(top, "link")); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(open)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command("sh", "-c", "read line", filepath.Join(top, "link/to"), "../word/../word/here", "--option="+link, filepath.Join(top, "nowhere"))
	cmd.Dir, cmd.ExtraFiles = cwd, []*os.File{f}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait() // the shell read nothing
	}()

	list, err := ReadMounts()
	if err != nil {
		t.Fatal(err)
	}
	mounts := mountsHere(t)
	l := newTestSystem(t, mounts)
	var got []string
	l.Process(uint32(cmd.Process.Pid), func(path string, f paths.File) {
		if now := identify(mounts, path, followNone); now.Inode != f.Inode || now.born != f.Born || f.Born > time.Now().UnixMilli() {
			t.Errorf("%s: %+v, is %+v", path, f, now)
		}
		if rel, err := filepath.Rel(top, path); err == nil && filepath.IsLocal(rel) {
			got = append(got, rel)
		}
	})
	if identify(mounts, top, followNone).born == 0 {
		t.Skip("the file system does not tell when a directory was made")
	}
	slices.Sort(got)
	if want := []string{".", "open", "open/deep", "open/deep/down", "word", "word/here", "work"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	// What is on a network file system is not looked at: it may hang.
	for i := range list {
		list[i].Type = "nfs4"
	}
	mounts.Set(list)
	l.Process(uint32(cmd.Process.Pid), func(path string, _ paths.File) { t.Errorf("looked at %s", path) })
	l.Process(1<<22+1, func(path string, _ paths.File) { t.Errorf("nobody is at %s", path) })
}
