package host

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

const table = `22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw
30 22 0:42 / /mnt/efs rw,relatime shared:9 - nfs4 127.0.0.1:/ rw,vers=4.1
31 22 0:43 / /mnt/my\040dir\134x rw - tmpfs tmpfs rw
32 30 0:44 / /mnt/efs rw,relatime shared:9 master:1 propagate_from:2 - tmpfs over\040it rw
`

// mountsHere is the table of this host's mounts.
func mountsHere(t *testing.T) *MountTable {
	t.Helper()
	list, err := ReadMounts()
	if err != nil {
		t.Fatal(err)
	}
	mounts := new(MountTable)
	mounts.Set(list)
	return mounts
}

// newTestSystem is a System of which no look may hang.
func newTestSystem(t *testing.T, mounts *MountTable) *System {
	l := NewSystem(mounts, func(what string) { t.Errorf("a look hangs: %s", what) })
	t.Cleanup(l.Close)
	return l
}

func TestParseMounts(t *testing.T) {
	mounts, err := ParseMounts(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	want := []Mount{
		{"22", "1", "259:1", "/", "ext4", "/dev/nvme0n1p1", 0, ""},
		{"30", "22", "0:42", "/mnt/efs", "nfs4", "127.0.0.1:/", 0, ""},
		{"31", "22", "0:43", `/mnt/my dir\x`, "tmpfs", "tmpfs", 0, ""},
		{"32", "30", "0:44", "/mnt/efs", "tmpfs", "over it", 0, ""},
	}
	for i, m := range mounts {
		if m != want[i] {
			t.Errorf("mount %d: got %+v, want %+v", i, m, want[i])
		}
	}
	for path, id := range map[string]string{"/": "22", "/mnt": "22", "/mnt/efs": "32", "/mnt/efs/a": "32", "/mnt/efsx": "22", `/mnt/my dir\x/a`: "31"} {
		if m, ok := MountOf(mounts, path); !ok || m.ID != id {
			t.Errorf("%s is on mount %s, want %s", path, m.ID, id)
		}
	}
	if _, err := ParseMounts(strings.NewReader("22 1 259:1 / /\n")); err == nil {
		t.Error("a line without a type is accepted")
	}
}

// TestProcFD asks about this process's own descriptors and compares with what
// fstat says.
func TestProcFD(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := ReadMounts()
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []bool{true, false} {
		var mounts MountTable
		if known {
			mounts.Set(list)
		}
		got, ok := procFD(os.Getpid(), int(f.Fd()), &mounts)
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		if want := (directory{dir, event.MakeDev(unix.Major(st.Dev), unix.Minor(st.Dev)), st.Ino}); !ok || got != want {
			t.Errorf("got %+v, %v, want %+v", got, ok, want)
		}
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	var mounts MountTable
	if got, ok := procFD(os.Getpid(), int(f.Fd()), &mounts); ok {
		t.Errorf("a deleted directory is answered with %+v", got)
	}
	if got, ok := procFD(os.Getpid(), 9999, &mounts); ok {
		t.Errorf("a closed descriptor is answered with %+v", got)
	}
}

// TestLookupAge asks about files and processes that are younger than an event:
// their numbers were others' then.
func TestLookupAge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mounts := mountsHere(t)
	l := newTestSystem(t, mounts)
	made := identify(mounts, path, followNone)
	if made.born == 0 {
		t.Skip("the file system does not tell when a file was made")
	}
	pid, fd := uint32(os.Getpid()), int32(f.Fd())
	now := time.Now().UnixMilli()
	if _, got, began, ok := l.Descriptor(pid, fd); !ok || got.Inode != made.Inode || got.Born != made.born || began > now || began < now-24*time.Hour.Milliseconds() {
		t.Errorf("the descriptor is of %+v, ok %v, and of a process that began %d ms ago", got, ok, now-began)
	}
	if _, _, _, ok := l.Descriptor(1<<22+1, fd); ok {
		t.Error("a process that is no more has a descriptor")
	}
	stat := func(links uint32) {
		t.Helper()
		is := identify(mounts, path, followNone)
		if got := l.Stat([]byte(path)); got.Inode != is.Inode || got.Links != links || got.Dir || !got.Local || got.Born != is.born || got.Changed != is.changed {
			t.Errorf("%+v is seen as %+v", is, got)
		}
	}
	stat(1)
	if err := os.Link(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	stat(2)
	if _, ticks, ok := parseStat([]byte("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20")); !ok || ticks != 4711 {
		t.Errorf("start %d, %v", ticks, ok)
	}
}

// TestMountNews is about what the stream hears of mounts that come and go.
func TestMountNews(t *testing.T) {
	var table MountTable
	root, efs := Mount{ID: "1", Dev: "8:1", Point: "/"}, Mount{ID: "2", Dev: "0:42", Point: "/mnt/efs"}
	tests := []struct {
		name    string
		list    []Mount
		gone    []event.Dev
		changed bool
	}{
		{"the first look", []Mount{root, efs}, nil, true},
		{"the same", []Mount{root, efs}, nil, false},
		{"unmounted", []Mount{root}, []event.Dev{event.MakeDev(0, 42)}, true},
		{"mounted again", []Mount{root, efs}, nil, true},
		{"another one, with its id and device", []Mount{root, {ID: "2", Dev: "0:42", Point: "/mnt/other"}}, []event.Dev{event.MakeDev(0, 42)}, true},
		{"a second view", []Mount{root, {ID: "2", Dev: "0:42", Point: "/mnt/other"}, {ID: "4", Dev: "0:42", Point: "/mnt/more"}}, nil, true},
		{"one of them gone", []Mount{root, {ID: "2", Dev: "0:42", Point: "/mnt/other"}}, nil, true},
	}
	for _, tt := range tests {
		table.Set(tt.list)
		if gone, changed := table.News(); !slices.Equal(gone, tt.gone) || changed != tt.changed {
			t.Errorf("%s: gone %v, changed %v", tt.name, gone, changed)
		}
	}
	if _, changed := table.News(); changed {
		t.Error("told twice")
	}
}

// TestHolds asks what may lie on which device, while a file system goes away.
func TestHolds(t *testing.T) {
	root := Mount{"20", "1", "259:1", "/", "ext4", "/dev/nvme0n1p1", 0, ""}
	efs := Mount{"30", "20", "0:42", "/mnt/efs", "nfs4", "fs-0123.efs.eu-west-1.amazonaws.com:/", 0, ""}
	layers := Mount{"40", "20", "0:50", "/var/lib/box", "overlay", "overlay", 0, ""}
	disk, server := event.MakeDev(259, 1), event.MakeDev(0, 42)
	var mounts MountTable
	check := func(when, path string, dev event.Dev, want bool) {
		t.Helper()
		if got := mounts.holds(path, dev); got != want {
			t.Errorf("%s: %s on %v is %v, want %v", when, path, dev, got, want)
		}
	}
	check("before the table is read", "/sub", server, true)
	mounts.Set([]Mount{root, efs, layers})
	check("mounted", "/mnt/efs/sub", server, true)
	check("mounted", "/mnt/efs/sub", disk, false)
	check("mounted", "/mnt", disk, true)
	check("mounted, printed from where it is mounted", "/sub", server, false)
	check("mounted, and directories have two devices", "/var/lib/box/sub", disk, true)
	mounts.Set([]Mount{root, layers})
	check("unmounted a moment ago", "/mnt/efs/sub", server, true)
	check("unmounted a moment ago", "/sub", server, false)
	for i := range mounts.past {
		mounts.past[i].until = time.Now().Add(-2 * mountsMemory)
	}
	check("unmounted long ago", "/mnt/efs/sub", server, false)

	l := newTestSystem(t, &mounts)
	here := identify(mountsHere(t), t.TempDir(), followNone)
	if !l.Mounted([]byte(t.TempDir()), here.Dev) {
		t.Error("what the table does not know is not looked at")
	}
	if l.Mounted([]byte("/sub that is not there"), server) {
		t.Error("what is not there lies on a device that is not mounted")
	}
}
