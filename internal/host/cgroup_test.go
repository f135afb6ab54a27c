package host

import (
	"strings"
	"testing"
)

// TestParseCgroup names containers and units by what the system made of a cgroup's
// path.
func TestParseCgroup(t *testing.T) {
	id, other := strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4)
	for text, want := range map[string][2]string{
		"0::/system.slice/nginx.service\n":                 {"", "nginx.service"},
		"0::/user.slice/user-1000.slice/session-3.scope\n": {"", "session-3.scope"},
		"0::/\n": {"", ""},
		"12:cpu:/\n1:name=systemd:/system.slice/cron.service\n0::/\n":                         {"", "cron.service"},
		"0::/system.slice/docker-" + id + ".scope\n":                                          {id, "docker-" + id + ".scope"},
		"4:memory:/docker/" + id + "\n":                                                       {id, ""},
		"4:memory:/docker/" + id + "/docker/" + other + "\n":                                  {id, ""},
		"0::/kubepods/burstable/pod1/" + id + "\n":                                            {id, ""},
		"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope/init.scope\n": {id, "cri-containerd-" + id + ".scope"},
		"0::/machine.slice/libpod-" + id + ".scope/container\n":                               {id, "libpod-" + id + ".scope"},
		"0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + id + "\n": {id, "containerd.service"},

		// What a user or a container writes itself is not believed.
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/sshd.service\n":                       {"", "user@1000.service"},
		"0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope\n":           {"", "user@1000.service"},
		"0::/user.slice/user-1000.slice/user@1000.service/system.slice/docker.service/" + id + "\n":       {"", "user@1000.service"},
		"0::/system.slice/docker-" + id + ".scope/system.slice/docker-" + other + ".scope/cron.service\n": {id, "docker-" + id + ".scope"},
		"0::/system.slice/web.service/" + id + "\n":                                                       {"", "web.service"},
		"1:name=systemd:/user.slice/user-1000.slice/session-3.scope/" + id + "\n":                         {"", "session-3.scope"},
	} {
		if container, unit := parseCgroup([]byte(text)); container != want[0] || unit != want[1] {
			t.Errorf("%q: got %q, %q, want %q", text, container, unit, want)
		}
	}
}
