package host

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// hostileTable is the mounts of a host on which user 1000 mounts FUSE file systems with
// names that are nearly those of others, and over directories that are his.
const hostileTable = "22 1 259:1 / / rw shared:1 - ext4 /dev/nvme0n1p1 rw\n" +
	"30 22 0:42 / /home/proj/team rw - nfs4 fs-1:/ rw\n" +
	"40 22 0:50 / /home/proj/team\u00a0x rw - fuse.x x rw,user_id=1000,group_id=1000\n" +
	"41 22 0:51 / /home/proj/team\u0085 rw - fuse.x x rw,user_id=1000,group_id=1000\n" +
	"42 22 0:52 / /srv/a\\011b\\134040c\xff rw - tmpfs \\040\\012 rw\n" +
	"43 22 0:53 / /home/ann rw - fuse.sshfs fs-0123.efs.eu-west-1.amazonaws.com:/ rw,user_id=1000,group_id=1000,allow_other\n" +
	"44 22 0:54 / /mnt/s3 rw - fuse.s3fs bucket rw,user_id=0,group_id=0\n" +
	"45 22 0:55 / /empty rw - tmpfs  rw\n" +
	"46 43 0:56 / /home/ann/deep rw - tmpfs none rw\n" +
	"47 22 0:57 / /home/ann/deep rw - tmpfs hidden rw\n" +
	"48 22 0:58 / /mnt/auto rw - autofs systemd-1 rw,fd=5,direct\n"

func hostileMounts(t *testing.T) []Mount {
	t.Helper()
	mounts, err := ParseMounts(strings.NewReader(hostileTable))
	if err != nil {
		t.Fatal(err)
	}
	return mounts
}

// TestMountNamesAreBytes requires that a mount stands for its own path, byte by byte,
// and for no other: not for one that ends at a space of Unicode.
func TestMountNamesAreBytes(t *testing.T) {
	mounts := hostileMounts(t)
	var table MountTable
	table.Set(mounts)
	for path, id := range map[string]string{
		"/home/proj/team":              "30",
		"/home/proj/team/f":            "30",
		"/home/proj/team\u00a0x":       "40",
		"/home/proj/team\u0085/f":      "41",
		"/home/proj/team\u0085x":       "22",
		"/srv/a\tb\\040c\xff/f":        "42",
		"/srv/a\tb c\xff":              "22",
		"/empty/f":                     "45",
		"/home/ann/f":                  "43",
		"/home/ann/deep/f":             "46", // not 47, which /home/ann covers
		"/home/annx":                   "22",
		"/mnt/auto/f":                  "48",
		"/":                            "22",
		"/home/proj/team\u00a0x/../..": "40",
	} {
		if m, ok := MountOf(mounts, path); !ok || m.ID != id {
			t.Errorf("%q is on mount %s, want %s", path, m.ID, id)
		}
		if m, ok := table.of(path); !ok || m.ID != id {
			t.Errorf("%q is on mount %s by the table, want %s", path, m.ID, id)
		}
	}
	for id, want := range map[string]string{"42": " \n", "45": ""} {
		if m, _ := table.withID(id); m.Source != want {
			t.Errorf("mount %s has the source %q, want %q", id, m.Source, want)
		}
	}
}

// TestForeignMounts requires that a user's own file system is known as one, and is
// taken for no EFS.
func TestForeignMounts(t *testing.T) {
	var table MountTable
	table.Set(hostileMounts(t))
	var foreign []string
	for _, m := range table.Mounts() {
		if m.Foreign() {
			foreign = append(foreign, m.ID)
		}
	}
	if want := []string{"40", "41", "43"}; !slices.Equal(foreign, want) {
		t.Errorf("foreign are %v, want %v", foreign, want)
	}
	if id := table.fileSystem(event.MakeDev(0, 53)); id != (FileSystem{}) {
		t.Errorf("user 1000's file system is taken for %v", id)
	}
	if !table.holds("/home/ann/f", event.MakeDev(259, 1)) {
		t.Error("a user's file system denies what is beneath it")
	}
	l := newTestSystem(t, &table)
	for _, path := range []string{"/home/ann", "/home/ann/f", "/mnt/auto/f"} {
		if got, _ := l.look(path, followWay); got != (look{}) {
			t.Errorf("looked at %s", path)
		}
	}
}

// TestUnescape undoes what the kernel escapes, once.
func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`a\040b`: "a b", `\134040`: `\040`, `\`: `\`, `\04`: `\04`, `a\`: `a\`, `\08x`: `\08x`, `\777`: `\777`, `\377`: "\xff", `\\040`: `\ `, `\012`: "\n",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// FuzzMounts requires that no text that a user could bring into a mountinfo makes
// another mount than its own.
func FuzzMounts(f *testing.F) {
	f.Add("/home/u/x y", "src")
	f.Add("/home/u/\u00a0 - ext4 \n1 2", "\t\\040")
	escape := strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)
	f.Fuzz(func(t *testing.T, point, source string) {
		line := fmt.Sprintf("40 22 0:50 / /%s rw - fuse %s rw,user_id=1000\n", escape.Replace(point), escape.Replace(source))
		mounts, err := ParseMounts(strings.NewReader("22 1 259:1 / / rw - ext4 /dev/vda rw\n" + line))
		if err != nil || len(mounts) != 2 {
			t.Fatalf("%q: %d mounts, %v", line, len(mounts), err)
		}
		want := Mount{ID: "40", Parent: "22", Dev: "0:50", Point: "/" + point, Type: "fuse", Source: source, Owner: 1000}
		if mounts[1] != want {
			t.Errorf("got %+v, want %+v", mounts[1], want)
		}
	})
}

// FuzzMountinfo reads any text: a line is a mount or an error.
func FuzzMountinfo(f *testing.F) {
	f.Add("22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/vda rw\n40 22 0:50 / /a\\040b rw - fuse src rw,user_id=1000\n")
	f.Add("1 2 3 4 5 6 - 7 8")
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := ParseMounts(strings.NewReader(text))
		if lines := strings.Count(text, "\n") + 1; len(mounts) > lines {
			t.Errorf("%d mounts of %d lines", len(mounts), lines)
		}
		for _, m := range mounts {
			if m.ID == "" || m.Dev == "" || m.Point == "" || strings.Contains(m.ID+m.Dev, " ") {
				t.Errorf("mount %+v of %q, %v", m, text, err)
			}
		}
	})
}

// TestFstab splits at spaces and tabs only.
func TestFstab(t *testing.T) {
	got := parseFstab("# comment\nfs-1:/ /mnt/my\\040efs\tefs tls\n  /dev/vdb /mnt/a\u00a0b ext4 rw\nnone swap swap sw\n\n")
	if len(got) != 2 || got["/mnt/my efs"] != "efs" || got["/mnt/a\u00a0b"] != "ext4" {
		t.Errorf("got %q", got)
	}
}

// TestStrangersMounts looks for a mount among the thousands that a stranger's process
// has, and requires that this takes next to no memory and has an end.
func TestStrangersMounts(t *testing.T) {
	line := func(id int) string {
		return fmt.Sprintf("%d 22 0:%d / /tmp/%s rw - tmpfs none rw\n", id, id, strings.Repeat("x", 900))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	dev, ok := findDev(&endless{line: line}, "200")
	_, late := findDev(&endless{line: line}, "20000")
	runtime.ReadMemStats(&after)
	if !ok || dev != event.MakeDev(0, 200) {
		t.Errorf("mount 200 is on %v, %v", dev, ok)
	}
	if late {
		t.Error("a mount behind the bound was found")
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 2<<20 {
		t.Errorf("two looks took %d KiB", took>>10)
	}
	if _, ok := findDev(strings.NewReader(strings.Repeat("x", 1<<20)), "200"); ok {
		t.Error("a mount was found in no mountinfo")
	}
}

// endless is a mountinfo without an end.
type endless struct {
	line func(id int) string
	id   int
	rest string
}

func (e *endless) Read(p []byte) (int, error) {
	if e.rest == "" {
		e.id++
		e.rest = e.line(e.id)
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestPastMountsAreBounded changes the mounts as fast as a user can.
func TestPastMountsAreBounded(t *testing.T) {
	root := Mount{ID: "1", Parent: "0", Dev: "8:1", Point: "/", Type: "ext4"}
	var table MountTable
	table.Set([]Mount{root})
	for i := range 3 * mostPast {
		table.Set([]Mount{root, {ID: "2", Parent: "1", Dev: "0:9", Point: "/home/u", Type: "fuse.x", Owner: 1000}})
		table.Set([]Mount{root, {ID: "3", Parent: "1", Dev: fmt.Sprint("0:", i%100), Point: "/mnt", Type: "tmpfs"}})
	}
	if len(table.past) > mostPast || len(table.gone) > 200 {
		t.Errorf("%d mounts and %d devices of the past", len(table.past), len(table.gone))
	}
}

// TestCrewIsBounded has looks hang, and requires that others go on being made, that
// nobody is waited for who hung before, and that all is well when the hanging ends.
func TestCrewIsBounded(t *testing.T) {
	synctest.Test(t, crewIsBounded)
}

func crewIsBounded(t *testing.T) {
	var told []uint64
	c := newCrew(4, 2, time.Millisecond, func(key uint64) { told = append(told, key) })
	key := func(k uint64) func() uint64 { return func() uint64 { return k } }
	end := make(chan struct{})
	hang := func() int { <-end; return 0 }
	quick := func() int { return 7 }
	for range 2 {
		if _, ok := ask(c, key(1), hang); ok {
			t.Error("an answer of what hangs")
		}
	}
	if _, ok := ask(c, key(1), quick); ok {
		t.Error("asked for whom two looks hang")
	}
	if got, ok := ask(c, key(2), quick); got != 7 || !ok {
		t.Errorf("another has no answer while one's looks hang: %d, %v", got, ok)
	}
	for range 2 {
		ask(c, key(2), hang)
	}
	if _, ok := ask(c, key(3), quick); ok {
		t.Error("more looks than may hang")
	}
	if got := c.stats(); got != (CrewStats{Hung: 4, Late: 4, Refused: 2}) || !slices.Equal(told, []uint64{1, 2}) {
		t.Errorf("got %+v, told of %v", got, told)
	}
	close(end)
	synctest.Wait()
	if _, ok := ask(c, key(1), quick); !ok {
		t.Error("no answer after the hanging has ended")
	}
	synctest.Wait()
	if c.busy != 0 || c.nhung != 0 || len(c.hung) != 0 {
		t.Errorf("%d busy, %v hung", c.busy, c.hung)
	}
}

// TestCrewIsFair requires that looks which take long, but end, cost whoever waits a
// share of the time only.
func TestCrewIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(16, 4, 100*time.Millisecond, nil)
		began := time.Now()
		for i := range 1000 {
			ask(c, func() uint64 { return uint64(i) }, func() int { time.Sleep(90 * time.Millisecond); return 0 })
			time.Sleep(moment)
		}
		all := time.Since(began)
		waited := all - 1000*moment
		if most := mostCredit + all/creditShare + 1000*moment; waited > most {
			t.Errorf("waited %v of %v, want at most %v", waited, all, most)
		}
		time.Sleep(time.Second)
	})
}

// TestFinderIsBoundedInBytes finds more than it may keep.
func TestFinderIsBoundedInBytes(t *testing.T) {
	f := &finder{found: map[event.Inode]string{}}
	long := strings.Repeat("/x", 2000)
	for i := range 4 * mostBytes / len(long) {
		f.note(event.Inode{Dev: 1, Ino: uint64(i % 1500)}, long)
	}
	kept := 0
	for _, path := range f.found {
		kept += len(path)
	}
	if kept != f.size || kept > mostBytes || kept == 0 {
		t.Errorf("keeps %d bytes and counts %d", kept, f.size)
	}
}
