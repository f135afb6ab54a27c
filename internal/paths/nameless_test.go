package paths

import (
	"testing"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

// TestNameless is about files that have no name (O_TMPFILE): the record has their
// inode and the name of the directory.
func TestNameless(t *testing.T) {
	const tmpfile = "a2=410002"
	open := func(args, name, mode string) func(*fakeKernel) {
		return func(k *fakeKernel) { k.call(257, args, pathRecord{name, 9, mode, "NORMAL"}) }
	}
	tests := []struct {
		name string
		run  func(*fakeKernel)
		want string // after the host
	}{
		{
			"in a directory with an claimed name", open("a0=ffffff9c a1=1 "+tmpfile, "/srv/d/", fileMode),
			`"action":"write","syscall":"openat","success":true,"path_from":"claimed","parent":"/srv/d","type":"file","inode":"9"`,
		},
		{
			"where it must not get a name", open("a0=ffffff9c a1=1 a2=4100c2", "/srv", fileMode),
			`"action":"write","syscall":"openat","success":true,"path_from":"claimed","parent":"/srv","type":"file","inode":"9"`,
		},
		{
			"in the working directory", open("a0=ffffff9c a1=1 "+tmpfile, ".", fileMode),
			`"action":"write","syscall":"openat","success":true,"path_from":"claimed","parent":"/home","type":"file","inode":"9"`,
		},
		{
			"in a descriptor's directory", open("a0=3 a1=1 "+tmpfile, ".", fileMode),
			`"action":"write","syscall":"openat","success":true,"path_from":"unresolved","parent":".","type":"file","inode":"9"`,
		},
		{
			"on an architecture with another O_DIRECTORY", open("a0=ffffff9c a1=1 a2=404002", "/srv", fileMode),
			`"action":"write","syscall":"openat","success":true,"path_from":"claimed","parent":"/srv","type":"file","inode":"9"`,
		},
		{
			"refused, and the kernel did not look at it", func(k *fakeKernel) {
				const head = "audit(1700000000.000:1): "
				k.push(event.TypeSyscall, head+`arch=c000003e syscall=257 success=no exit=-95 a0=ffffff9c a1=1 `+tmpfile+` items=1 ppid=1 pid=100 auid=1000 uid=0 ses=1 comm="t" exe="/t" key="k"`)
				k.push(event.TypeCWD, head+`cwd="/home"`)
				k.push(event.TypePath, head+`item=0 name="/srv" nametype=UNKNOWN`)
			},
			`"action":"write","syscall":"openat","success":false,"errno":"EOPNOTSUPP","path_from":"claimed","parent":"/srv","auid":1000`,
		},
		{
			"refused, and the record is the directory's", func(k *fakeKernel) {
				k.result(257, "success=no exit=-95", "a0=ffffff9c a1=1 "+tmpfile, pathRecord{"/srv", 8, dirMode, "NORMAL"})
			},
			`"action":"write","syscall":"openat","success":false,"errno":"EOPNOTSUPP","path":"/srv","path_from":"claimed","type":"dir","inode":"8"`,
		},
		{
			"a directory opened to be read", open("a0=ffffff9c a1=1 a2=10000", "/srv", dirMode),
			`"action":"read","syscall":"openat","success":true,"path":"/srv","path_from":"claimed","type":"dir","inode":"9"`,
		},
		{
			"by openat2", func(k *fakeKernel) {
				const head = "audit(1700000000.000:1): "
				k.push(event.TypeSyscall, head+`arch=c000003e syscall=437 success=yes exit=3 a0=ffffff9c a1=1 a2=2 a3=18 items=1 ppid=1 pid=100 auid=1000 uid=0 ses=1 comm="t" exe="/t" key="k"`)
				k.push(event.TypeOpenat2, head+"oflag=020200002 mode=0600 resolve=0x0")
				k.push(event.TypeCWD, head+`cwd="/home"`)
				k.path(head, 0, pathRecord{"d", 9, fileMode, "NORMAL"}, "fe:00")
			},
			`"action":"write","syscall":"openat2","success":true,"path_from":"claimed","parent":"/home/d","type":"file","inode":"9"`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{})
			tt.run(k)
			k.s.Flush()
			e, ok := k.s.Next()
			if !ok {
				t.Fatal("no event")
			}
			e.Key = nil
			const head = `{"v":1,"id":"1700000000.000:1","time":"2023-11-14T22:13:20.000Z",`
			if got := string(new(encode.Encoder).AppendJSON(nil, e)); len(got) < len(head)+len(tt.want) || got[len(head):len(head)+len(tt.want)] != tt.want {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
}
