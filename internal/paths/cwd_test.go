package paths

import "testing"

// TestMovedCwd is about calls that move the working directory, which the kernel
// prints as it is when the call ends.
func TestMovedCwd(t *testing.T) {
	rename := func(k *fakeKernel, old string, oldDir int, dest string, newDir int) {
		name := func(path string, dir int) pathRecord {
			d, _ := splitName(path)
			if len(d) == 0 {
				return pathRecord{k.cwd, dir, dirMode, "PARENT"}
			}
			return pathRecord{string(d), dir, dirMode, "PARENT"}
		}
		k.call(82, "a0=1 a1=2", name(dest, newDir), name(old, oldDir),
			pathRecord{old, 8, dirMode, "DELETE"}, pathRecord{dest, 8, dirMode, "CREATE"})
	}
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"a directory above is renamed by relative names", func(k *fakeKernel) { // from /srv/proj/sub
			k.cwd = "/srv/archive/2024/proj/sub"
			rename(k, "../../proj", 2, "../../archive/2024/proj", 3)
			k.rmdir(1, "/srv", 2)
			k.rmdir(4, "/srv/archive/2024", 3)
		}, []string{"/srv/proj claimed > /srv/archive/2024/proj claimed"}},
		{"the directory itself is", func(k *fakeKernel) { // from /srv/a
			k.cwd = "/srv/b"
			rename(k, "../a", 2, "../b", 2)
		}, []string{"../a unresolved > ../b unresolved"}},
		{"a directory below is, of the same name", func(k *fakeKernel) {
			k.cwd = "/srv/b"
			rename(k, "a", 2, "b", 2)
		}, []string{"/srv/b/a claimed > /srv/b/b claimed"}},
		{"another one is", func(k *fakeKernel) {
			k.cwd = "/srv/b"
			rename(k, "../a", 3, "../c", 3)
		}, []string{"/srv/a claimed > /srv/c claimed"}},
		{"a file is", func(k *fakeKernel) {
			k.cwd = "/srv/b"
			k.call(82, "a0=1 a1=2", pathRecord{"../", 3, dirMode, "PARENT"}, pathRecord{"../", 3, dirMode, "PARENT"},
				pathRecord{"../a", 8, fileMode, "DELETE"}, pathRecord{"../b", 8, fileMode, "CREATE"})
		}, []string{"/srv/a claimed > /srv/b claimed"}},
		{"it fails", func(k *fakeKernel) {
			k.cwd = "/srv/b"
			k.result(82, "success=no exit=-39", "a0=1 a1=2", pathRecord{"../", 3, dirMode, "PARENT"}, pathRecord{"../", 3, dirMode, "PARENT"})
		}, []string{"/srv claimed > /srv claimed"}},
		{"into a chroot", func(k *fakeKernel) {
			k.cwd = "/"
			k.call(161, "a0=1", pathRecord{".", 8, dirMode, "NORMAL"})
			k.rmdir(1, "/srv/jail", 8)
		}, []string{"/srv/jail claimed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			tt.run(k)
			if got := k.paths()[0]; got != tt.want[0] {
				t.Errorf("got %q, want %q", got, tt.want[0])
			}
		})
	}
}

// TestUnmounted is about a working directory whose file system was unmounted lazily:
// its path is printed from there.
func TestUnmounted(t *testing.T) {
	k := newFakeKernel(t, Options{Host: fakeLookup{unmounted: map[string]bool{"/sub": true}, now: 1_700_000_000_000}})
	k.cwd = "/sub"
	k.call(87, "a0=1", pathRecord{"/sub", 8, dirMode, "PARENT"}, pathRecord{"f", 9, fileMode, "DELETE"})
	k.cwd = "/home"
	k.call(87, "a0=1", pathRecord{"/home", 7, dirMode, "PARENT"}, pathRecord{"f", 9, fileMode, "DELETE"})
	k.expect("f unresolved", "/home/f claimed")
}
