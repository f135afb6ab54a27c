package paths

import (
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// noRename is the path of the last event that is no rename.
func (k *fakeKernel) noRename() (got string) {
	for _, p := range k.paths() {
		if !strings.Contains(p, " > ") {
			got = p
		}
	}
	return got
}

// TestMotion is about renames between a call and the moment at which its process
// is asked for the directory of a descriptor, or for a file.
func TestMotion(t *testing.T) {
	const before, called = 1_600_000_000_000, 1_700_000_000_000
	unlink := func(k *fakeKernel) { k.unlinkat(8, "f") }
	fchmod := func(k *fakeKernel) { k.call(91, "a0=4 a1=1ff", pathRecord{"", 9, fileMode, "NORMAL"}) }
	move := func(old, dest string) func(k *fakeKernel) {
		return func(k *fakeKernel) { k.rename(1, old, 1, dest, 7) }
	}
	other := func(old, dest string) func(k *fakeKernel) {
		return func(k *fakeKernel) { k.rename(1, old, 1, dest, 70) }
	}
	moveFile := func(old, dest string) func(k *fakeKernel) {
		return func(k *fakeKernel) {
			k.call(82, "a0=1 a1=2", pathRecord{"/srv/", 1, dirMode, "PARENT"}, pathRecord{"/srv/", 1, dirMode, "PARENT"},
				pathRecord{old, 9, fileMode, "DELETE"}, pathRecord{dest, 9, fileMode, "CREATE"})
		}
	}
	later := func(ms int) func(k *fakeKernel) {
		return func(k *fakeKernel) { k.later(time.Duration(ms) * time.Millisecond) }
	}
	type steps = []func(k *fakeKernel)
	tests := []struct {
		name   string
		steps  steps
		looked int64  // after the first event, in milliseconds
		seen   string // on the descriptor
		want   string // of the last event that is no rename
	}{
		{"none", steps{unlink}, 20, "/srv/p/a", "/srv/p/a/f proc"},
		{"after the call, before the look", steps{unlink, later(10), move("/srv/p", "/srv/q")}, 20, "/srv/q/a", "/srv/p/a/f proc"},
		{"in the same moment", steps{unlink, move("/srv/p", "/srv/q")}, 0, "/srv/q/a", "/srv/p/a/f proc"},
		{"after the look", steps{unlink, later(10), move("/srv/p", "/srv/q")}, 5, "/srv/p/a", "/srv/p/a/f proc"},
		{"of something else", steps{unlink, later(10), other("/srv/x", "/srv/y")}, 20, "/srv/p/a", "/srv/p/a/f proc"},
		{"of something that begins alike", steps{unlink, later(10), other("/srv/x", "/srv/p2")}, 20, "/srv/p/a", "/srv/p/a/f proc"},
		{"before the call, after a look for an earlier one", steps{unlink, later(30), move("/srv/p", "/srv/q"), later(10), func(k *fakeKernel) {
			k.s.host = fakeLookup{now: called + 45} // it is gone by now
			unlink(k)
		}}, 20, "/srv/p/a", "f unresolved"},
		{"long before the call", steps{move("/srv/p", "/srv/q"), later(3000), unlink}, 3020, "/srv/q/a", "/srv/q/a/f proc"},
		{"of a directory by a descriptor", steps{unlink, later(10), func(k *fakeKernel) {
			k.call(264, "a0=9 a1=1 a2=9 a3=2", pathRecord{k.cwd, 1, dirMode, "PARENT"}, pathRecord{k.cwd, 1, dirMode, "PARENT"},
				pathRecord{"p", 7, dirMode, "DELETE"}, pathRecord{"q", 7, dirMode, "CREATE"})
		}}, 20, "/srv/q/a", "/srv/p/a/f proc"},
		{"of a directory, and nothing tells which name is in which directory", steps{unlink, later(10), func(k *fakeKernel) {
			k.call(264, "a0=9 a1=1 a2=10 a3=2", pathRecord{k.cwd, 50, dirMode, "PARENT"}, pathRecord{k.cwd, 51, dirMode, "PARENT"},
				pathRecord{"p", 7, dirMode, "DELETE"}, pathRecord{"q", 7, dirMode, "CREATE"})
		}}, 20, "/srv/q/a", "f unresolved"},
		{"of what is above a file", steps{fchmod, later(10), move("/srv/p", "/srv/q")}, 20, "/srv/q/a/f", "/srv/p/a/f proc"},
		{"of a file", steps{fchmod, later(10), moveFile("/srv/log", "/srv/log.1")}, 20, "/srv/log.1", "/srv/log proc"},
		{"of a file, after the look", steps{fchmod, later(10), moveFile("/srv/log", "/srv/log.1")}, 5, "/srv/log", "/srv/log proc"},
		{"of a file, twice", steps{fchmod, later(1), moveFile("/srv/new", "/srv/log"), later(1), moveFile("/srv/log", "/srv/log.1")}, 20, "/srv/log.1", " unresolved"},
		{"of a file which is seen elsewhere", steps{fchmod, later(10), moveFile("/srv/log", "/srv/log.1")}, 20, "/srv/else", " unresolved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, file := "", tt.seen
			if strings.HasSuffix(tt.seen, "/a") {
				dir, file = tt.seen, ""
			}
			l := fakeLookup{
				fds: map[int32]string{3: dir, 4: file},
				files: map[string]fakeFile{
					"/srv": {1, 2, before}, "/srv/p": {7, 2, before}, "/srv/q": {7, 2, before}, "/srv/p2": {70, 2, before},
					dir: {8, 2, before}, file: {9, 1, before},
				},
				now: called + tt.looked,
			}
			k := newFakeKernel(t, Options{Host: l})
			for _, step := range tt.steps {
				step(k)
			}
			k.s.Tick(time.UnixMilli(l.now + underway))
			if got := k.noRename(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAcrossGap is about what is told or seen after events were lost: a rename may be
// among them, so it says nothing of what came before.
func TestAcrossGap(t *testing.T) {
	later := func(k *fakeKernel) { k.unlink(8, "/srv/p/a/x") }
	lost := func(k *fakeKernel) { k.note(event.TypeGap, event.NoteField{Key: "cause", Value: "kernel_lost"}) }
	seam := func(k *fakeKernel) { k.note(event.TypeSeam) }
	told := func(k *fakeKernel) { k.note(event.TypeGap, event.NoteField{Key: "cause", Value: "downtime"}) }
	for _, tt := range []struct {
		name string
		gap  func(k *fakeKernel)
		then func(k *fakeKernel)
		want string
	}{
		{"told, nothing lost", nil, later, "/srv/p/a/f claimed"},
		{"told", lost, later, "f unresolved"},
		{"told behind a seam", seam, later, "f unresolved"},
		{"seen, nothing lost", nil, nil, "/srv/p/a/f proc"},
		{"seen", lost, nil, "f unresolved"},
		{"seen behind a seam", seam, nil, "f unresolved"},
		{"told, and a gap from before that told its seam", told, later, "/srv/p/a/f claimed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := fakeLookup{now: 1_700_000_002_020}
			if tt.then == nil {
				l.fds, l.files = map[int32]string{3: "/srv/p/a"}, map[string]fakeFile{"/srv/p/a": {8, 2, 1}}
			}
			k := newFakeKernel(t, Options{Host: l})
			seam(k)
			k.later(2 * slow * time.Millisecond)
			k.unlinkat(8, "f")
			if tt.gap != nil {
				k.later(10 * time.Millisecond)
				tt.gap(k)
			}
			if tt.then != nil {
				k.later(10 * time.Millisecond)
				tt.then(k)
			}
			k.s.Tick(time.UnixMilli(l.now + underway))
			if got := k.paths()[0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestUntoldMoves is about directories that move by descriptors nobody knows, while a
// name waits for its directory to be told: only what may be that one, or above it, counts.
func TestUntoldMoves(t *testing.T) {
	move := func(old, dest string, ino int) func(k *fakeKernel) {
		return func(k *fakeKernel) {
			k.call(264, "a0=9 a1=1 a2=10 a3=2", pathRecord{k.cwd, 50, dirMode, "PARENT"}, pathRecord{k.cwd, 51, dirMode, "PARENT"},
				pathRecord{old, ino, dirMode, "DELETE"}, pathRecord{dest, ino, dirMode, "CREATE"})
		}
	}
	told := func(k *fakeKernel) { k.rmdir(2, "/srv/p", 8) }
	for _, tt := range []struct {
		name  string
		steps []func(k *fakeKernel)
		want  string
	}{
		{"another one", []func(k *fakeKernel){move("x", "y", 7), told}, "/srv/p/f claimed"},
		{"another one gets the same name", []func(k *fakeKernel){move("x", "p", 7), told}, "/srv/p/f claimed"},
		{"the same one", []func(k *fakeKernel){move("q", "p", 8), told}, "f unresolved"},
		{"the one above", []func(k *fakeKernel){move("x", "srv", 2), told}, "f unresolved"},
		{"another one gets the name of that above", []func(k *fakeKernel){move("x", "srv", 7), told}, "f unresolved"},
		{"one that may be above", []func(k *fakeKernel){move("x", "top", 7), func(k *fakeKernel) { k.rmdir(2, "/top/srv/p", 8) }}, "f unresolved"},
		{"the same one, once it is told", []func(k *fakeKernel){told, move("x", "p", 8)}, "/srv/p/f claimed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			k.rename(3, "/v/a", 4, "/w/a", 99) // tells the order of a rename's directories
			k.unlinkat(8, "f")
			for _, step := range tt.steps {
				k.later(10 * time.Millisecond)
				step(k)
			}
			if got := k.paths()[1]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
