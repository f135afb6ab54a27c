package paths

import (
	"maps"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestOrphanGone is about files named by a directory's descriptor which are gone
// when the process is asked. What took them away, by the same descriptor, name
// and process, tells their directory.
func TestOrphanGone(t *testing.T) {
	const before, looked = 1_600_000_000_000, 1_700_000_000_020
	chmod := func(k *fakeKernel, fd, name string) {
		k.call(268, "a0="+fd+" a1=1 a2=1ff", pathRecord{name, 9, fileMode, "NORMAL"})
	}
	unlink := func(k *fakeKernel, fd string, dir int, name string) {
		k.call(263, "a0="+fd+" a1=1 a2=0", pathRecord{k.cwd, dir, dirMode, "PARENT"}, pathRecord{name, 9, fileMode, "DELETE"})
	}
	open := map[int32]string{3: "/d", 4: "/e"}
	files := map[string]fakeFile{"/srv": {1, 2, before}, "/d": {8, 2, before}, "/e": {7, 2, before}}
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"deleted", func(k *fakeKernel) {
			chmod(k, "3", "f")
			unlink(k, "3", 8, "f")
		}, []string{"/d/f proc", "/d/f proc"}},
		{"deleted, and the directory after it", func(k *fakeKernel) {
			chmod(k, "3", "f")
			chmod(k, "3", "f")
			unlink(k, "3", 8, "f")
			k.rmdir(1, "/srv/d", 8)
		}, []string{"/srv/d/f trail", "/srv/d/f trail", "/srv/d/f trail", "/srv/d absolute"}},
		{"renamed", func(k *fakeKernel) {
			chmod(k, "4", "f")
			k.call(264, "a0=4 a1=1 a2=4 a3=2",
				pathRecord{k.cwd, 7, dirMode, "PARENT"}, pathRecord{k.cwd, 7, dirMode, "PARENT"},
				pathRecord{"f", 9, fileMode, "DELETE"}, pathRecord{"g", 9, fileMode, "CREATE"})
		}, []string{"/e/f proc"}},
		{"deleted below the directory", func(k *fakeKernel) {
			chmod(k, "3", "sub/f")
			k.call(263, "a0=3 a1=1 a2=0", pathRecord{"sub/", 6, dirMode, "PARENT"}, pathRecord{"sub/f", 9, fileMode, "DELETE"})
			k.rmdir(8, "/d/sub", 6)
		}, []string{"/d/sub/f trail", "/d/sub/f trail", "/d/sub absolute"}},
		{"named by two links, each deleted", func(k *fakeKernel) {
			chmod(k, "3", "f")
			chmod(k, "4", "f")
			unlink(k, "3", 8, "f")
			unlink(k, "4", 7, "f")
		}, []string{"/d/f proc", "/e/f proc", "/d/f proc", "/e/f proc"}},
		{"the other link is deleted by the descriptor, which stands for another directory by then", func(k *fakeKernel) {
			chmod(k, "3", "f")
			unlink(k, "3", 7, "f")
		}, []string{"f unresolved"}},
		{"deleted by another descriptor", func(k *fakeKernel) {
			chmod(k, "3", "f")
			unlink(k, "4", 8, "f")
		}, []string{"f unresolved"}},
		{"deleted by another name", func(k *fakeKernel) {
			chmod(k, "3", "f")
			unlink(k, "3", 8, "g")
		}, []string{"f unresolved"}},
		{"deleted by another process", func(k *fakeKernel) {
			chmod(k, "3", "f")
			k.pid++
			unlink(k, "3", 8, "f")
		}, []string{"f unresolved"}},
		{"deleted after events were lost", func(k *fakeKernel) {
			chmod(k, "3", "f")
			k.note(event.TypeGap, event.NoteField{Key: "cause", Value: "kernel_lost"})
			unlink(k, "3", 8, "f")
		}, []string{"f unresolved"}},
		{"deleted too late", func(k *fakeKernel) {
			chmod(k, "3", "f")
			k.later(2 * DefaultWait)
			unlink(k, "3", 8, "f")
		}, []string{"f unresolved"}},
		{"made, perhaps through a link, and renamed by another process", func(k *fakeKernel) {
			k.result(257, "success=yes exit=7", "a0=5 a1=1 a2=41", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{".f.x", 9, fileMode, "CREATE"})
			k.fchmod("7", 9)
			k.pid++
			k.call(264, "a0=3 a1=1 a2=3 a3=2", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{k.cwd, 8, dirMode, "PARENT"},
				pathRecord{".f.x", 9, fileMode, "DELETE"}, pathRecord{"f", 9, fileMode, "CREATE"})
		}, []string{"/d/.f.x proc", "/d/.f.x proc", "/d/.f.x proc > /d/f proc"}},
		{"made through a link, and what is renamed is elsewhere", func(k *fakeKernel) {
			k.result(257, "success=yes exit=7", "a0=5 a1=1 a2=41", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{".f.x", 9, fileMode, "CREATE"})
			k.call(264, "a0=4 a1=1 a2=4 a3=2", pathRecord{k.cwd, 7, dirMode, "PARENT"}, pathRecord{k.cwd, 7, dirMode, "PARENT"},
				pathRecord{".f.x", 9, fileMode, "DELETE"}, pathRecord{"f", 9, fileMode, "CREATE"})
		}, []string{".f.x unresolved"}},
		{"the descriptor is closed by now", func(k *fakeKernel) {
			chmod(k, "5", "f")
			unlink(k, "5", 8, "f")
		}, []string{"f unresolved"}},
		{"not deleted, since that failed", func(k *fakeKernel) {
			chmod(k, "3", "f")
			k.result(263, "success=no exit=-13", "a0=3 a1=1 a2=0", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{"f", 9, fileMode, "DELETE"})
		}, []string{"f unresolved"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{fds: open, files: files, now: looked}})
			tt.run(k)
			k.s.Tick(time.UnixMilli(looked + underway))
			got := k.paths()
			for i, want := range tt.want {
				if got[i] != want {
					t.Errorf("event %d: got %q, want %q", i+1, got[i], want)
				}
			}
			if n := len(k.s.orphans.of); n != 0 {
				t.Errorf("%d orphans are left", n)
			}
		})
	}
}

// TestOrphanSeen is about walks over trees, as chmod -R makes them, by a process
// that has ended when it is asked. A file is where it is seen, in a directory that
// the process named before, if nothing of it was changed since.
func TestOrphanSeen(t *testing.T) {
	const before, same, after = 1_600_000_000_000, 1_700_000_000_000, 1_700_000_000_100
	at := func(k *fakeKernel, fd, name string, ino int, mode string) {
		k.call(268, "a0="+fd+" a1=1 a2=1ff", pathRecord{name, ino, mode, "NORMAL"})
	}
	walk := func(k *fakeKernel) {
		at(k, "ffffff9c", "/srv/t", 6, dirMode)
		at(k, "4", "f", 9, fileMode)
		at(k, "4", "sub", 7, dirMode)
		at(k, "5", "g", 10, fileMode)
		at(k, "4", "h", 11, fileMode)
	}
	there := map[string]fakeFile{
		"/srv/t": {6, 3, before}, "/srv/t/sub": {7, 2, before},
		"/srv/t/f": {9, 1, before}, "/srv/t/sub/g": {10, 1, before}, "/srv/t/h": {11, 1, before},
		"/srv/t/link/g": {10, 1, before},
	}
	tests := []struct {
		name    string
		run     func(k *fakeKernel)
		but     map[string]fakeFile
		changed map[string]int64
		want    []string
	}{
		{
			"a tree", walk, nil,
			map[string]int64{"/srv/t/f": same},
			[]string{"/srv/t absolute", "/srv/t/f proc", "/srv/t/sub proc", "/srv/t/sub/g proc", "/srv/t/h proc"},
		},
		{
			"changed since", walk, nil,
			map[string]int64{"/srv/t/f": after},
			[]string{"/srv/t absolute", "f unresolved", "/srv/t/sub proc"},
		},
		{
			"more than one link", walk,
			map[string]fakeFile{"/srv/t/f": {9, 2, before}},
			nil,
			[]string{"/srv/t absolute", "f unresolved", "/srv/t/sub proc"},
		},
		{
			"another file by now", walk,
			map[string]fakeFile{"/srv/t/f": {12, 1, before}},
			nil,
			[]string{"/srv/t absolute", "f unresolved", "/srv/t/sub proc"},
		},
		{
			"younger", walk,
			map[string]fakeFile{"/srv/t/f": {9, 1, after}},
			nil,
			[]string{"/srv/t absolute", "f unresolved", "/srv/t/sub proc"},
		},
		{
			"another directory by now", walk,
			map[string]fakeFile{"/srv/t/sub": {12, 2, before}},
			nil,
			[]string{"/srv/t absolute", "/srv/t/f proc", "sub unresolved", "g unresolved", "/srv/t/h proc"},
		},
		{"visited by another process", func(k *fakeKernel) {
			at(k, "ffffff9c", "/srv/t", 6, dirMode)
			k.pid++
			at(k, "4", "f", 9, fileMode)
		}, nil, nil, []string{"/srv/t absolute", "f unresolved"}},
		{"moved to where it is seen", func(k *fakeKernel) {
			at(k, "ffffff9c", "/srv/t", 6, dirMode)
			at(k, "4", "f", 9, fileMode)
			k.pid++
			k.renameat(6, "f", 8, "f")
		}, nil, nil, []string{"/srv/t absolute", "f unresolved"}},
		{"a name of more parts", func(k *fakeKernel) {
			at(k, "ffffff9c", "/srv/t", 6, dirMode)
			at(k, "4", "sub/g", 10, fileMode)
		}, nil, nil, []string{"/srv/t absolute", "/srv/t/sub/g proc"}},
		{"a name that leads through a link", func(k *fakeKernel) {
			at(k, "ffffff9c", "/srv/t", 6, dirMode)
			at(k, "4", "link/g", 10, fileMode)
		}, nil, nil, []string{"/srv/t absolute", "link/g unresolved"}},
		{"opened, and then by its own descriptor", func(k *fakeKernel) {
			at(k, "ffffff9c", "/srv/t", 6, dirMode)
			k.result(257, "success=yes exit=7", "a0=4 a1=1 a2=1", pathRecord{"f", 9, fileMode, "NORMAL"})
			k.fchmod("7", 9)
		}, nil, nil, []string{"/srv/t absolute", "/srv/t/f proc", "/srv/t/f proc"}},
		{"opened by an absolute name, and then by its own descriptor", func(k *fakeKernel) {
			k.result(257, "success=yes exit=7", "a0=ffffff9c a1=1 a2=1", pathRecord{"/srv/t/f", 9, fileMode, "NORMAL"})
			k.fchmod("7", 9)
		}, nil, nil, []string{"/srv/t/f absolute", "/srv/t/f proc"}},
		{"opened by an absolute name through a link", func(k *fakeKernel) {
			k.result(257, "success=yes exit=7", "a0=ffffff9c a1=1 a2=1", pathRecord{"/srv/t/link/g", 10, fileMode, "NORMAL"})
			k.fchmod("7", 10)
		}, nil, nil, []string{"/srv/t/link/g absolute", " unresolved"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := maps.Clone(there)
			maps.Copy(files, tt.but)
			k := newFakeKernel(t, Options{Host: fakeLookup{
				files: files, changed: tt.changed, now: after, links: map[string]bool{"/srv/t/link": true},
			}})
			tt.run(k)
			k.s.Tick(time.UnixMilli(after + underway))
			got := k.paths()
			for i, want := range tt.want {
				if got[i] != want {
					t.Errorf("event %d: got %q, want %q", i+1, got[i], want)
				}
			}
		})
	}
}
