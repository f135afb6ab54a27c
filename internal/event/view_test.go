package event

import "testing"

// TestView is about processes that see other names for the same directories.
func TestView(t *testing.T) {
	const before = 1_600_000_000_000
	const host, inside, alike, gone = 100, 200, 201, 300
	by := func(k *fakeKernel, pid int) *fakeKernel {
		k.pid = pid
		return k
	}
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"what the host names, later, of a process that is gone", func(k *fakeKernel) {
			by(k, gone).unlinkat(8, "f")
			by(k, host).rmdir(1, "/srv/d", 8)
		}, []string{"/srv/d/f trail", "/srv/d absolute"}},
		{"what a container names is no name for the host", func(k *fakeKernel) {
			by(k, host).unlinkat(8, "f")
			by(k, inside).rmdir(1, "/data/d", 8)
		}, []string{"f unresolved", "/data/d absolute"}},
		{"nor earlier", func(k *fakeKernel) {
			by(k, inside).unlink(8, "/data/d/x")
			by(k, host).unlinkat(8, "f")
		}, []string{"/data/d/x absolute", "f unresolved"}},
		{"but for itself", func(k *fakeKernel) {
			by(k, inside).unlinkat(8, "f")
			by(k, inside).rmdir(1, "/data/d", 8)
		}, []string{"/data/d/f trail", "/data/d absolute"}},
		{"and who sees it alike", func(k *fakeKernel) {
			by(k, inside).unlink(8, "/data/d/x")
			by(k, alike).unlinkat(8, "f")
		}, []string{"/data/d/x absolute", "/data/d/f trail"}},
		{"and for all if it is the same on the host", func(k *fakeKernel) {
			by(k, host).unlinkat(7, "f")
			by(k, inside).unlink(7, "/mnt/efs/x")
		}, []string{"/mnt/efs/f trail", "/mnt/efs/x absolute"}},
		{"a process that is gone named what is not on the host", func(k *fakeKernel) {
			by(k, host).unlinkat(8, "f")
			by(k, gone).rmdir(1, "/jail/d", 8)
		}, []string{"f unresolved", "/jail/d absolute"}},
		{"but for itself, gone as it is", func(k *fakeKernel) {
			by(k, gone).unlinkat(8, "f")
			by(k, gone).rmdir(1, "/jail/d", 8)
		}, []string{"/jail/d/f trail", "/jail/d absolute"}},
		{"a process that is gone named what is on the host", func(k *fakeKernel) {
			by(k, host).unlinkat(8, "f")
			by(k, gone).rmdir(7, "/mnt/efs/d", 8)
		}, []string{"/mnt/efs/d/f trail", "/mnt/efs/d absolute"}},
		{"the host's name comes too late, after a container's", func(k *fakeKernel) {
			by(k, host).unlinkat(8, "f")
			by(k, inside).unlink(8, "/data/d/x")
			by(k, host).rmdir(1, "/srv/d", 8)
		}, []string{"f unresolved", "/data/d/x absolute", "/srv/d absolute"}},
		{"a rename of what is above it elsewhere does not move it", func(k *fakeKernel) {
			by(k, inside).unlink(8, "/data/d/x")
			by(k, host).rename(1, "/srv/p", 1, "/srv/q", 5)
			by(k, alike).unlinkat(8, "f")
		}, []string{"/data/d/x absolute", "/srv/p absolute > /srv/q absolute", "/data/d/f trail"}},
		{"a rename of it does, by whatever name", func(k *fakeKernel) {
			by(k, inside).unlink(8, "/data/d/x")
			by(k, host).rename(1, "/srv/p/d", 1, "/srv/p/e", 8)
			by(k, alike).unlinkat(8, "f")
		}, []string{"/data/d/x absolute", "/srv/p/d absolute > /srv/p/e absolute", "f unresolved"}},
		{"a rename tells where it was", func(k *fakeKernel) {
			by(k, inside).unlinkat(8, "f")
			by(k, host).rename(1, "/srv/p/d", 1, "/srv/p/e", 8)
			by(k, inside).unlink(8, "/data/e/x")
		}, []string{"/srv/p/d/f trail", "/srv/p/d absolute > /srv/p/e absolute", "/data/e/x absolute"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Lookup: fakeLookup{
				files: map[string]fakeFile{"/mnt/efs": {7, 2, before}},
				views: map[uint32]uint64{inside: 5, alike: 5, gone: 1},
			}})
			tt.run(k)
			k.expect(tt.want...)
		})
	}
}
