package event

import (
	"testing"
	"time"
)

// TestSides is about renames into another directory, given by a descriptor, on a
// kernel of which nothing has told yet which PARENT record is the old name's:
// mv report.csv archive/ as the first thing that is seen of a boot.
func TestSides(t *testing.T) {
	const called = 1_700_000_000_000
	// The working directory is 7, archive 8; the new name's record comes first.
	mv := func(k *fakeKernel) {
		k.call(316, "a0=ffffff9c a1=1 a2=3 a3=2", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{k.cwd, 7, dirMode, "PARENT"},
			pathRecord{"f", 9, fileMode, "DELETE"}, pathRecord{"f", 9, fileMode, "CREATE"})
	}
	byFDs := func(k *fakeKernel) { k.renameat(8, "f", 7, "f") }
	later := func(ms time.Duration) func(k *fakeKernel) {
		return func(k *fakeKernel) { k.later(ms * time.Millisecond) }
	}
	there := map[string]fakeFile{"/home": {7, 2, 1}, "/home/archive": {8, 2, 1}, "/home/archive/f": {9, 1, 1}}
	tests := []struct {
		name  string
		run   []func(k *fakeKernel)
		fds   map[int32]string
		files map[string]fakeFile
		want  string // of the first event
	}{
		{"nobody to ask", []func(k *fakeKernel){mv}, nil, nil, "/home/f cwd > f unresolved"},
		{"the working directory and the new one are there", []func(k *fakeKernel){mv}, map[int32]string{3: "/home/archive"}, there, "/home/f cwd > /home/archive/f proc"},
		{
			"the new directory is named later",
			[]func(k *fakeKernel){mv, func(k *fakeKernel) { k.unlink(8, "/home/archive/x") }},
			nil, there, "/home/f cwd > /home/archive/f trail",
		},
		{"a later rename tells the order", []func(k *fakeKernel){mv, func(k *fakeKernel) {
			k.rename(20, "/a/d", 21, "/b/d", 22)
			k.unlink(8, "/home/archive/x")
		}}, nil, nil, "/home/f cwd > /home/archive/f trail"},
		{
			"by descriptors, and the file is in the new directory",
			[]func(k *fakeKernel){byFDs},
			map[int32]string{3: "/home", 4: "/home/archive"},
			there,
			"/home/f proc > /home/archive/f proc",
		},
		{
			"by descriptors, and the file is not there any more",
			[]func(k *fakeKernel){byFDs},
			map[int32]string{3: "/home", 4: "/home/archive"},
			map[string]fakeFile{"/home": {7, 2, 1}, "/home/archive": {8, 2, 1}},
			"f unresolved > f unresolved",
		},
		{"the directories change places before the look", []func(k *fakeKernel){mv, later(10), func(k *fakeKernel) {
			k.rename(1, "/home", 1, "/old", 7)
			k.rename(1, "/new", 1, "/home", 8)
		}}, nil, map[string]fakeFile{"/old": {7, 2, 1}, "/home": {8, 2, 1}, "/home/f": {9, 1, 1}}, "/home/f cwd > f unresolved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const looked = called + 20
			k := newFakeKernel(t, Options{Lookup: fakeLookup{fds: tt.fds, files: tt.files, now: looked}})
			for _, do := range tt.run {
				do(k)
			}
			k.s.Tick(time.UnixMilli(looked + underway))
			if got := k.paths()[0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestHints is about what is learnt from looks: two that agree, for two processes or
// at different times, tell the order for all that follow; one that disagrees ends it.
func TestHints(t *testing.T) {
	mv := func(k *fakeKernel, zero, one int) {
		k.call(316, "a0=ffffff9c a1=1 a2=3 a3=2", pathRecord{k.cwd, zero, dirMode, "PARENT"}, pathRecord{k.cwd, one, dirMode, "PARENT"},
			pathRecord{"f", 9, fileMode, "DELETE"}, pathRecord{"f", 9, fileMode, "CREATE"})
	}
	newFirst := func(k *fakeKernel) { mv(k, 8, 7) }
	oldFirst := func(k *fakeKernel) { mv(k, 7, 8) }
	process := func(k *fakeKernel) { k.pid++ }
	second := func(k *fakeKernel) { k.later(time.Second) }
	for _, tt := range []struct {
		name  string
		steps []func(k *fakeKernel)
		want  order
	}{
		{"one", []func(k *fakeKernel){newFirst}, orderUnknown},
		{"two of a process", []func(k *fakeKernel){newFirst, newFirst}, orderUnknown},
		{"two processes", []func(k *fakeKernel){newFirst, process, newFirst}, orderNewFirst},
		{"two processes, the other way", []func(k *fakeKernel){oldFirst, process, oldFirst}, orderOldFirst},
		{"a second later", []func(k *fakeKernel){newFirst, second, newFirst}, orderNewFirst},
		{"they disagree", []func(k *fakeKernel){newFirst, process, oldFirst, process, newFirst, process, newFirst}, orderUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			for _, step := range tt.steps {
				k.s.lookup = fakeLookup{
					files: map[string]fakeFile{"/home": {7, 2, 1}, "/home/archive": {8, 2, 1}}, now: k.now.UnixMilli(),
				}
				step(k)
				k.s.Tick(k.now.Add(underway * time.Millisecond))
				k.s.Flush()
			}
			if k.s.order != tt.want {
				t.Errorf("the order is %d, want %d", k.s.order, tt.want)
			}
		})
	}
}

// TestRejoin is about files that are gone when somebody looks: their next record tells
// in which directory they were. Descriptors tell nothing: programs open both again the
// other way round, or exchange them.
func TestRejoin(t *testing.T) {
	rename := func(k *fakeKernel) { k.renameat(8, "f", 7, "f") }
	unlink := func(dir int, name string) func(k *fakeKernel) {
		return func(k *fakeKernel) {
			k.call(263, "a0=4 a1=1 a2=0", pathRecord{k.cwd, dir, dirMode, "PARENT"}, pathRecord{name, 9, fileMode, "DELETE"})
		}
	}
	tests := []struct {
		name string
		then []func(k *fakeKernel)
		at   string // where the file is seen
		want string
	}{
		{"it is deleted in the new directory", []func(k *fakeKernel){unlink(8, "f")}, "", "/home/f proc > /home/archive/f proc"},
		{"it is deleted by another name", []func(k *fakeKernel){unlink(8, "g")}, "", "f unresolved > f unresolved"},
		{"it is deleted elsewhere", []func(k *fakeKernel){unlink(6, "f")}, "", "f unresolved > f unresolved"},
		{"nothing", nil, "", "f unresolved > f unresolved"},
		{"it is seen there", nil, "/home/archive/f", "/home/f proc > /home/archive/f proc"},
		{"it is moved back, and seen there", []func(k *fakeKernel){func(k *fakeKernel) { k.renameat(7, "f", 8, "f") }}, "/home/f", "f unresolved > f unresolved"},
		{"it gets another name there, is deleted and seen", []func(k *fakeKernel){unlink(8, "f")}, "/home/f", "/home/f proc > /home/archive/f proc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]fakeFile{"/home": {7, 2, 1}, "/home/archive": {8, 2, 1}, tt.at: {9, 1, 1}}
			k := newFakeKernel(t, Options{})
			k.s.lookup = fakeLookup{fds: map[int32]string{3: "/home", 4: "/home/archive"}, files: files, now: k.now.UnixMilli()}
			rename(k)
			for _, then := range tt.then {
				then(k)
			}
			k.s.Tick(k.now.Add(underway * time.Millisecond))
			if got := k.paths()[0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(k.s.divided) > 0 {
				t.Errorf("%d files are waited for still", len(k.s.divided))
			}
		})
	}

	// Exchanged descriptors, time and again, teach nothing.
	k := newFakeKernel(t, Options{})
	k.s.lookup = fakeLookup{fds: map[int32]string{4: "/home", 3: "/home/archive"}, files: map[string]fakeFile{"/home": {7, 2, 1}, "/home/archive": {8, 2, 1}}, now: k.now.UnixMilli()}
	for range 50 {
		rename(k)
		k.later(hintGap * time.Millisecond)
	}
	if k.s.order != orderUnknown || k.s.hinted.order != orderUnknown {
		t.Error("descriptors taught the order")
	}
}
