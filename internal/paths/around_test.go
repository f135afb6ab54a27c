package paths

import (
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestMeet is about a tree that goes faster than anybody can ask: its directories have
// their names from records, and those above them from a look around.
func TestMeet(t *testing.T) {
	const called = 1_700_000_000_000
	around := func(born, now int64) fakeLookup {
		return fakeLookup{
			files:  map[string]fakeFile{"/efs": {1, 2, 1}, "/efs/tree": {7, 2, born}},
			around: []string{"/efs", "/efs/tree"}, now: now,
		}
	}
	nothing := fakeLookup{now: called + 5*briefly} // everything is gone when records are read
	remove := func(k *fakeKernel) {
		k.unlinkat(9, "f")
		k.rmdirat(8, "d", 9)
		k.rmdirat(7, "g", 8)
	}
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want string
	}{
		{"seen once", func(k *fakeKernel) {
			k.look(around(1, called+20))
			remove(k)
		}, "/efs/tree/g/d/f trail"},
		{"seen again", func(k *fakeKernel) {
			k.look(around(1, called+20))
			k.look(around(1, called+20+meetAgain))
			k.look(around(1, called+20+4*briefly))
			k.later(4 * briefly * time.Millisecond)
			remove(k)
		}, "/efs/tree/g/d/f trail"},
		{"seen too long ago", func(k *fakeKernel) {
			k.look(around(1, called+20))
			k.later((soon + 1000) * time.Millisecond)
			remove(k)
		}, "f unresolved"},
		{"made later than the call", func(k *fakeKernel) {
			k.look(around(called+clockStep+1, called+20))
			remove(k)
		}, "f unresolved"},
		{"renamed before the look", func(k *fakeKernel) {
			k.look(around(1, called+20))
			remove(k)
			k.later(time.Millisecond)
			k.rename(1, "/efs/old", 1, "/efs/tree", 7)
		}, "/efs/old/g/d/f trail"},
		{"renamed unseen before the look", func(k *fakeKernel) {
			k.look(around(1, called+20))
			remove(k)
			k.later(time.Millisecond)
			k.call(264, "a0=3 a1=1 a2=4 a3=2", pathRecord{k.cwd, 1, dirMode, "PARENT"}, pathRecord{k.cwd, 1, dirMode, "PARENT"},
				pathRecord{"old", 7, dirMode, "DELETE"}, pathRecord{"tree", 7, dirMode, "CREATE"})
		}, "/efs/old/g/d/f trail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: nothing})
			tt.run(k)
			k.s.host = nothing
			k.later(time.Second)
			k.unlink(1, "/efs/later")
			if got := k.paths()[0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestMeetAhead looks around while records of before are not read yet: what ends what is
// known of a directory does not end what was seen of it afterwards.
func TestMeetAhead(t *testing.T) {
	const called = 1_700_000_000_000
	seen := func(path string, ino int, born int64) fakeLookup {
		files := map[string]fakeFile{"/home": {10, 2, 1}, "/home/trash": {20, 2, 1}, path: {ino, 2, born}}
		return fakeLookup{files: files, around: []string{"/home", "/home/trash", path}, now: called + 100}
	}
	mvInto := func(k *fakeKernel) { // mv big trash/, by a descriptor of trash
		k.exe, k.title, k.s.pairs.order = "/usr/bin/mv", "mv\x00big\x00trash/", orderNewFirst
		k.call(316, "a0=ffffff9c a1=1 a2=3 a3=2", pathRecord{k.cwd, 20, dirMode, "PARENT"}, pathRecord{k.cwd, 10, dirMode, "PARENT"},
			pathRecord{"big", 7, dirMode, "DELETE"}, pathRecord{"big", 7, dirMode, "CREATE"})
	}
	tests := []struct {
		name  string
		seen  fakeLookup
		event func(k *fakeKernel)
		want  string
	}{
		{"moved", seen("/home/trash/big", 7, 1), mvInto, "/home/trash/big/f trail"},
		{"deleted, and another one made", seen("/home/new", 7, called+50), func(k *fakeKernel) {
			k.rmdirat(10, "old", 7)
			k.later(60 * time.Millisecond)
		}, "/home/new/f proc"},
		{"deleted, and another one perhaps made before", seen("/home/new", 7, 0), func(k *fakeKernel) {
			k.rmdirat(10, "old", 7)
			k.later(60 * time.Millisecond)
		}, "/home/new/f proc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{files: map[string]fakeFile{"/home": {10, 2, 1}}, now: called}})
			k.look(tt.seen)
			tt.event(k)
			k.later(time.Millisecond)
			k.unlinkat(7, "f")
			file := k.serial
			k.later(time.Second)
			k.unlink(1, "/efs/later")
			if got := k.paths()[file-1]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestNewInOldInode is about a directory that may be younger than the call: it may have
// the inode of one that went where no rule looks.
func TestNewInOldInode(t *testing.T) {
	const called = 1_700_000_000_000
	out := func(k *fakeKernel) { k.rename(1, "/efs/old", 30, "/elsewhere/old", 6) }
	tests := []struct {
		name  string
		born  int64
		event func(k *fakeKernel)
		want  string
	}{
		{"older, and something moved", called - 1, out, "/efs/new/f proc"},
		{"of the same moment, and nothing moved", called, func(*fakeKernel) {}, "/efs/new/f proc"},
		{"of the same moment, and something moved", called, out, "f unresolved"},
		{"of nobody knows when, and something moved", 0, out, "f unresolved"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{
				fds: map[int32]string{3: "/efs/new"}, files: map[string]fakeFile{"/efs/new": {7, 2, tt.born}}, now: called + 10,
			}})
			k.unlinkat(7, "f")
			k.later(5 * time.Millisecond)
			tt.event(k)
			k.later(2 * time.Second)
			k.unlink(1, "/efs/later")
			if got := k.paths()[0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// look has the stream look around at the process with that lookup.
func (k *fakeKernel) look(l fakeLookup) {
	was := k.s.host
	k.s.host = l
	k.s.Meet(uint32(k.pid))
	k.s.host = was
}

func TestCaller(t *testing.T) {
	tests := []struct {
		typ  event.Type
		text string
		pid  uint32
		ok   bool
	}{
		{event.TypeSyscall, "audit(1.000:1): arch=c000003e syscall=263 ppid=7 pid=4711 auid=0", 4711, true},
		{event.TypeSyscall, "audit(1.000:1): ppid=7 pid=4711", 0, false},
		{event.TypeSyscall, "audit(1.000:1): ppid=7 pid= auid=0", 0, false},
		{event.TypeSyscall, "audit(1.000:1): ppid=7", 0, false},
		{event.TypePath, "audit(1.000:1): pid=4711 ", 0, false},
	}
	for _, tt := range tests {
		if pid, ok := event.Caller(tt.typ, []byte(tt.text)); ok != tt.ok || ok && pid != tt.pid {
			t.Errorf("%v %q: %d, %v; want %d, %v", tt.typ, tt.text, pid, ok, tt.pid, tt.ok)
		}
	}
}
