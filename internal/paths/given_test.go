package paths

import (
	"testing"
	"time"
)

// openat makes a file and has it open on a descriptor, as tar and cp do. dir is a
// descriptor or -100 for the working directory.
func (k *fakeKernel) openat(dir, parent int, name string, ino int, fd string) {
	from := "3"
	if dir == -100 {
		from = "ffffff9c"
	}
	dirName := k.cwd
	if name[0] == '/' {
		dirName, _ = splitName(name)
	}
	k.result(257, "success=yes exit="+fd, "a0="+from+" a1=1 a2=c1", pathRecord{dirName, parent, dirMode, "PARENT"}, pathRecord{name, ino, fileMode, "CREATE"})
}

// fchmod changes the mode of what is open on a descriptor, in hexadecimal.
func (k *fakeKernel) fchmod(fd string, ino int) {
	k.call(91, "a0="+fd+" a1=1ff", pathRecord{"", ino, fileMode, "NORMAL"})
}

// TestRecallOpen is about calls on a descriptor: the records tell the inode only.
// What opened it has named it, if it made it.
func TestRecallOpen(t *testing.T) {
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"made by an absolute name", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "4")
			k.fchmod("4", 9)
			k.fchmod("4", 9)
		}, []string{"/srv/f claimed", "/srv/f claimed", "/srv/f claimed"}},
		{"made by a name from the working directory", func(k *fakeKernel) {
			k.openat(-100, 7, "f", 9, "10")
			k.fchmod("a", 9)
		}, []string{"/home/f claimed", "/home/f claimed"}},
		{"made in a directory that is named later", func(k *fakeKernel) {
			k.openat(3, 8, "f", 9, "4")
			k.fchmod("4", 9)
			k.rmdir(1, "/srv/d", 8)
		}, []string{"/srv/d/f claimed", "/srv/d/f claimed", "/srv/d claimed"}},
		{"the directory has moved since", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/a/f", 9, "4")
			k.rename(1, "/srv/a", 1, "/srv/b", 8)
			k.fchmod("4", 9)
		}, []string{"/srv/b/f claimed"}},
		{"the file has another name since", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "4")
			k.renameat(8, "g", 8, "f")
			k.fchmod("4", 9)
		}, []string{" unresolved"}},
		{"another descriptor", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "4")
			k.fchmod("5", 9)
		}, []string{" unresolved"}},
		{"another file on the descriptor", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "4")
			k.fchmod("4", 10)
		}, []string{" unresolved"}},
		{"another process", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "4")
			k.pid++
			k.fchmod("4", 9)
		}, []string{" unresolved"}},
		{"deleted, and the inode is another file's", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "4")
			k.unlink(8, "/srv/f")
			k.openat(-100, 8, "/srv/g", 9, "5")
			k.fchmod("4", 9)
			k.fchmod("5", 9)
		}, []string{" unresolved", "/srv/g claimed"}},
		{"long ago", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "4")
			k.later(briefly * 2e6)
			k.fchmod("4", 9)
		}, []string{" unresolved"}},
		{"it may have been there, behind a link", func(k *fakeKernel) {
			k.result(257, "success=yes exit=4", "a0=ffffff9c a1=1 a2=41", pathRecord{"/srv/", 8, dirMode, "PARENT"}, pathRecord{"/srv/f", 9, fileMode, "NORMAL"})
			k.fchmod("4", 9)
		}, []string{" unresolved"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			tt.run(k)
			k.expect(tt.want...)
		})
	}
}

// TestRecallName is about calls that name a file as the call did which opened and
// made it, from the same descriptor. The open may have followed a link that led
// nowhere; if the descriptor's directory is where the file was made, that matters not.
func TestRecallName(t *testing.T) {
	make := func(k *fakeKernel) {
		k.result(257, "success=yes exit=4", "a0=3 a1=1 a2=41", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{"f", 9, fileMode, "CREATE"})
	}
	chmod := func(fd string) func(k *fakeKernel) {
		return func(k *fakeKernel) { k.call(268, "a0="+fd+" a1=1 a2=1ff", pathRecord{"f", 9, fileMode, "NORMAL"}) }
	}
	tests := []struct {
		name string
		open string // on the descriptor that the name starts from
		then []func(k *fakeKernel)
		want string // of the last call
	}{
		{"there", "/srv/d", []func(k *fakeKernel){chmod("3")}, "/srv/d/f trail"},
		{"twice", "/srv/d", []func(k *fakeKernel){chmod("3"), chmod("3")}, "/srv/d/f trail"},
		{"through a link to elsewhere", "/srv/e", []func(k *fakeKernel){chmod("3")}, "f unresolved"},
		{"another descriptor", "/srv/d", []func(k *fakeKernel){chmod("5")}, "f unresolved"},
		{"it has another name since", "/srv/d", []func(k *fakeKernel){func(k *fakeKernel) {
			k.renameat(8, "f", 8, "g")
		}, chmod("3")}, "f unresolved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{
				fds:   map[int32]string{3: tt.open},
				files: map[string]fakeFile{"/srv": {1, 2, 1}, "/srv/d": {8, 2, 1}, "/srv/e": {7, 2, 1}, "/srv/d/f": {9, 2, 1}},
				now:   1_700_000_000_000,
			}})
			k.rmdirat(8, "x", 20)
			k.mkdir(1, "/srv/d", 8)
			make(k)
			for _, then := range tt.then {
				then(k)
			}
			k.s.Tick(time.UnixMilli(1_700_000_000_000 + underway))
			paths := k.paths()
			if got := paths[len(paths)-1]; got != tt.want {
				t.Errorf("got %q, want %q, of %q", got, tt.want, paths)
			}
		})
	}
}
