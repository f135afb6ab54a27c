package host

import (
	"strings"
	"testing"
)

func TestParseCgroup(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for text, want := range map[string][2]string{
		"0::/system.slice/nginx.service\n":                                           {"", "nginx.service"},
		"0::/user.slice/user-1000.slice/session-3.scope\n":                           {"", "session-3.scope"},
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service\n": {"", "app-x.service"},
		"0::/\n": {"", ""},
		"12:cpu:/\n1:name=systemd:/system.slice/cron.service\n0::/\n":                         {"", "cron.service"},
		"0::/system.slice/docker-" + id + ".scope\n":                                          {id, "docker-" + id + ".scope"},
		"4:memory:/docker/" + id + "\n":                                                       {id, ""},
		"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope/init.scope\n": {id, "init.scope"},
	} {
		if container, unit := parseCgroup([]byte(text)); container != want[0] || unit != want[1] {
			t.Errorf("%q: got %q, %q, want %q", text, container, unit, want)
		}
	}
}
