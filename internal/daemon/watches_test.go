package daemon

import (
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/host"
)

// TestIsMounted arms a watch on what is mounted at its path, and never on what
// shows there when a network file system is gone.
func TestIsMounted(t *testing.T) {
	const (
		root  = "22 1 259:1 / / rw - ext4 /dev/vda rw\n"
		disk  = "23 22 259:2 / /mnt rw - ext4 /dev/vdb rw\n"
		nfs   = "30 22 0:42 / /mnt/efs rw - nfs4 127.0.0.1:/ rw\n"
		tmpfs = "32 30 0:44 / /mnt/efs rw - tmpfs none rw\n"
		place = "32 22 0:44 / /mnt/efs rw - tmpfs none rw\n"
	)
	listed := map[string]string{"/": "ext4", "/mnt/efs": "nfs4"}
	for _, tt := range []struct {
		name, path, mode, mounts string
		fstab                    map[string]string
		wasNetwork, want         bool
	}{
		{"nothing", "/mnt/efs", "auto", root, listed, false, false},
		{"in fstab", "/mnt/efs", "auto", root + nfs, listed, false, true},
		{"below it", "/mnt/efs/a", "auto", root + nfs, listed, false, true},
		{"gone", "/mnt/efs", "auto", root, listed, true, false},
		{"gone, on a disk of its own", "/mnt/efs", "auto", root + disk, nil, true, false},
		{"not in fstab", "/mnt/efs", "auto", root + nfs, nil, true, true},
		{"another in its place", "/mnt/efs", "auto", root + place, listed, true, true},
		{"another, not in fstab", "/mnt/efs", "auto", root + nfs + tmpfs, nil, true, true},
		{"required", "/mnt/efs", "true", root + disk, nil, false, true},
		{"required, not there", "/mnt/efs", "true", root, nil, true, false},
	} {
		mounts, err := host.ParseMounts(strings.NewReader(tt.mounts))
		if err != nil {
			t.Fatal(err)
		}
		if got := isMounted(config.Watch{Path: tt.path, RequireMount: tt.mode}, mounts, tt.fstab, tt.wasNetwork); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
