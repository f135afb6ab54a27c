package host

import (
	"bytes"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Homes says in which container and systemd unit processes run, from their
// cgroups. What it said of a process holds for a moment, since most processes
// that delete delete a lot; a process's number is not given anew so soon.
type Homes struct {
	now  func() time.Time
	seen map[uint32]home
}

type home struct {
	container, unit string
	until           time.Time
}

const (
	homeHolds = 500 * time.Millisecond
	mostHomes = 1024
)

// NewHomes returns a Homes that knows nobody yet.
func NewHomes() *Homes { return &Homes{now: time.Now} }

// Of returns the container and the unit of a process that still lives.
func (h *Homes) Of(pid uint32) (container, unit string) {
	now := h.now()
	if known, ok := h.seen[pid]; ok && now.Before(known.until) {
		return known.container, known.unit
	}
	if len(h.seen) >= mostHomes || h.seen == nil {
		h.seen = map[uint32]home{}
	}
	var found home
	if text, err := os.ReadFile("/proc/" + strconv.Itoa(int(pid)) + "/cgroup"); err == nil {
		found.container, found.unit = parseCgroup(text)
	}
	found.until = now.Add(homeHolds)
	h.seen[pid] = found
	return found.container, found.unit
}

// containerID is how Docker, containerd, CRI-O and Podman name a container's
// cgroup: 64 hexadecimal digits, perhaps with a prefix and .scope behind.
var containerID = regexp.MustCompile(`(?:^|[-/:])([0-9a-f]{64})(?:\.scope)?(?:/|$)`)

// parseCgroup reads /proc/PID/cgroup. The unit is the innermost service or
// scope; cgroup v2 and systemd's own hierarchy of v1 name it.
func parseCgroup(text []byte) (container, unit string) {
	for line := range bytes.Lines(text) {
		_, rest, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		controllers, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		if m := containerID.FindStringSubmatch(path); m != nil && container == "" {
			container = m[1]
		}
		if controllers != "" && controllers != "name=systemd" || unit != "" {
			continue
		}
		for part := range strings.SplitSeq(path, "/") {
			if strings.HasSuffix(part, ".service") || strings.HasSuffix(part, ".scope") {
				unit = part
			}
		}
	}
	return container, unit
}
