package daemon

import (
	"fmt"
	"strings"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/host"
)

// needsMount reports whether a watch must not be armed unless a file system of
// its own is mounted at its path or above: where the configuration says so,
// or, with auto, where fstab does, or where a network file system is mounted
// now or was once (wasNetwork).
func needsMount(w config.Watch, mounts []host.Mount, fstab map[string]string, wasNetwork bool) bool {
	switch w.RequireMount {
	case "true":
		return true
	case "false":
		return false
	}
	if wasNetwork {
		return true
	}
	if m, ok := host.MountOf(mounts, w.Path); ok && host.IsNetwork(m.Type) {
		return true
	}
	_, ok := fstabPoint(w.Path, fstab)
	return ok
}

// fstabPoint returns the longest mount point of fstab that holds path, the root
// excepted, which is always mounted.
func fstabPoint(path string, fstab map[string]string) (string, bool) {
	best := ""
	for point := range fstab {
		if point != "/" && host.Below(path, point) && len(point) > len(best) {
			best = point
		}
	}
	return best, best != ""
}

// isMounted reports whether a file system is mounted where the watch needs it.
func isMounted(w config.Watch, mounts []host.Mount, fstab map[string]string, wasNetwork bool) bool {
	m, ok := host.MountOf(mounts, w.Path)
	if !ok || m.Point == "/" {
		return false
	}
	point, listed := fstabPoint(w.Path, fstab)
	if wasNetwork && w.RequireMount != "true" && !host.IsNetwork(m.Type) {
		// What is mounted in the place of the network file system is watched, what
		// shows when that is gone is not.
		return m.Point == w.Path || listed && host.Below(m.Point, point)
	}
	return !listed || host.Below(m.Point, point)
}

// fingerprint names the mounts that decide what a watch sees: the one that
// holds its path, and those below. A rule tags the mounts there are when it is
// added, so it must be renewed when this changes.
func fingerprint(path string, mounts []host.Mount) string {
	var b strings.Builder
	if m, ok := host.MountOf(mounts, path); ok {
		fmt.Fprintf(&b, "%s %s %s;", m.ID, m.Dev, m.Point)
	}
	for _, m := range mounts {
		if m.Point != path && host.Below(m.Point, path) {
			fmt.Fprintf(&b, "%s %s %s;", m.ID, m.Dev, m.Point)
		}
	}
	return b.String()
}
