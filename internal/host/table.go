package host

import (
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A MountTable is the mounts of this host as they were read last, and what became of
// those of a moment ago. Mounts of other mount namespaces are looked up with the
// process that is in one.
type MountTable struct {
	mu   sync.Mutex
	list []Mount
	tree mountTree
	efs  fileSystems

	version atomic.Uint64 // counts changes
	past    []pastMount   // the oldest first, at most mostPast

	changed atomic.Bool // since News was asked for
	gone    map[event.Dev]bool
}

// A pastMount is a file system that was below a point until a moment.
type pastMount struct {
	Mount
	until time.Time
}

const (
	// mountsMemory is longer than events wait for a flood to pass.
	mountsMemory = 30 * time.Second
	mostPast     = 1024
)

// Set replaces the table after a change.
func (t *MountTable) Set(list []Mount) {
	tree := newMountTree(list)
	t.mu.Lock()
	before := t.efs
	t.mu.Unlock()
	efs := nameFileSystems(efsFiles, list, before, time.Now())
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(t.list, list) {
		t.version.Add(1)
		t.remember(list)
		t.changed.Store(true)
	}
	t.list, t.tree, t.efs = list, tree, efs
}

// remember notes what the mounts of a new list take away: those that are gone, and
// what new ones cover. A user's own count for nothing: they come and go as fast as he
// likes.
func (t *MountTable) remember(list []Mount) {
	now := time.Now()
	before, stay := setOf(t.list), setOf(list)
	if t.gone == nil {
		t.gone = map[event.Dev]bool{}
	}
	for _, dev := range goneDevices(t.list, stay) {
		t.gone[dev] = true
	}
	for _, m := range t.list {
		if !stay[m] && !m.Foreign() {
			t.past = append(t.past, pastMount{m, now})
		}
	}
	for _, m := range list {
		if at := t.tree.holder(m.Point); at >= 0 && !before[m] && !m.Foreign() {
			covered := t.list[at]
			covered.Point = m.Point
			t.past = append(t.past, pastMount{covered, now})
		}
	}
	old := max(0, len(t.past)-mostPast)
	for old < len(t.past) && now.Sub(t.past[old].until) > mountsMemory {
		old++
	}
	t.past = slices.Delete(t.past, 0, old)
}

func setOf(list []Mount) map[Mount]bool {
	set := make(map[Mount]bool, len(list))
	for _, m := range list {
		set[m] = true
	}
	return set
}

// goneDevices are those of which no mount has stayed as it was. Ids and devices are
// given again at once, so that another file system may look like the one before.
func goneDevices(before []Mount, stay map[Mount]bool) (gone []event.Dev) {
	there := map[string]bool{}
	for _, m := range before {
		there[m.Dev] = there[m.Dev] || stay[m]
	}
	for text, there := range there {
		if dev, ok := parseDev(text); ok && !there {
			gone = append(gone, dev)
		}
	}
	return gone
}

// Replaced returns the devices of which no mount of before is there now. The lists are of
// two processes, whose mount namespaces number the same mounts differently.
func Replaced(before, now []Mount) []event.Dev {
	plain := func(list []Mount) []Mount {
		list = slices.Clone(list)
		for i := range list {
			list[i].ID, list[i].Parent = "", ""
		}
		return list
	}
	return goneDevices(plain(before), setOf(plain(now)))
}

// News reports whether mounts have changed since it was last called, and which devices
// have gone.
func (t *MountTable) News() (gone []event.Dev, changed bool) {
	if !t.changed.Load() {
		return nil, false
	}
	t.changed.Store(false)
	t.mu.Lock()
	defer t.mu.Unlock()
	for dev := range t.gone {
		gone = append(gone, dev)
	}
	clear(t.gone)
	return gone, true
}

// Mounts returns the table as a list, which the caller must not change.
func (t *MountTable) Mounts() []Mount {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list
}

// of returns the mount that holds path.
func (t *MountTable) of(path string) (Mount, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.tree.holder(path)
	if at < 0 {
		return Mount{}, false
	}
	return t.list[at], true
}

// withID returns the mount with an id.
func (t *MountTable) withID(id string) (Mount, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.tree.byID[id]
	if !ok {
		return Mount{}, false
	}
	return t.list[at], true
}

// holds says whether a directory at path may be on a device, now or a moment ago. Of
// file systems that tell one device in records and another one in the table nothing is
// known.
func (t *MountTable) holds(path string, dev event.Dev) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.tree.holder(path)
	for at >= 0 && t.list[at].Foreign() && !t.list[at].holds(dev) {
		at = t.tree.parent(at)
	}
	if at < 0 || t.list[at].holds(dev) {
		return true
	}
	for _, p := range t.past {
		if Below(path, p.Point) && time.Since(p.until) <= mountsMemory && p.holds(dev) {
			return true
		}
	}
	return false
}

// holds says whether a directory on the mount may be on a device.
func (m Mount) holds(dev event.Dev) bool {
	switch m.Type {
	case "overlay", "aufs", "ecryptfs", "btrfs", "autofs":
		return true
	}
	own, ok := parseDev(m.Dev)
	return !ok || own == dev
}

// dev is the device of a mount, which process base (/proc/PID) sees.
func (t *MountTable) dev(base, id string) (event.Dev, bool) {
	if m, ok := t.withID(id); ok {
		return parseDev(m.Dev)
	}
	file, err := os.Open(base + "/mountinfo")
	if err != nil {
		return 0, false
	}
	defer file.Close()
	return findDev(file, id)
}

// mostMountinfo bounds how much is read of a stranger's mounts, in bytes: some 2,000
// of them. A container has some dozens.
const mostMountinfo = 256 << 10

// findDev finds the device of a mount in a mountinfo of any length, and keeps none of
// it.
func findDev(mountinfo io.Reader, id string) (dev event.Dev, ok bool) {
	err := eachMountLine(io.LimitReader(mountinfo, mostMountinfo), func(line []byte) error {
		f := strings.SplitN(string(line[:min(len(line), 64)]), " ", 4)
		if len(f) == 4 && f[0] == id {
			dev, ok = parseDev(f[2])
			return io.EOF
		}
		return nil
	})
	return dev, ok && err == io.EOF
}

// parseDev reads "major:minor".
func parseDev(s string) (event.Dev, bool) {
	major, minor, _ := strings.Cut(s, ":")
	a, err1 := strconv.ParseUint(major, 10, 32)
	b, err2 := strconv.ParseUint(minor, 10, 32)
	return event.MakeDev(uint32(a), uint32(b)), err1 == nil && err2 == nil
}

// fileSystem returns the EFS on a device, the zero FileSystem if it is none.
func (t *MountTable) fileSystem(dev event.Dev) FileSystem {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.efs.byDev[dev]
}

// Unnamed returns after what time the table should be set again, since the files that
// name a new mount may not be written yet; 0 if there is no such mount.
func (t *MountTable) Unnamed() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.efs.unnamed) == 0 {
		return 0
	}
	return nameAgain
}
