package daemon

import (
	"fmt"
	"strings"

	"github.com/auditshipper/auditshipper/internal/config"
)

// needsMount reports whether a watch must not be armed unless a file system of
// its own is mounted at its path or above: where the configuration says so,
// or, with auto, where fstab does, or where a network file system is mounted
// now or was once (wasNetwork).
func needsMount(w config.Watch, mounts []mount, fstab map[string]string, wasNetwork bool) bool {
	switch w.RequireMount {
	case "true":
		return true
	case "false":
		return false
	}
	if wasNetwork {
		return true
	}
	if m, ok := mountOf(mounts, w.Path); ok && isNetwork(m.Type) {
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
		if point != "/" && below(path, point) && len(point) > len(best) {
			best = point
		}
	}
	return best, best != ""
}

// isMounted reports whether a file system is mounted where the watch needs it.
func isMounted(w config.Watch, mounts []mount, fstab map[string]string, wasNetwork bool) bool {
	m, ok := mountOf(mounts, w.Path)
	if !ok || m.Point == "/" {
		return false
	}
	point, listed := fstabPoint(w.Path, fstab)
	if wasNetwork && w.RequireMount != "true" && !isNetwork(m.Type) {
		// What is mounted in the place of the network file system is watched, what
		// shows when that is gone is not.
		return m.Point == w.Path || listed && below(m.Point, point)
	}
	return !listed || below(m.Point, point)
}

// fingerprint names the mounts that decide what a watch sees: the one that
// holds its path, and those below. A rule tags the mounts there are when it is
// added, so it must be renewed when this changes.
func fingerprint(path string, mounts []mount) string {
	var b strings.Builder
	if m, ok := mountOf(mounts, path); ok {
		fmt.Fprintf(&b, "%s %s %s;", m.ID, m.Dev, m.Point)
	}
	for _, m := range mounts {
		if m.Point != path && below(m.Point, path) {
			fmt.Fprintf(&b, "%s %s %s;", m.ID, m.Dev, m.Point)
		}
	}
	return b.String()
}
