package host

import (
	"hash/fnv"
	"os"

	"github.com/auditshipper/auditshipper/internal/paths"
)

// A process's view of the tree of names is its mount namespace and, within that,
// its root. The host's is that of process 1, which is not ours in a container.

// hostView is the mount namespace of process 1, or ours where that may not be seen.
func hostView() string {
	ns, err := os.Readlink("/proc/1/ns/mnt")
	if err != nil {
		ns, _ = os.Readlink("/proc/self/ns/mnt") // without it all are strangers, whose names count for themselves
	}
	return ns
}

// Process implements paths.Host.
func (l *System) Process(pid uint32, around func(path string, dir paths.File)) (view uint64, ok bool) {
	if int(pid) == os.Getpid() {
		l.finder.stop() // whoever audits us would audit that, too
	}
	type seen struct {
		view uint64
		dirs []string
	}
	got, ok := askProcess(l, pid, func() (got seen, ok bool) {
		if around != nil {
			got.dirs = processDirs(procPath(pid))
		}
		got.view, ok = viewOf(procPath(pid), l.host)
		return got, ok
	})
	if around != nil {
		l.around(got.dirs, around)
	}
	return got.view, ok
}

// viewOf is the view of the process at base, where host is the host's namespace.
func viewOf(base, host string) (view uint64, ok bool) {
	ns, err := os.Readlink(base + "/ns/mnt")
	if err != nil {
		return 0, false
	}
	root, err := os.Readlink(base + "/root")
	if err != nil {
		return 0, false
	}
	if ns == host && root == "/" {
		return 0, true
	}
	h := fnv.New64a()
	h.Write([]byte(ns + root)) // a hash does not fail
	return h.Sum64()>>1 | 1, true
}
