package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/host"
)

// TestForeignMountsDisarmNothing requires that a file system which a user mounts on a
// watch, and takes away again, changes nothing of what the watch needs, and is told once.
func TestForeignMountsDisarmNothing(t *testing.T) {
	parse := func(text string) []host.Mount {
		t.Helper()
		mounts, err := host.ParseMounts(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return mounts
	}
	const (
		root = "22 1 259:1 / / rw - ext4 /dev/vda rw\n"
		over = "40 22 0:50 / /home/proj/team rw - fuse.x x rw,user_id=1000,group_id=1000\n"
		deep = "41 22 0:51 / /home/proj/team/sub rw - fuse x rw,user_id=1001,group_id=1001\n"
	)
	watch := config.Watch{Path: "/home/proj/team", RequireMount: "auto"}
	plain := parse(root)
	var told []string
	f := foreignMounts{tell: func(m host.Mount) { told = append(told, m.Point) }}
	for _, text := range []string{root + over, root + deep, root + over + deep, root} {
		all := parse(text)
		mounts := host.Trusted(all)
		f.look(all, []string{watch.Path})
		if needsMount(watch, mounts, nil, false) || fingerprint(watch.Path, mounts) != fingerprint(watch.Path, plain) {
			t.Errorf("the watch depends on a user's file system:\n%s", text)
		}
		if want := strings.Contains(text, over); f.covers(watch.Path+"/f") != want || len(f.covered()) > 0 != want {
			t.Errorf("covered %v, want %v:\n%s", f.covered(), want, text)
		}
		if f.covers("/home/proj/other") || f.covers("") {
			t.Error("covers another path")
		}
	}
	slices.Sort(told)
	if want := []string{"/home/proj/team", "/home/proj/team/sub"}; !slices.Equal(told, want) {
		t.Errorf("told of %q, want %q", told, want)
	}
	for i := range 10 * mostForeign {
		f.look(parse(root+fmt.Sprintf("40 22 0:50 / /home/proj/team/%d rw - fuse x rw,user_id=1000\n", i)), []string{watch.Path})
	}
	if len(told) != mostForeign {
		t.Errorf("told %d times, want %d", len(told), mostForeign)
	}
}

// TestAutomountWaits requires that a watch waits for an automount that nobody has used
// yet, whatever the configuration says: a look would mount it.
func TestAutomountWaits(t *testing.T) {
	const trigger = "22 1 259:1 / / rw - ext4 /dev/vda rw\n30 22 0:42 / /mnt/efs rw - autofs systemd-1 rw,direct\n"
	for text, want := range map[string]bool{trigger: true, trigger + "31 30 0:43 / /mnt/efs rw - nfs4 127.0.0.1:/ rw\n": false} {
		mounts, err := host.ParseMounts(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []string{"auto", "true", "false"} {
			why := mustWait(config.Watch{Path: "/mnt/efs/a", RequireMount: mode}, mounts, nil, false, presence{})
			if (why != "") != want {
				t.Errorf("%s: waits %q, want %v", mode, why, want)
			}
		}
	}
}
