package paths

import (
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestTrail is about directories named by other records, earlier or later.
func TestTrail(t *testing.T) {
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"named by its own removal later", func(k *fakeKernel) {
			k.unlinkat(83, "f1")
			k.rmdirat(81, "c", 83)
			k.unlinkat(81, "f2")
			k.rmdirat(8, "b", 81)
			k.rmdir(1, "/srv/t", 8)
		}, []string{"/srv/t/b/c/f1 claimed", "/srv/t/b/c claimed", "/srv/t/b/f2 claimed", "/srv/t/b claimed", "/srv/t claimed"}},
		{"named too late", func(k *fakeKernel) {
			k.unlinkat(8, "f")
			k.later(2 * time.Second)
			k.unlink(8, "/srv/t/g")
		}, []string{"f unresolved", "/srv/t/g claimed"}},
		{"a rename names the old place for what was before it", func(k *fakeKernel) {
			k.unlinkat(8, "f")
			k.rename(1, "/srv/t", 1, "/srv/u", 8)
			k.unlinkat(8, "g")
		}, []string{"/srv/t/f claimed", "/srv/t claimed > /srv/u claimed", "/srv/u/g claimed"}},
		{"what is below a renamed directory follows", func(k *fakeKernel) {
			k.unlink(83, "/srv/t/b/c/x")
			k.rename(1, "/srv/t", 1, "/srv/u", 8)
			k.unlinkat(83, "f")
		}, []string{"f unresolved"}},
		{"a directory above moved before the claimed named it", func(k *fakeKernel) {
			k.unlinkat(83, "f") // in /srv/t/c
			k.rename(1, "/srv/t", 1, "/srv/u", 8)
			k.rmdir(8, "/srv/u/c", 83)
		}, []string{"/srv/t/c/f claimed", "/srv/t claimed > /srv/u claimed", "/srv/u/c claimed"}},
		{"moved by names below an unknown directory", func(k *fakeKernel) {
			k.unlinkat(83, "f")
			k.call(264, "a0=3 a1=1 a2=3 a3=2", pathRecord{k.cwd, 8, dirMode, "PARENT"}, pathRecord{k.cwd, 8, dirMode, "PARENT"},
				pathRecord{"c", 83, dirMode, "DELETE"}, pathRecord{"d", 83, dirMode, "CREATE"})
			k.unlinkat(83, "g")
			k.rmdir(1, "/srv/t", 8)
		}, []string{"/srv/t/c/f claimed", "/srv/t/c claimed > /srv/t/d claimed", "/srv/t/d/g claimed", "/srv/t claimed"}},
		{"an inode given to another directory", func(k *fakeKernel) {
			k.unlink(8, "/srv/t/x")
			k.rmdir(1, "/srv/t", 8)
			k.unlinkat(8, "f")
		}, []string{"f unresolved"}},
		{"an inode given to another directory while one waits", func(k *fakeKernel) {
			k.unlinkat(8, "f")
			k.mkdir(1, "/srv/new", 8)
			k.unlinkat(8, "g")
		}, []string{"f unresolved", "/srv/new claimed", "/srv/new/g claimed"}},
		{"a name given to another directory out of sight", func(k *fakeKernel) {
			k.unlink(83, "/srv/t/c/x")
			k.unlink(8, "/srv/t/x")
			k.unlink(99, "/srv/t/x") // /srv/t is another inode now
			k.unlinkat(83, "f")
		}, []string{"f unresolved"}},
		{"another process calls it otherwise", func(k *fakeKernel) {
			k.unlink(8, "/srv/jail/data/x")
			k.pid = 200
			k.unlink(8, "/data/x")
			k.pid = 300
			k.unlinkat(8, "f")
			k.pid = 200
			k.unlinkat(8, "g")
		}, []string{"f unresolved", "/data/g claimed"}},
		{"another process's word, a while ago", func(k *fakeKernel) {
			k.unlink(8, "/srv/t/x")
			k.pid = 200
			k.later(10 * time.Second)
			k.unlinkat(8, "f")
		}, []string{"f unresolved"}},
		{"events were lost", func(k *fakeKernel) {
			k.unlink(8, "/srv/t/x")
			k.note(event.TypeGap, event.NoteField{Key: "cause", Value: "overrun"})
			k.unlinkat(8, "f")
		}, []string{"f unresolved", "?"}},
		{"a rejected event is no loss of knowledge", func(k *fakeKernel) {
			k.unlink(8, "/srv/t/x")
			k.note(event.TypeGap, event.NoteField{Key: "cause", Value: "rejected"})
			k.unlinkat(8, "f")
		}, []string{"/srv/t/f claimed", "?"}},
		{"something unknown above it was renamed", func(k *fakeKernel) {
			k.unlink(83, "/srv/t/b/x")
			k.later(10 * time.Millisecond)
			k.call(264, "a0=3 a1=1 a2=3 a3=2", pathRecord{k.cwd, 1, dirMode, "PARENT"}, pathRecord{k.cwd, 1, dirMode, "PARENT"},
				pathRecord{"t", 8, dirMode, "DELETE"}, pathRecord{"u", 8, dirMode, "CREATE"})
			k.unlinkat(83, "f")
		}, []string{"t unresolved > u unresolved", "f unresolved"}},
		{"something was mounted", func(k *fakeKernel) {
			k.unlink(8, "/srv/t/x")
			k.call(165, "a0=1 a1=2", pathRecord{"/srv", 1, dirMode, "NORMAL"})
			k.unlinkat(8, "f")
		}, []string{"f unresolved"}},
		{"the file system went away", func(k *fakeKernel) {
			k.unlink(8, "/srv/t/x")
			k.s.DropDev(event.MakeDev(0xfe, 0))
			k.unlinkat(8, "f")
		}, []string{"f unresolved"}},
		{"replaced by a rename", func(k *fakeKernel) {
			k.unlink(8, "/srv/t/x")
			k.unlink(7, "/srv/u/x")
			k.call(82, "a0=1 a1=2", pathRecord{"/srv/", 1, dirMode, "PARENT"}, pathRecord{"/srv/", 1, dirMode, "PARENT"},
				pathRecord{"/srv/t", 8, dirMode, "DELETE"}, pathRecord{"/srv/u", 7, dirMode, "DELETE"}, pathRecord{"/srv/u", 8, dirMode, "CREATE"})
			k.unlinkat(8, "f")
			k.unlinkat(7, "g")
		}, []string{"/srv/u/f claimed", "g unresolved"}},
		{"exchanged", func(k *fakeKernel) {
			k.unlink(8, "/srv/t/x")
			k.call(316, "a0=ffffff9c a1=2 a2=ffffff9c", pathRecord{"/srv/", 1, dirMode, "PARENT"}, pathRecord{"/srv/", 1, dirMode, "PARENT"},
				pathRecord{"/srv/t", 8, dirMode, "DELETE"}, pathRecord{"/srv/u", 7, dirMode, "DELETE"},
				pathRecord{"/srv/u", 8, dirMode, "CREATE"}, pathRecord{"/srv/t", 7, dirMode, "CREATE"})
			k.unlinkat(8, "f")
			k.unlinkat(7, "g")
		}, []string{"/srv/u/f claimed", "/srv/t/g claimed"}},
		{"exchanged, and both names end alike", func(k *fakeKernel) {
			k.unlink(8, "/srv/a/t/x")
			k.call(316, "a0=3 a1=1 a2=ffffff9c a3=2", pathRecord{"/srv/b/", 2, dirMode, "PARENT"}, pathRecord{"/srv/a/", 1, dirMode, "PARENT"},
				pathRecord{"/srv/a/t", 8, dirMode, "DELETE"}, pathRecord{"/srv/b/t", 7, dirMode, "DELETE"}, pathRecord{"/srv/b/t", 7, dirMode, "CREATE"})
			k.unlinkat(8, "f")
			k.unlinkat(7, "g")
		}, []string{"/srv/a/t claimed > /srv/b/t claimed", "/srv/b/t/f claimed", "/srv/a/t/g claimed"}},
		{"the renamed directory is named by its parent's inode only, and deleted", func(k *fakeKernel) {
			k.unlinkat(83, "f") // in /srv/p/c
			k.rename(1, "/srv/p", 1, "/srv/q", 8)
			k.rmdirat(8, "c", 83)
			k.rmdirat(1, "q", 8)
			k.rmdir(2, "/srv", 1)
		}, []string{"/srv/p/c/f claimed", "/srv/p claimed > /srv/q claimed", "/srv/q/c claimed", "/srv/q claimed", "/srv claimed"}},
		{"onto a file whose name ends alike, of which the kernel prints one record", func(k *fakeKernel) {
			k.call(82, "a0=1 a1=2", pathRecord{"/srv/b/", 2, dirMode, "PARENT"}, pathRecord{"/srv/a/", 1, dirMode, "PARENT"},
				pathRecord{"/srv/a/f", 8, fileMode, "DELETE"}, pathRecord{"/srv/b/f", 7, fileMode, "CREATE"})
		}, []string{"/srv/a/f claimed > /srv/b/f claimed"}},
		{"a symlink that is gone", func(k *fakeKernel) {
			k.unlink(8, "/srv/link/x")
			k.call(87, "a0=1", pathRecord{"/srv/", 1, dirMode, "PARENT"}, pathRecord{"/srv/link", 5, "0120777", "DELETE"})
			k.unlinkat(8, "f")
		}, []string{"f unresolved"}},
		{"a symlink that was made later", func(k *fakeKernel) {
			k.unlinkat(8, "f")
			k.call(88, "a0=1 a1=2", pathRecord{"/srv/", 1, dirMode, "PARENT"}, pathRecord{"t", 0, "00", "UNKNOWN"}, pathRecord{"/srv/link", 5, "0120777", "CREATE"})
			k.unlink(8, "/srv/link/x")
		}, []string{"f unresolved", "/srv/link claimed", "/srv/link/x claimed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			tt.run(k)
			k.expect(tt.want...)
		})
	}
}

// TestLateDelete mixes the events of two processors: the one by which a directory gets
// an inode ends before that by which the one before lost it.
func TestLateDelete(t *testing.T) {
	k := newFakeKernel(t, Options{})
	k.unlinkat(8, "f")
	k.mkdir(1, "/srv/new", 8)
	k.unlinkat(8, "g")
	k.rmdirat(7, "d", 8)
	k.unlinkat(8, "h")
	k.rmdir(1, "/srv/old", 7)
	k.rmdir(1, "/srv/new", 8)
	k.unlinkat(8, "i")
	k.expect("/srv/old/d/f claimed", "/srv/new claimed", "/srv/new/g claimed", "/srv/old/d claimed", "/srv/new/h claimed",
		"/srv/old claimed", "/srv/new claimed", "i unresolved")
}

// TestRenameSides is about which directory is the old name's.
func TestRenameSides(t *testing.T) {
	dirs := func(k *fakeKernel) {
		k.unlink(1, "/srv/old/x")
		k.unlink(2, "/srv/new/x")
	}
	tests := []struct {
		name string
		run  func(k *fakeKernel)
		want []string
	}{
		{"nothing tells", func(k *fakeKernel) {
			dirs(k)
			k.renameat(2, "n", 1, "o")
		}, []string{"o unresolved > n unresolved"}},
		{"an earlier rename told", func(k *fakeKernel) {
			dirs(k)
			k.rename(5, "/a/d", 6, "/b/d", 7)
			k.renameat(2, "n", 1, "o")
		}, []string{"/srv/old/o claimed > /srv/new/n claimed"}},
		{"a kernel that prints the old one first", func(k *fakeKernel) {
			dirs(k)
			k.call(82, "a0=1 a1=2", pathRecord{"/a/", 5, dirMode, "PARENT"}, pathRecord{"/b/", 6, dirMode, "PARENT"},
				pathRecord{"/a/d", 7, dirMode, "DELETE"}, pathRecord{"/b/d", 7, dirMode, "CREATE"})
			k.renameat(1, "n", 2, "o") // the order of the arguments is that of the records
		}, []string{"/srv/old/o claimed > /srv/new/n claimed"}},
		{"another boot", func(k *fakeKernel) {
			k.rename(5, "/a/d", 6, "/b/d", 7)
			k.note(event.TypeDaemon, event.NoteField{Key: "boot_id", Value: "b2"})
			dirs(k)
			k.renameat(2, "n", 1, "o")
		}, []string{"o unresolved > n unresolved", "?"}},
		{"one string for both names", func(k *fakeKernel) {
			dirs(k)
			k.call(264, "a0=3 a1=1 a2=4 a3=1",
				pathRecord{k.cwd, 2, dirMode, "PARENT"}, pathRecord{"", 1, dirMode, "PARENT"},
				pathRecord{"", 9, fileMode, "DELETE"}, pathRecord{"n", 9, fileMode, "CREATE"})
		}, []string{"/srv/old/n claimed > /srv/new/n claimed"}},
		{"refused when both files had been looked at", func(k *fakeKernel) {
			k.result(82, "success=no exit=-39", "a0=1 a1=2",
				pathRecord{"/b/", 6, dirMode, "PARENT"}, pathRecord{"/a/", 5, dirMode, "PARENT"},
				pathRecord{"/a/d", 7, dirMode, "DELETE"}, pathRecord{"/b/d", 8, dirMode, "DELETE"})
		}, []string{"/a/d claimed > /b/d claimed"}},
		{"refused when the old file had been looked at", func(k *fakeKernel) {
			k.result(82, "success=no exit=-13", "a0=1 a1=2",
				pathRecord{"/b/", 6, dirMode, "PARENT"}, pathRecord{"/a/", 5, dirMode, "PARENT"}, pathRecord{"/a/d", 7, dirMode, "DELETE"})
		}, []string{"/a/d claimed > /b claimed"}},
		{"the working directory is known", func(k *fakeKernel) {
			dirs(k)
			k.cwd = "/srv/old"
			k.call(264, "a0=ffffff9c a1=1 a2=4 a3=2",
				pathRecord{k.cwd, 2, dirMode, "PARENT"}, pathRecord{k.cwd, 1, dirMode, "PARENT"},
				pathRecord{"o", 9, fileMode, "DELETE"}, pathRecord{"n", 9, fileMode, "CREATE"})
		}, []string{"/srv/old/o claimed > n unresolved"}},
		{"the working directory is not known", func(k *fakeKernel) {
			k.cwd = "/srv/old"
			k.call(264, "a0=ffffff9c a1=1 a2=4 a3=2",
				pathRecord{k.cwd, 2, dirMode, "PARENT"}, pathRecord{k.cwd, 1, dirMode, "PARENT"},
				pathRecord{"o", 9, fileMode, "DELETE"}, pathRecord{"n", 9, fileMode, "CREATE"})
		}, []string{"/srv/old/o claimed > n unresolved"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			tt.run(k)
			k.expect(tt.want...)
		})
	}
}

// TestPartial is about events of which records were lost.
func TestPartial(t *testing.T) {
	tests := []struct{ name, log, want string }{
		{
			"no SYSCALL", `type=CWD msg=audit(1.000:1): cwd="/home"
type=PATH msg=audit(1.000:1): item=0 name="/b/" inode=2 dev=fe:00 mode=040755 nametype=PARENT
type=PATH msg=audit(1.000:1): item=1 name="/a/" inode=1 dev=fe:00 mode=040755 nametype=PARENT
type=PATH msg=audit(1.000:1): item=2 name="/a/x" inode=3 dev=fe:00 mode=0100644 nametype=DELETE
type=PATH msg=audit(1.000:1): item=3 name="/b/y" inode=3 dev=fe:00 mode=0100644 nametype=CREATE
type=EOE msg=audit(1.000:1):`,
			`"action":"rename","path":"/a/x","dest":"/b/y","path_from":"claimed","type":"file","inode":"3","mode":"0644","dev":"fe:00","partial":true}`,
		},
		{
			"no EOE", `type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=87 success=yes exit=0 a0=1 items=1 pid=5
type=PATH msg=audit(1.000:1): item=0 name="/a/" inode=1 dev=fe:00 mode=040755 nametype=PARENT`,
			`"action":"delete","syscall":"unlink","success":true,"path_from":"claimed","parent":"/a","pid":5,"partial":true}`,
		},
		{
			"fewer PATHs than items", `type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=87 success=yes exit=0 a0=1 items=2 pid=5
type=PATH msg=audit(1.000:1): item=1 name="/a/x" inode=1 dev=fe:00 mode=0100644 nametype=DELETE
type=EOE msg=audit(1.000:1):`,
			`"action":"delete","syscall":"unlink","success":true,"path":"/a/x","path_from":"claimed","type":"file","inode":"1","mode":"0644","dev":"fe:00","pid":5,"partial":true}`,
		},
		{
			"no CWD, and a relative name", `type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=87 success=yes exit=0 a0=1 items=1 pid=5
type=PATH msg=audit(1.000:1): item=1 name="x" inode=1 dev=fe:00 mode=0100644 nametype=DELETE
type=EOE msg=audit(1.000:1):`,
			`"action":"delete","syscall":"unlink","success":true,"path":"x","path_from":"unresolved","type":"file","inode":"1","mode":"0644","dev":"fe:00","pid":5,"partial":true}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.TrimSpace(string(encodeAll(t, Options{}, []byte(tt.log))))
			if _, got, _ = strings.Cut(got, `"host":"host",`); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestOpenThroughLink makes a file by opening a symlink to it. Some kernels then
// print the link's directory with the inode of the file's.
func TestOpenThroughLink(t *testing.T) {
	const create, exclusive = "41", "c1"
	for flags, want := range map[string]string{create: "x", exclusive: "/a/x"} {
		k := newFakeKernel(t, Options{})
		k.call(257, "a0=ffffff9c a1=1 a2="+flags+" a3=1a4", pathRecord{"/a/", 20, dirMode, "PARENT"}, pathRecord{"/a/last", 21, fileMode, "CREATE"})
		k.unlinkat(20, "x")
		k.s.Flush()
		for e, ok := k.s.Next(); ok; e, ok = k.s.Next() {
			if e.Action == "delete" && string(e.Path.Path) != want {
				t.Errorf("after flags %s: deleted %q, want %q", flags, e.Path.Path, want)
			}
			k.s.Free(e)
		}
	}
}

// TestOneParent is about renames that print one PARENT only.
func TestOneParent(t *testing.T) {
	parent := pathRecord{"/home", 8, dirMode, "PARENT"}
	tests := []struct{ name, args, want string }{
		{"the new directory is not there", "a0=3 a1=1 a2=4 a3=2", "/srv/d claimed >  "},
		{"one string for both names", "a0=3 a1=1 a2=4 a3=1", "  > /srv/d claimed"},
		{"one string in one directory", "a0=3 a1=1 a2=3 a3=1", "/srv/d claimed > /srv/d claimed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			k.result(264, "success=no exit=-2", tt.args, parent)
			k.rmdir(1, "/srv/d", 8)
			if got := k.paths()[0]; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
