package paths

import (
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A fakeLookup answers for descriptors and paths as they are when it is asked,
// which is later than the events.
type fakeLookup struct {
	fds   map[int32]string
	files map[string]fakeFile

	changed map[string]int64 // when files were, after they were born
	now     int64
	views   map[uint32]uint64 // of those who are not as the host; 1 for one that is gone
	links   map[string]bool   // what is a symlink

	unmounted map[string]bool // what is on another device than the host's path
	sought    map[string]bool // noted here
	found     map[int]string  // by inode
	around    []string        // what every process has open
}

type fakeFile struct {
	ino, links int
	born       int64 // 0 on a file system that does not say
}

func (l fakeLookup) Descriptor(_ uint32, fd int32) (path string, f File, began int64, ok bool) {
	at, ok := l.files[l.fds[fd]]
	return l.fds[fd], at.file(), 0, ok
}

// file is what a host says of it.
func (f fakeFile) file() File {
	return File{Inode: event.Inode{Dev: event.MakeDev(0xfe, 0), Ino: uint64(f.ino)}, Local: true, Links: uint32(f.links), Born: f.born, Changed: 1}
}

func (l fakeLookup) Stat(path []byte) (f File) {
	if at, ok := l.files[string(cleaned(path))]; ok {
		f = at.file()
	}
	f.Dir = !l.links[string(path)]
	if changed, ok := l.changed[string(path)]; ok {
		f.Changed = changed
	}
	return f
}

func (l fakeLookup) Mounted(path []byte, _ event.Dev) bool { return !l.unmounted[string(path)] }

func (l fakeLookup) Process(pid uint32, around func(path string, dir File)) (uint64, bool) {
	for _, path := range l.around {
		if around != nil {
			around(path, l.files[path].file())
		}
	}
	return l.views[pid], l.views[pid] != 1
}

func (l fakeLookup) Search(root []byte, of event.Inode) string {
	if l.sought != nil && len(root) > 0 {
		l.sought[string(root)] = true
	}
	return l.found[int(of.Ino)]
}

func (l fakeLookup) Walk(path []byte, f func(path []byte, dir File)) {
	if _, ok := l.files["/"]; !ok {
		f([]byte("/"), fakeFile{1_000_000, 2, 1}.file())
	}
	for end := range len(path) + 1 {
		if end != len(path) && path[end] != '/' || l.links[string(path[:end])] {
			continue
		}
		dir := path[:max(end, 1)]
		if l.links[string(dir)] {
			return
		}
		at, ok := l.files[string(dir)]
		if !ok && end > 0 {
			if at = l.above(string(dir)); at.ino == 0 {
				return
			}
		}
		if ok || end > 0 {
			f(dir, at.file())
		}
	}
}

// above is a directory that holds one of the files, with an inode of its own.
func (l fakeLookup) above(dir string) fakeFile {
	for path := range l.files {
		if strings.HasPrefix(path, dir+"/") {
			ino := 1_000_000
			for _, c := range dir {
				ino = ino*31 + int(c)
			}
			return fakeFile{ino, 2, 1}
		}
	}
	return fakeFile{}
}

func (l fakeLookup) Now() int64 { return l.now }

func cleaned(path []byte) []byte { return appendLexical(nil, path) }

// TestAsk is about what the living process is asked, and which answers are
// refused: numbers of descriptors and inodes are given again.
func TestAsk(t *testing.T) {
	const before, same, after = 1_600_000_000_000, 1_700_000_000_000, 1_800_000_000_000 // same is the time of the events
	chmod := func(k *fakeKernel) {
		k.call(268, "a0=3 a1=1 a2=1ff", pathRecord{"f", 9, fileMode, "NORMAL"})
	}
	open := func(k *fakeKernel) {
		k.result(257, "success=yes exit=4", "a0=3 a1=1 a2=0", pathRecord{"f", 9, fileMode, "NORMAL"})
	}
	create := func(k *fakeKernel) {
		k.result(257, "success=yes exit=4", "a0=3 a1=1 a2=41", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{"f", 9, fileMode, "CREATE"})
	}
	opendir := func(name string) func(k *fakeKernel) {
		return func(k *fakeKernel) {
			k.result(257, "success=yes exit=4", "a0=3 a1=1 a2=90800", pathRecord{name, 8, dirMode, "NORMAL"})
		}
	}
	createBelow := func(k *fakeKernel) {
		k.result(257, "success=yes exit=4", "a0=3 a1=1 a2=41", pathRecord{"sub/", 8, dirMode, "PARENT"}, pathRecord{"sub/f", 9, fileMode, "CREATE"})
	}
	fchmod := func(k *fakeKernel) { k.call(91, "a0=4 a1=1ff", pathRecord{"", 9, fileMode, "NORMAL"}) }
	unlink := func(k *fakeKernel) { k.unlinkat(8, "f") }
	tests := []struct {
		name  string
		run   func(k *fakeKernel)
		fds   map[int32]string
		files map[string]fakeFile
		want  string
	}{
		{"by the directory", chmod, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {8, 2, before}, "/d/f": {9, 1, before}}, "/d/f proc"},
		{"by the directory, and no age is known", chmod, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {8, 2, 0}, "/d/f": {9, 1, 0}}, "/d/f proc"},
		{"the directory may be one with another link", chmod, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {8, 2, before}, "/d/f": {9, 2, before}}, "f unresolved"},
		{"the directory is another one by now", chmod, map[int32]string{3: "/e"}, map[string]fakeFile{"/e": {7, 2, before}, "/e/f": {6, 1, before}}, "f unresolved"},
		{"the file is another one by now", chmod, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {8, 2, before}, "/d/f": {9, 1, after}}, "f unresolved"},
		{"the directory was made later", chmod, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {8, 2, after}, "/d/f": {9, 1, before}}, "f unresolved"},
		{"closed", chmod, nil, nil, "f unresolved"},

		{"by what was opened", open, map[int32]string{4: "/d/f"}, map[string]fakeFile{"/d/f": {9, 2, before}}, "/d/f proc"},
		{"opened, and the descriptor has another file by now", open, map[int32]string{4: "/e/f"}, map[string]fakeFile{"/e/f": {6, 1, before}}, "f unresolved"},
		{"opened, and its inode and name are another file's by now", open, map[int32]string{4: "/e/f"}, map[string]fakeFile{"/e/f": {9, 1, after}}, "f unresolved"},
		{"opened and closed, by the directory", open, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {8, 2, before}, "/d/f": {9, 1, before}}, "/d/f proc"},

		{"made", create, map[int32]string{4: "/d/f"}, map[string]fakeFile{"/d": {8, 2, before}, "/d/f": {9, 1, after}}, "/d/f proc"},
		{"made, and again elsewhere with the same inode", create, map[int32]string{4: "/e/f"}, map[string]fakeFile{"/d": {8, 2, before}, "/e": {7, 2, before}, "/e/f": {9, 1, after}}, "f unresolved"},

		{"made below the directory", createBelow, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {7, 2, before}, "/d/sub": {8, 2, before}}, "/d/sub/f proc"},
		{"made below the directory, through a link", createBelow, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {7, 2, before}, "/d/sub": {6, 2, before}}, "sub/f unresolved"},

		{"a directory that was opened", opendir("d"), map[int32]string{4: "/srv/d"}, map[string]fakeFile{"/srv/d": {8, 2, before}}, "/srv/d proc"},
		{"a directory that was opened through a link", opendir("way"), map[int32]string{4: "/srv/d"}, map[string]fakeFile{"/srv/d": {8, 2, before}}, "way unresolved"},
		{"a directory that was opened, seen by a later call's descriptor", func(k *fakeKernel) {
			opendir("d")(k)
			unlink(k)
		}, map[int32]string{3: "/srv/d"}, map[string]fakeFile{"/srv/d": {8, 2, before}}, "/srv/d proc"},

		{"by its own descriptor", fchmod, map[int32]string{4: "/d/f"}, map[string]fakeFile{"/d/f": {9, 1, before}}, "/d/f proc"},
		{"its own descriptor has a younger file by now", fchmod, map[int32]string{4: "/e/g"}, map[string]fakeFile{"/e/g": {9, 1, after}}, " unresolved"},

		{"made in the same moment, or another one since", fchmod, map[int32]string{4: "/d/f"}, map[string]fakeFile{"/d/f": {9, 1, same}}, " unresolved"},
		{"a directory that was made in the same moment", unlink, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {8, 2, same}}, "/d/f proc"},
		{"a directory", unlink, map[int32]string{3: "/d"}, map[string]fakeFile{"/d": {8, 2, before}}, "/d/f proc"},
		{"a directory that was made later, with the inode", unlink, map[int32]string{3: "/e"}, map[string]fakeFile{"/e": {8, 2, after}}, "f unresolved"},
		{"a directory with the inode of one deleted, and no age is known", func(k *fakeKernel) {
			unlink(k)
			k.rmdirat(7, "d", 8)
		}, map[int32]string{3: "/e"}, map[string]fakeFile{"/e": {8, 2, 0}}, "f unresolved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{fds: tt.fds, files: tt.files, now: same}})
			tt.run(k)
			k.s.Tick(time.UnixMilli(same + underway))
			if got := k.paths()[0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestFound is about directories that no record names and no process tells: they are
// looked for below the words of the command line, and found a little later.
func TestFound(t *testing.T) {
	const before, called = 1_600_000_000_000, 1_700_000_000_000
	find := func(k *fakeKernel) {
		k.run("/usr/bin/find", "find\x00/srv/p\x00sub\x00-name\x00*.o\x00-delete", 263, "a0=5 a1=1 a2=0",
			pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{"f", 9, fileMode, "DELETE"})
	}
	tests := []struct {
		name string
		then func(k *fakeKernel)
		at   string // where the directory is found
		want string
	}{
		{"there", func(*fakeKernel) {}, "/srv/p/c", "/srv/p/c/f proc"},
		{"nowhere", func(*fakeKernel) {}, "", "f unresolved"},
		{"where it is not any more", func(*fakeKernel) {}, "/srv/gone", "f unresolved"},
		{"where it came by a rename", func(k *fakeKernel) { k.rename(1, "/srv/o", 1, "/srv/p", 7) }, "/srv/p/c", "/srv/o/c/f proc"},
		{"but a record names it", func(k *fakeKernel) { k.rmdir(7, "/srv/p/c", 8) }, "/srv/p/c", "/srv/p/c/f trail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := fakeLookup{
				files: map[string]fakeFile{"/srv": {1, 2, before}, "/srv/p": {7, 2, before}, "/srv/p/c": {8, 2, before}}, found: map[int]string{8: tt.at},
				sought: map[string]bool{}, now: called + 200, views: map[uint32]uint64{100: 1},
			}
			k := newFakeKernel(t, Options{Host: l})
			find(k)
			tt.then(k)
			k.s.Tick(time.UnixMilli(called + 200))
			k.s.Tick(time.UnixMilli(called + 200 + DefaultWait.Milliseconds()))
			if got := k.paths()[0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !l.sought["/srv/p"] || !l.sought["/home/sub"] {
				t.Errorf("looked below %v", l.sought)
			}
		})
	}
}
