package paths

import "testing"

// TestViaProc is about names that lead through what a process has open.
func TestViaProc(t *testing.T) {
	chmod := func(k *fakeKernel, name string, ino int) {
		k.call(90, "a0=1 a1=1ff", pathRecord{name, ino, fileMode, "NORMAL"})
	}
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"a file that was made there", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "5")
			chmod(k, "/proc/self/fd/5", 9)
		}, []string{"/srv/f claimed"}},
		{"by the process's number", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "5")
			chmod(k, "/proc/100/fd/5", 9)
		}, []string{"/srv/f claimed"}},
		{"in /dev", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "5")
			chmod(k, "/dev/fd/5", 9)
		}, []string{"/srv/f claimed"}},
		{"another descriptor", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "5")
			chmod(k, "/proc/self/fd/6", 9)
		}, []string{"/proc/self/fd/6 unresolved"}},
		{"another process's", func(k *fakeKernel) {
			k.openat(-100, 8, "/srv/f", 9, "5")
			chmod(k, "/proc/7/fd/5", 9)
		}, []string{"/proc/7/fd/5 unresolved"}},
		{"a file in a directory that is open", func(k *fakeKernel) {
			k.unlink(8, "/proc/self/fd/3/f")
			k.rmdir(1, "/srv/d", 8)
		}, []string{"/srv/d/f claimed", "/srv/d claimed"}},
		{"teaches nobody", func(k *fakeKernel) {
			k.unlink(8, "/proc/self/cwd/f")
			k.unlinkat(8, "g")
		}, []string{"/proc/self/cwd/f unresolved", "g unresolved"}},
		{"through another process's root", func(k *fakeKernel) {
			k.unlink(8, "/proc/7/root/srv/f")
		}, []string{"/proc/7/root/srv/f unresolved"}},
		{"a file of proc itself", func(k *fakeKernel) {
			chmod(k, "/proc/sys/kernel/printk", 9)
		}, []string{"/proc/sys/kernel/printk claimed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			tt.run(k)
			k.expect(tt.want...)
		})
	}
}
