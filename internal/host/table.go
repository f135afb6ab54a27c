package host

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A MountTable knows the devices of mounts by their ids. Ids of other mount
// namespaces are looked up with the process that is in one.
type MountTable struct {
	mu   sync.Mutex
	byID map[string]event.Dev
	efs  map[event.Dev]string
	list []Mount

	version atomic.Uint64 // counts changes
	past    []pastMounts  // that were there a moment ago

	changed atomic.Bool // since News was asked for
	gone    []event.Dev // of those that were there before
}

// Set replaces the table after a change.
func (t *MountTable) Set(list []Mount) {
	byID, efs := make(map[string]event.Dev, len(list)), map[event.Dev]string{}
	for _, m := range list {
		dev, ok := parseDev(m.Dev)
		if !ok {
			continue
		}
		byID[m.ID] = dev
		if id := efsID(m); id != "" {
			efs[dev] = id
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(t.list, list) {
		t.version.Add(1)
		t.past = slices.DeleteFunc(t.past, func(p pastMounts) bool { return time.Since(p.until) > mountsMemory })
		t.past = append(t.past, pastMounts{t.list, time.Now()})
		t.gone = append(t.gone, goneDevices(t.list, list)...)
		t.changed.Store(true)
	}
	t.byID, t.efs, t.list = byID, efs, list
}

// pastMounts are the mounts that there were until a moment.
type pastMounts struct {
	list  []Mount
	until time.Time
}

// mountsMemory is longer than events wait for a flood to pass.
const mountsMemory = 30 * time.Second

// holds says whether a directory at path may be on a device, now or a moment ago. Of
// file systems that tell one device in records and another one in the table nothing is
// known.
func (t *MountTable) holds(path string, dev event.Dev) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m, ok := MountOf(t.list, path); !ok || m.holds(dev) {
		return true
	}
	for _, p := range t.past {
		if m, ok := MountOf(p.list, path); ok && time.Since(p.until) <= mountsMemory && m.holds(dev) {
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

// goneDevices are those of which no mount has stayed as it was. Ids and devices are
// given again at once, so that another file system may look like the one before.
func goneDevices(before, now []Mount) (gone []event.Dev) {
	stayed := map[Mount]bool{}
	for _, m := range now {
		stayed[m] = true
	}
	there := map[string]bool{}
	for _, m := range before {
		there[m.Dev] = there[m.Dev] || stayed[m]
	}
	for text, there := range there {
		if dev, ok := parseDev(text); ok && !there {
			gone = append(gone, dev)
		}
	}
	return gone
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
	gone, t.gone = t.gone, nil
	return gone, true
}

// Mounts returns the table as a list, which the caller must not change.
func (t *MountTable) Mounts() []Mount {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list
}

func (t *MountTable) dev(base, id string) (event.Dev, bool) {
	t.mu.Lock()
	dev, ok := t.byID[id]
	t.mu.Unlock()
	if ok {
		return dev, true
	}
	text, err := os.ReadFile(base + "/mountinfo")
	if err != nil {
		return 0, false
	}
	list, err := ParseMounts(bytes.NewReader(text))
	if err != nil {
		return 0, false
	}
	for _, m := range list {
		if m.ID == id {
			return parseDev(m.Dev)
		}
	}
	return 0, false
}

// parseDev reads "major:minor".
func parseDev(s string) (event.Dev, bool) {
	major, minor, _ := strings.Cut(s, ":")
	a, err1 := strconv.ParseUint(major, 10, 32)
	b, err2 := strconv.ParseUint(minor, 10, 32)
	return event.MakeDev(uint32(a), uint32(b)), err1 == nil && err2 == nil
}

// fileSystem returns the id of the EFS on a device, empty if it is none.
func (t *MountTable) fileSystem(dev event.Dev) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.efs[dev]
}

// efsID finds the id of an EFS in what is mounted, such as
// fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com:/; empty if it is none.
func efsID(m Mount) string {
	if !IsNetwork(m.Type) || !strings.HasPrefix(m.Source, "fs-") {
		return ""
	}
	id := m.Source
	if end := strings.IndexAny(id, ".:/"); end >= 0 {
		id = id[:end]
	}
	return id
}
