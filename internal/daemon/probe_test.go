package daemon

import (
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/host"
)

// TestProbesOfAutomounts looks at a path behind an automount after the mounts changed,
// and then no more: each look would keep it from idling out.
func TestProbesOfAutomounts(t *testing.T) {
	const (
		root      = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		automount = "30 20 0:43 / /srv/auto rw - autofs systemd-1 rw,timeout=6\n"
		mounted   = "40 30 0:50 / /srv/auto rw - nfs4 server:/ rw\n"
	)
	set := func(p *prober, text string) {
		list, err := host.ParseMounts(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		p.mounts.Set(list)
	}
	for _, tt := range []struct {
		path, real string
		known      bool
		looks      int // of twenty rounds
	}{
		{"/srv/auto", "/srv/auto", true, 1},
		{"/srv/auto/a", "/srv/auto/a", true, 1},
		{"/link", "/srv/auto", true, 1},
		{"/srv/auto", "", false, mostAutomountLooks},
		{"/srv/automatic", "/srv/automatic", true, 20},
	} {
		p := newProber(new(host.MountTable), probeEvery, func() {})
		pr := new(probe)
		for _, text := range []string{root + automount, root + automount + mounted} {
			set(p, text)
			looks := 0
			for range 20 {
				if p.due(tt.path, pr) {
					p.look(tt.path, pr)
					pr.seen = presence{known: tt.known, real: tt.real}
					looks++
				}
			}
			if looks != tt.looks {
				t.Errorf("%s, known %t: %d looks, want %d", tt.path, tt.known, looks, tt.looks)
			}
		}
	}
}
