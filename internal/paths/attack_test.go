package paths

import (
	"testing"
	"time"
)

// TestAttacks are stories of a process that wants another one's events, or its own, to
// name what is not true. Root works in /secret/dir, which has inode 8; the attacker
// has /home/m, which has inode 20. Each story tells the paths of root's events, and
// of the attacker's, which are claimed at worst.
func TestAttacks(t *testing.T) {
	const called, root, attacker = 1_700_000_000_000, 100, 666
	by := func(k *fakeKernel, pid int) *fakeKernel {
		k.pid = pid
		return k
	}
	// find /secret/dir -delete, by descriptors of directories.
	find := func(k *fakeKernel) {
		by(k, root)
		k.title = "find\x00/secret/dir\x00-delete"
		k.unlinkat(8, "f1")
		k.unlinkat(8, "f2")
		k.rmdirat(1, "dir", 8)
		k.title = ""
	}
	refused := func(k *fakeKernel, dir string, ino int) {
		k.result(87, "success=no exit=-13", "a0=1", pathRecord{dir, ino, dirMode, "PARENT"})
	}
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"a failed call through a link: ln -s /secret ln; rm ln/dir/f", func(k *fakeKernel) {
			refused(by(k, attacker), "/home/m/ln/dir/", 8)
			find(k)
		}, []string{"/secret/dir trail", "/secret/dir/f1 trail", "/secret/dir/f2 trail", "/secret/dir proc"}},
		{"the working directory changes while the call waits for its name", func(k *fakeKernel) {
			by(k, attacker).cwd = "/home/m"
			k.call(87, "a0=1", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{"f", 9, fileMode, "DELETE"})
			k.cwd = "/home"
			find(k)
		}, []string{"/secret/dir/f trail", "/secret/dir/f1 trail", "/secret/dir/f2 trail", "/secret/dir proc"}},
		{"the same, and nobody finds the directory", func(k *fakeKernel) {
			by(k, attacker).cwd = "/home/m"
			k.call(87, "a0=1", pathRecord{k.cwd, 77, dirMode, "PARENT"}, pathRecord{"f", 9, fileMode, "DELETE"})
			by(k, root).unlinkat(77, "g")
		}, []string{"f unresolved", "g unresolved"}},
		{"a chroot or a mount of its own, in which it has other names", func(k *fakeKernel) {
			by(k, attacker).unlink(77, "/secret/dir/f")
			by(k, root).unlinkat(77, "g")
			find(k)
		}, []string{"/secret/dir/f claimed", "g unresolved", "/secret/dir/f1 trail", "/secret/dir/f2 trail", "/secret/dir trail"}},
		{"a name through /proc", func(k *fakeKernel) {
			by(k, attacker).unlink(77, "/proc/self/fd/5/f")
			by(k, root).unlinkat(77, "g")
		}, []string{"/proc/self/fd/5/f unresolved", "g unresolved"}},
		{"a directory of its own is renamed between root's call and the look", func(k *fakeKernel) {
			by(k, root).unlinkat(20, "f")
			by(k, attacker).rename(30, "/home/x", 30, "/home/m", 20)
		}, []string{"/home/x/f trail", "/home/x absolute > /home/m absolute"}},
		{"its words for a directory that is gone", func(k *fakeKernel) {
			refused(by(k, attacker), "/home/m/ln/", 55)
			by(k, root).unlinkat(55, "f")
			by(k, root).rmdirat(1, "d", 55)
			by(k, root).unlink(1, "/secret/x")
		}, []string{"/secret/d trail", "/secret/d/f trail", "/secret/d trail", "/secret/x absolute"}},
		{"the inode of a directory that is gone", func(k *fakeKernel) {
			by(k, root).unlinkat(8, "f")
			by(k, root).rmdirat(1, "dir", 8)
			k.later(20 * time.Millisecond)
			by(k, attacker).mkdir(20, "/home/m/new", 8)
			by(k, attacker).rmdir(20, "/home/m/new", 8)
		}, []string{"/secret/dir/f trail", "/secret/dir trail"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{
				files: map[string]fakeFile{
					"/secret": {1, 2, 1}, "/secret/dir": {8, 2, 1}, "/home": {30, 2, 1}, "/home/m": {20, 2, 1},
				},
				links: map[string]bool{"/home/m/ln": true}, now: called,
				views: map[uint32]uint64{attacker: map[bool]uint64{true: 5}[tt.name[:8] == "a chroot"]},
			}})
			tt.run(k)
			k.later(500 * time.Millisecond)
			by(k, root).unlink(1, "/secret/later")
			k.s.Tick(k.now.Add(time.Second))
			got := k.paths()
			for i, want := range tt.want {
				if got[i] != want {
					t.Errorf("event %d: got %q, want %q", i+1, got[i], want)
				}
			}
		})
	}
}
