package paths

import (
	"strings"
	"testing"
)

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
