package paths

import (
	"testing"
	"time"
)

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
		}, []string{"f unresolved", "/data/d claimed"}},
		{"nor earlier", func(k *fakeKernel) {
			by(k, inside).unlink(8, "/data/d/x")
			by(k, host).unlinkat(8, "f")
		}, []string{"/data/d/x claimed", "f unresolved"}},
		{"but for itself", func(k *fakeKernel) {
			by(k, inside).unlinkat(8, "f")
			by(k, inside).rmdir(1, "/data/d", 8)
		}, []string{"/data/d/f claimed", "/data/d claimed"}},
		{"and not for who sees it alike", func(k *fakeKernel) {
			by(k, inside).unlink(8, "/data/d/x")
			by(k, alike).unlinkat(8, "f")
		}, []string{"/data/d/x claimed", "f unresolved"}},
		{"and for all if it is the same on the host", func(k *fakeKernel) {
			by(k, host).unlinkat(7, "f")
			by(k, inside).unlink(7, "/mnt/efs/x")
		}, []string{"/mnt/efs/f trail", "/mnt/efs/x claimed"}},
		{"a process that is gone named what is not on the host", func(k *fakeKernel) {
			by(k, host).unlinkat(8, "f")
			by(k, gone).rmdir(1, "/jail/d", 8)
		}, []string{"f unresolved", "/jail/d claimed"}},
		{"but for itself, gone as it is", func(k *fakeKernel) {
			by(k, gone).unlinkat(8, "f")
			by(k, gone).rmdir(1, "/jail/d", 8)
		}, []string{"/jail/d/f claimed", "/jail/d claimed"}},
		{"a process that is gone named what is on the host", func(k *fakeKernel) {
			by(k, host).unlinkat(8, "f")
			by(k, gone).rmdir(7, "/mnt/efs/d", 8)
		}, []string{"/mnt/efs/d/f trail", "/mnt/efs/d absolute"}},
		{"the host's name, after a container's", func(k *fakeKernel) {
			by(k, host).unlinkat(8, "f")
			by(k, inside).unlink(8, "/data/d/x")
			by(k, host).rmdir(1, "/srv/d", 8)
		}, []string{"/srv/d/f trail", "/data/d/x claimed", "/srv/d absolute"}},
		{"a rename by the host tells its place on the host", func(k *fakeKernel) {
			by(k, inside).unlink(8, "/data/d/x")
			by(k, host).rename(5, "/srv/p/d", 5, "/srv/p/e", 8)
			by(k, alike).unlinkat(8, "f")
		}, []string{"/data/d/x claimed", "/srv/p/d absolute > /srv/p/e absolute", "/srv/p/e/f trail"}},
		{"a rename tells where it was", func(k *fakeKernel) {
			by(k, inside).unlinkat(8, "f")
			by(k, host).rename(5, "/srv/p/d", 5, "/srv/p/e", 8)
			by(k, inside).unlink(8, "/data/e/x")
		}, []string{"/srv/p/d/f trail", "/srv/p/d absolute > /srv/p/e absolute", "/data/e/x claimed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{
				files: map[string]fakeFile{"/mnt/efs": {7, 2, before}, "/srv": {1, 2, before}, "/srv/p": {5, 2, before}}, now: 1_700_000_000_000,
				views: map[uint32]uint64{inside: 5, alike: 5, gone: 1},
			}})
			tt.run(k)
			k.s.Tick(k.now.Add(underway * time.Millisecond))
			k.expect(tt.want...)
		})
	}
}
