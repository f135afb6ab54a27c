package paths

import "testing"

// run is a program with its command line.
func (k *fakeKernel) run(exe, title string, nr int, args string, paths ...pathRecord) {
	k.exe, k.title = exe, title
	k.call(nr, args, paths...)
	k.exe, k.title = "", ""
}

// TestLostSlash is about kernels that do not find a name again which ends in a
// slash, and print its directory once more instead.
func TestLostSlash(t *testing.T) {
	const rm, mv, mkdir = "/usr/bin/rm", "/usr/bin/mv", "/usr/bin/mkdir"
	again := func(ino int) pathRecord { return pathRecord{"", ino, dirMode, "PARENT"} }
	gone := func(ino int) pathRecord { return pathRecord{"", ino, dirMode, "DELETE"} }
	made := func(ino int) pathRecord { return pathRecord{"", ino, dirMode, "CREATE"} }
	home := pathRecord{"/home", 1, dirMode, "PARENT"}
	const here = "a0=ffffff9c a1=1 a2=200"
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"rm names the directory of what was in it", func(k *fakeKernel) {
			k.unlinkat(8, "f")
			k.run(rm, "rm\x00-rf\x00t/", 263, here, home, again(1), gone(8))
		}, []string{"/home/t/f claimed", "/home/t claimed"}},
		{"an absolute name", func(k *fakeKernel) {
			k.run(rm, "rm\x00-rf\x00/srv//t/", 263, here, pathRecord{"/srv//", 2, dirMode, "PARENT"}, again(2), gone(8))
		}, []string{"/srv/t claimed"}},
		{"another program may take other names than its words", func(k *fakeKernel) {
			k.run("/usr/bin/python3", "python3\x00t/", 84, "a0=1", home, again(1), gone(8))
		}, []string{"/home claimed"}},
		{"two words fit", func(k *fakeKernel) {
			k.run(rm, "rm\x00-rf\x00t/\x00u/", 263, here, home, again(1), gone(8))
		}, []string{"/home claimed"}},
		{"two words, in two directories", func(k *fakeKernel) {
			k.run(rm, "rm\x00-rf\x00/srv/t/\x00u/", 263, here, home, again(1), gone(8))
		}, []string{"/home/u claimed"}},
		{"a command line that was cut", func(k *fakeKernel) {
			k.run(rm, "rm\x00-rf\x00t/\x00"+string(make([]byte, 118))+"u/", 263, here, home, again(1), gone(8))
		}, []string{"/home claimed"}},
		{"an option is no name", func(k *fakeKernel) {
			k.run(mv, "mv\x00-Tx/\x00t/\x00u", 82, "a0=1 a1=2", home, home, again(1), gone(8), pathRecord{"u", 8, dirMode, "CREATE"})
		}, []string{"/home/t claimed > /home/u claimed"}},
		{"mkdir", func(k *fakeKernel) {
			k.run(mkdir, "mkdir\x00t/", 83, "a0=1", home, again(1), made(8))
			k.unlinkat(8, "f")
		}, []string{"/home/t claimed", "/home/t/f claimed"}},
		{"mv under a new name", func(k *fakeKernel) {
			k.unlinkat(8, "f")
			k.run(mv, "mv\x00t/\x00u", 82, "a0=1 a1=2", home, home, again(1), gone(8), pathRecord{"u", 8, dirMode, "CREATE"})
			k.unlinkat(8, "g")
		}, []string{"/home/t/f claimed", "/home/t claimed > /home/u claimed", "/home/u/g claimed"}},
		{"mv into a directory", func(k *fakeKernel) {
			k.run(mv, "mv\x00t/\x00sub/", 316, "a0=ffffff9c a1=1 a2=4 a3=2", pathRecord{"/home", 5, dirMode, "PARENT"}, home, again(1), gone(8),
				pathRecord{"t", 8, dirMode, "CREATE"})
			k.rmdir(1, "/home/sub", 5)
		}, []string{"/home/t claimed > /home/sub/t claimed", "/home/sub claimed"}},
		{"both names end in a slash", func(k *fakeKernel) {
			k.run(mv, "mv\x00t/\x00u/", 82, "a0=1 a1=2", home, home, again(1), gone(8), again(1), made(8))
		}, []string{"/home/t claimed > /home/u claimed"}},
		{"the new name is not the old one", func(k *fakeKernel) {
			k.run("/usr/bin/python3", "python3", 82, "a0=1 a1=2", home, home, again(1), gone(8), pathRecord{"u", 8, dirMode, "CREATE"})
			k.unlinkat(8, "g")
		}, []string{"/home claimed > /home/u claimed", "g unresolved"}},
		{"a record is missing that would tell", func(k *fakeKernel) {
			k.lost = 1
			k.call(82, "a0=1 a1=2", home, again(1), gone(8), pathRecord{"u", 8, dirMode, "CREATE"})
		}, []string{"/home claimed > /home/u claimed"}},
		{"the directory printed again tells the sides", func(k *fakeKernel) {
			k.unlink(1, "/home/x")
			k.unlink(2, "/srv/x")
			k.call(264, "a0=3 a1=1 a2=4 a3=2", pathRecord{k.cwd, 2, dirMode, "PARENT"}, home, again(1), gone(8), pathRecord{"u", 8, dirMode, "CREATE"})
		}, []string{"/home claimed > /srv/u claimed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			tt.run(k)
			k.expect(tt.want...)
		})
	}
}
