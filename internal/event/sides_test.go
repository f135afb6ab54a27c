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

// TestSteadyDescriptors is about files that are gone when somebody looks. Descriptors
// that are open on both directories tell their order if that stays so for long.
func TestSteadyDescriptors(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		times  int
		every  time.Duration
		steady bool
		want   order
	}{
		{"not often enough", hintEnough - 1, fdsGap * ms, true, orderUnknown},
		{"often enough", hintEnough, fdsGap * ms, true, orderNewFirst},
		{"often, in a short time", 50, ms, true, orderUnknown},
		{"never as before", 50, fdsGap * ms, false, orderUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			fds := map[int32]string{3: "/home", 4: "/home/archive"}
			k.s.lookup = fakeLookup{fds: fds, files: map[string]fakeFile{"/home": {7, 2, 1}, "/home/archive": {8, 2, 1}}, now: k.now.UnixMilli()}
			for range tt.times {
				k.renameat(8, "f", 7, "f")
				k.later(tt.every)
				if !tt.steady {
					fds[3], fds[4] = fds[4], fds[3]
				}
			}
			if k.s.order != tt.want {
				t.Errorf("the order is %d, want %d", k.s.order, tt.want)
			}
			k.s.Flush()
			n := 0
			for e, ok := k.s.Next(); ok; e, ok = k.s.Next() {
				if n++; tt.want != orderUnknown && string(e.Dest.Path) != "/home/archive/f" {
					t.Errorf("event %d: %q > %q (%v)", n, e.Path.Path, e.Dest.Path, e.Dest.From)
				}
			}
		})
	}
}
