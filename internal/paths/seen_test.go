package paths

import (
	"testing"
	"time"
)

// TestSeen is about directories of which no record tells, as in a removal that takes
// longer than anybody waits: what was seen of one for an event stays true of that event
// when it is gone, and serves for what is known to be below it.
func TestSeen(t *testing.T) {
	const called = 1_700_000_000_000
	l := &fakeLookup{fds: map[int32]string{3: "/d"}, files: map[string]fakeFile{"/d": {7, 2, 1}}, now: called + 20}
	k := newFakeKernel(t, Options{Host: l})
	show := func(path string) { l.fds[3] = path }

	k.unlinkat(7, "a")
	l.files["/d/w"] = fakeFile{8, 2, 1}
	show("/d/w")
	k.unlinkat(8, "b")
	k.later(2 * 200 * time.Millisecond)
	l.now += 2 * 200
	delete(l.files, "/d/w") // removed before anybody looks again
	show("/d")
	k.unlinkat(8, "c")
	k.rmdirat(7, "w", 8)
	k.unlinkat(9, "e") // nobody sees 9
	k.rmdirat(7, "x", 9)
	k.unlinkat(10, "g")
	k.s.Tick(time.UnixMilli(l.now + underway))
	k.expect("/d/a proc", "/d/w/b proc", "/d/w/c trail", "/d/w proc", "/d/x/e trail", "/d/x proc", "g unresolved")
}

// TestExchangeOfOneName makes a file and another one of the same name change places,
// which looks like a rename of the second onto nothing.
func TestExchangeOfOneName(t *testing.T) {
	for _, tt := range []struct {
		exe, title string
		want       string // of a later rename by descriptors
	}{
		{"/usr/bin/swap", "swap", "g unresolved > g unresolved"},
		{"/usr/bin/mv", "mv\x00--exchange\x00f\x00b", "g unresolved > g unresolved"},
	} {
		k := newFakeKernel(t, Options{})
		k.exe, k.title = tt.exe, tt.title
		for range 2 {
			k.call(316, "a0=3 a1=1 a2=4 a3=2", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{k.cwd, 7, dirMode, "PARENT"},
				pathRecord{"f", 9, fileMode, "DELETE"}, pathRecord{"f", 9, fileMode, "CREATE"})
			k.unlink(8, "/b/f") // where a plain rename would have brought it
			k.later(2 * 1000 * time.Millisecond)
		}
		k.renameat(8, "g", 7, "g")
		k.unlink(7, "/a/x")
		k.unlink(8, "/b/x")
		if got := k.paths()[4]; got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.title, got, tt.want)
		}
	}
}

// TestChrootBehindACall has a process go into a chroot after it was seen as the host's.
func TestChrootBehindACall(t *testing.T) {
	const jailed, host = 200, 100
	l := fakeLookup{files: map[string]fakeFile{"/mnt/efs": {7, 2, 1}}, views: map[uint32]uint64{}, now: 1_700_000_000_000}
	k := newFakeKernel(t, Options{Host: l})
	k.pid = jailed
	k.unlink(7, "/mnt/efs/x")
	k.pid = host
	k.unlinkat(8, "f")
	k.later(20 * time.Millisecond)
	l.views[jailed] = 5
	k.pid = jailed
	k.unlink(8, "/a/x")
	k.s.Tick(k.now.Add(time.Second))
	k.expect("/mnt/efs/x absolute", "f unresolved", "/a/x claimed")
}

// TestStrangersTop lets a name wait in a directory that a process which is gone has
// named, and that is told again by the one that removes it: rm DIR/x; rm -rf DIR.
func TestStrangersTop(t *testing.T) {
	const first, second = 300, 301
	k := newFakeKernel(t, Options{Host: fakeLookup{views: map[uint32]uint64{first: 1, second: 1}}})
	k.pid = first
	k.unlink(8, "/srv/d/x")
	k.pid = second
	k.unlinkat(8, "f")
	k.rmdir(1, "/srv/d", 8)
	k.expect("/srv/d/x claimed", "/srv/d/f claimed", "/srv/d claimed")
}
