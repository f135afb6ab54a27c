package host

import (
	"regexp"
	"slices"
	"strings"
)

// mostCgroup is room for a dozen hierarchies of long paths.
const mostCgroup = 64 << 10

// containerID is how Docker, containerd, CRI-O and Podman name a container's
// cgroup: 64 hexadecimal digits, perhaps with a prefix and .scope behind.
var containerID = regexp.MustCompile(`(?:^|[-/:])([0-9a-f]{64})(?:\.scope)?(?:/|$)`)

// runtimes are services that make the cgroups of containers below their own.
var runtimes = []string{"containerd.service", "crio.service", "docker.service", "k3s.service", "k3s-agent.service", "kubelet.service", "podman.service"}

// parseCgroup reads /proc/PID/cgroup. Cgroup v2 and systemd's own hierarchy of v1 name
// the unit, any hierarchy the container.
func parseCgroup(text []byte) (container, unit string) {
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		controllers, path, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		path, manages := undelegated(path)
		if m := containerID.FindStringSubmatch(path); m != nil && container == "" {
			container = strings.Clone(m[1])
		}
		if (controllers == "" || controllers == "name=systemd") && unit == "" {
			unit = strings.Clone(manages)
		}
	}
	return container, unit
}

// undelegated cuts what a unit made itself from a cgroup's path, and returns the unit.
// systemd puts units only into slices, so what lies below a service or a scope is in
// the hands of whoever runs there: a user (user@1000.service), or a container. He may
// give it any name. Only services that make containers are believed.
func undelegated(path string) (root, unit string) {
	for end := 1; end <= len(path); end++ {
		if end < len(path) && path[end] != '/' {
			continue
		}
		part := path[strings.LastIndexByte(path[:end], '/')+1 : end]
		switch {
		case slices.Contains(runtimes, part) && strings.HasPrefix(path, "/system.slice/"+part):
			return path, part
		case strings.HasSuffix(part, ".service"), strings.HasSuffix(part, ".scope"):
			return path[:end], part
		}
	}
	return path, ""
}
