package safefile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// nobody is the user that the directories of the tests belong to.
const nobody = 65534

// TestPlanted puts what the daemon's user could put in the place of a file, and
// requires that root opens and changes none of it.
func TestPlanted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to work in another user's directory")
	}
	plants := map[string]struct {
		plant func(victim, name string) error
		want  error
	}{
		"a link":                {os.Symlink, ErrLink},
		"a link to nothing":     {func(victim, name string) error { return os.Symlink(victim+".missing", name) }, ErrLink},
		"a hard link":           {os.Link, ErrHardLink},
		"a pipe":                {func(_, name string) error { return unix.Mkfifo(name, 0o666) }, ErrNotRegular},
		"a device":              {func(_, name string) error { return unix.Mknod(name, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) }, ErrNotRegular},
		"a socket":              {func(_, name string) error { return unix.Mknod(name, unix.S_IFSOCK|0o666, 0) }, ErrNotRegular},
		"another user's file":   {func(_, name string) error { return errors.Join(os.WriteFile(name, nil, 0o600), os.Chown(name, 1, 1)) }, ErrStranger},
		"a directory's content": {func(_, name string) error { return os.Mkdir(name, 0o700) }, nil},
	}
	uses := map[string]func(d *Dir) error{
		"read":     func(d *Dir) error { _, err := d.ReadFile("f"); return err },
		"append":   func(d *Dir) error { return opened(d.OpenFile("f", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)) },
		"lock":     func(d *Dir) error { return opened(d.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)) },
		"truncate": func(d *Dir) error { return opened(d.OpenFile("f", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)) },
	}
	for name, p := range plants {
		for use, do := range uses {
			t.Run(use+" "+name, func(t *testing.T) {
				dir := t.TempDir()
				victim := filepath.Join(dir, "shadow")
				state := filepath.Join(dir, "state")
				failIf(t, os.WriteFile(victim, []byte("secret"), 0o600), os.Mkdir(state, 0o700),
					p.plant(victim, filepath.Join(state, "f")), os.Chown(state, nobody, nobody))
				d, err := Make(state)
				failIf(t, err)
				defer d.Close()
				if err := do(d); err == nil || p.want != nil && !errors.Is(err, p.want) {
					t.Errorf("%v, want %v", err, p.want)
				}
				text, err := os.ReadFile(victim)
				var st unix.Stat_t
				failIf(t, err, unix.Stat(victim, &st))
				if string(text) != "secret" || st.Uid != 0 {
					t.Errorf("the victim holds %q and belongs to user %d", text, st.Uid)
				}
				if _, err := os.Stat(victim + ".missing"); err == nil {
					t.Error("a file was made behind the link")
				}
			})
		}
	}
}

func opened(f *os.File, err error) error {
	if err != nil {
		return err
	}
	return f.Close()
}

func failIf(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestReplace requires the old or the new file, and that a link, a pipe or a
// device is neither followed nor replaced.
func TestReplace(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	failIf(t, os.WriteFile(victim, []byte("old"), 0o600), os.Symlink(victim, filepath.Join(dir, "link")), unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	write := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	for name, want := range map[string]error{"link": ErrLink, "pipe": ErrNotRegular} {
		if err := WriteFile(filepath.Join(dir, name), 0o640, write("new")); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	broken := errors.New("broken")
	if err := WriteFile(victim, 0o640, func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	if text, err := os.ReadFile(victim); string(text) != "old" || err != nil {
		t.Errorf("after a failed write: %q, %v", text, err)
	}
	failIf(t, WriteFile(victim, 0o640, write("new")))
	text, err := os.ReadFile(victim)
	st, statErr := os.Stat(victim)
	if failIf(t, err, statErr); string(text) != "new" || st.Mode() != 0o640 {
		t.Errorf("%q with mode %v", text, st.Mode())
	}
	names, err := os.ReadDir(dir)
	if failIf(t, err); len(names) != 3 {
		t.Errorf("left behind: %v", names)
	}
}

// TestOwner requires that what root makes in the daemon's directory belongs to
// the daemon, and what root writes for itself to root.
func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to work in another user's directory")
	}
	state := filepath.Join(t.TempDir(), "state")
	failIf(t, os.Mkdir(state, 0o700), os.Chown(state, nobody, nobody))
	d, err := Make(state)
	failIf(t, err)
	defer d.Close()
	sub, err := d.Sub("journal")
	failIf(t, err)
	defer sub.Close()
	deep, err := Make(filepath.Join(state, "a", "b"))
	failIf(t, err)
	defer deep.Close()
	failIf(t, opened(d.OpenFile("lock", os.O_RDWR|os.O_CREATE, 0o600)), d.ReplaceText("applied", 0o600, nil),
		opened(sub.OpenFile("1.seg", os.O_RDWR|os.O_CREATE, 0o600)), opened(deep.OpenFile("c", os.O_RDWR|os.O_CREATE, 0o600)),
		WriteFile(filepath.Join(state, "report"), 0o600, func(io.Writer) error { return nil }))
	for name, want := range map[string]uint32{"lock": nobody, "applied": nobody, "journal": nobody, "journal/1.seg": nobody, "a": nobody, "a/b": nobody, "a/b/c": nobody, "report": 0} {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(state, name), &st); err != nil || st.Uid != want || st.Gid != want {
			t.Errorf("%s belongs to %d:%d, %v; want %d", name, st.Uid, st.Gid, err, want)
		}
	}
}

// TestWay requires that links on the way to a directory are followed where root
// made them, and not where somebody else could have.
func TestWay(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be two users")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	failIf(t, os.MkdirAll(at("real/state"), 0o700), os.Mkdir(at("theirs"), 0o755), os.Mkdir(at("shared"), 0o700), os.Mkdir(at("open"), 0o700),
		os.Symlink(at("real"), at("absolute")), os.Symlink("theirs/../real", at("relative")), os.Symlink("loop", at("loop")),
		os.Symlink(at("real"), at("theirs/link")), os.Symlink(at("real"), at("shared/root")), os.Symlink(at("real"), at("shared/link")),
		os.Symlink(at("real"), at("open/root")), os.Symlink(at("theirs"), at("into")),
		os.Lchown(at("shared/link"), nobody, nobody), os.Chown(at("theirs"), nobody, nobody),
		os.Chmod(at("shared"), 0o777|os.ModeSticky), os.Chmod(at("open"), 0o777))
	for path, follows := range map[string]bool{
		"real": true, "absolute": true, "relative": true, "shared/root": true,
		"theirs/link": false, "shared/link": false, "open/root": false, "into/link": false, "loop": false,
	} {
		d, err := Open(filepath.Join(at(path), "state"))
		if (err == nil) != follows || err != nil && !errors.Is(err, ErrLink) {
			t.Errorf("%s: %v", path, err)
		}
		if err == nil {
			failIf(t, d.Close())
		}
	}
}

// TestNames requires that a name cannot lead out of its directory.
func TestNames(t *testing.T) {
	d, err := Open(t.TempDir())
	failIf(t, err)
	defer d.Close()
	for _, name := range []string{"", ".", "..", "a/b", "/etc/passwd", "../x", "a\x00b"} {
		if err := opened(d.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)); err == nil {
			t.Errorf("%q was opened", name)
		}
		if d.Remove(name) == nil || d.ReplaceText(name, 0o600, nil) == nil {
			t.Errorf("%q was changed", name)
		}
	}
}

// TestPlaced requires that a directory which anybody could have made tells
// nothing of its owner.
func TestPlaced(t *testing.T) {
	dir := t.TempDir()
	tmp := filepath.Join(dir, "tmp")
	failIf(t, os.Mkdir(tmp, 0o700), os.Chmod(tmp, 0o777|os.ModeSticky), os.Mkdir(filepath.Join(tmp, "state"), 0o700), os.Mkdir(filepath.Join(dir, "state"), 0o700))
	if uid, ok := Placed(filepath.Join(dir, "state")); !ok || int(uid) != os.Getuid() {
		t.Errorf("ours: %d, %v", uid, ok)
	}
	for _, path := range []string{filepath.Join(tmp, "state"), filepath.Join(dir, "missing")} {
		if _, ok := Placed(path); ok {
			t.Errorf("%s counts", path)
		}
	}
}

// TestDenied requires that a file which may not be opened says who owns it, and
// the command that cures it.
func TestDenied(t *testing.T) {
	d := &Dir{fd: -1, path: "/state/journal", top: "/state", uid: 0, gid: 0}
	err := d.failed("open", "lock", unix.EACCES)
	denied, ok := errors.AsType[*Denied](err)
	if !ok || !errors.Is(err, os.ErrPermission) {
		t.Fatalf("%v", err)
	}
	if text := denied.Error(); !strings.Contains(text, "/state/journal/lock") || !strings.Contains(text, "belongs to root:root") {
		t.Error(text)
	}
	if hint := denied.Hint(); !strings.Contains(hint, "chown -Rh") || !strings.HasSuffix(hint, " /state") {
		t.Error(hint)
	}
}
