package paths

import (
	"testing"
	"time"
)

// TestSides is about renames into another directory, given by a descriptor, on a
// kernel of which nothing has told yet which PARENT record is the old name's:
// mv report.csv archive/ as the first thing that is seen of a boot.
func TestSides(t *testing.T) {
	const called, looked = 1_700_000_000_000, 1_700_000_000_020
	// The working directory is 7, archive 8; the new name's record comes first.
	mv := func(k *fakeKernel) {
		k.call(316, "a0=ffffff9c a1=1 a2=4 a3=2", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{k.cwd, 7, dirMode, "PARENT"},
			pathRecord{"f", 9, fileMode, "DELETE"}, pathRecord{"f", 9, fileMode, "CREATE"})
	}
	byFDs := func(k *fakeKernel) { k.renameat(8, "f", 7, "f") }
	unlink := func(dir int, name string) func(k *fakeKernel) {
		return func(k *fakeKernel) {
			k.call(263, "a0=4 a1=1 a2=0", pathRecord{k.cwd, dir, dirMode, "PARENT"}, pathRecord{name, 9, fileMode, "DELETE"})
		}
	}
	// A rename whose names differ: the kernel prints each beside its directory.
	told := func(k *fakeKernel) { k.rename(20, "/a/d", 21, "/b/d", 22) }
	// A rename by a process that changes its working directory meanwhile: the PARENT
	// of a name from there has an inode that is not the printed directory's.
	raced := func(k *fakeKernel) {
		k.pid = 666
		k.cwd = "/home/archive"
		mv(k)
		k.cwd, k.pid = "/home", 100
	}
	there := map[string]fakeFile{"/home": {7, 2, 1}, "/home/archive": {8, 2, 1}}
	type steps = []func(k *fakeKernel)
	tests := []struct {
		name string
		run  steps
		at   int // which event is looked at
		want string
	}{
		{"nothing tells", steps{mv}, 0, "/home/f claimed > f unresolved"},
		{"a later rename tells", steps{mv, told}, 0, "/home/f cwd > /home/archive/f proc"},
		{"an earlier rename told", steps{told, byFDs}, 1, "/home/f proc > /home/archive/f proc"},
		{"a race for the working directory tells nothing", steps{raced, raced, raced, byFDs}, 3, "f unresolved > f unresolved"},
		{"its process deletes it in the new directory", steps{byFDs, unlink(8, "f")}, 0, "/home/f proc > /home/archive/f proc"},
		{"its process deletes it by another name", steps{byFDs, unlink(8, "g")}, 0, "f unresolved > f unresolved"},
		{"its process deletes it elsewhere", steps{byFDs, unlink(6, "f")}, 0, "f unresolved > f unresolved"},
		{"another process deletes a link to it in the old directory", steps{byFDs, func(k *fakeKernel) {
			k.pid = 666
			unlink(7, "f")(k)
		}}, 0, "f unresolved > f unresolved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{files: there, fds: map[int32]string{3: "/home", 4: "/home/archive"}, now: looked}})
			for _, do := range tt.run {
				do(k)
			}
			k.s.Tick(time.UnixMilli(looked + underway))
			if got := k.paths()[tt.at]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(k.s.pairs.divided) > 0 {
				t.Errorf("%d files are waited for still", len(k.s.pairs.divided))
			}
		})
	}
}
