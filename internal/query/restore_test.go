package query

import (
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

var testNumbers = &Numbers{
	User:  NameFile{byName: map[string]uint32{"alice": 1000}},
	Group: NameFile{byName: map[string]uint32{}},
	Call: func(_ uint32, name string) (int, bool) {
		nr, ok := map[string]int{"unlinkat": 263, "renameat2": 316}[name]
		return nr, ok
	},
	Errno: func(name string) (int, bool) { return 13, name == "EACCES" },
}

// TestRestore turns interpreted lines back, names that look like fields included.
func TestRestore(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	for _, tt := range []struct{ line, want string }{
		{
			"type=SYSCALL msg=audit(11/23/26 23:17:08.279:772) : arch=x86_64 syscall=unlinkat success=no exit=EACCES(Permission denied) a0=AT_FDCWD a1=0x7fff a2=0x0 a3=O_WRONLY|O_CREAT items=2 pid=7 auid=unset uid=root gid=unknown(12) euid=alice ses=unset comm=my prog exe=/usr/bin/rm key=a key=b ",
			`type=SYSCALL msg=audit(1795475828.279:772): arch=c000003e syscall=263 success=no exit=-13 a0=ffffff9c a1=7fff a2=0 a3=41 items=2 pid=7 auid=4294967295 uid=0 gid=12 euid=1000 ses=4294967295 comm=6D792070726F67 exe="/usr/bin/rm" key=610162`,
		},
		{
			"type=PATH msg=audit(11/23/26 23:17:08.279:772) : item=1 name=/srv/a inode=1 nametype=PARENT\\012b inode=90 dev=00:2a mode=file,suid,755 ouid=bob ogid=root rdev=00:00 nametype=DELETE cap_fp=none cap_fi=chown ",
			"type=PATH msg=audit(1795475828.279:772): item=1 name=2F7372762F6120696E6F64653D31206E616D65747970653D504152454E540A62 inode=90 dev=00:2a mode=0104755 ouid=4294967295 ogid=0 rdev=00:00 nametype=DELETE cap_fp=0000000000000000 cap_fi=0000000000000001\x1dOUID=\"bob\"",
		},
		{"node=vm type=CWD msg=audit(11/23/2026 23:17:08.279:772) : cwd=/srv/x y ", "node=vm type=CWD msg=audit(1795475828.279:772): cwd=2F7372762F782079"},
		{"type=PATH msg=audit(11/23/26 23:17:08.279:772) : item=0 name=(null) nametype=UNKNOWN ", "type=PATH msg=audit(1795475828.279:772): item=0 name=(null) nametype=UNKNOWN"},
		{
			"type=USER_LOGIN msg=audit(11/23/26 23:17:08.279:772) : pid=1 uid=root auid=alice msg='op=login acct=two words exe=/usr/sbin/sshd hostname=? res=success' ",
			`type=USER_LOGIN msg=audit(1795475828.279:772): pid=1 uid=0 auid=1000 msg='op=login acct=74776F20776F726473 exe="/usr/sbin/sshd" hostname=? res=success'`,
		},
		{"type=SOCKADDR msg=audit(11/23/26 23:17:08.279:772) : saddr={ saddr_fam=inet laddr=127.0.0.1 lport=53 } ", "type=SOCKADDR msg=audit(1795475828.279:772): saddr=020000357F0000010000000000000000"},
		{"type=EOE msg=audit(11/23/26 23:17:08.279:772) : ", "type=EOE msg=audit(1795475828.279:772): "},
		{"time->Mon Nov 23 23:17:08 2026", ""},
		{"----", ""},
		{"type=EOE msg=audit(99/99/26 23:17:08.279:772) : ", ""},
		{"type=CWD msg=audit(11/23/26 23:17:08.279:x) : cwd=/", ""},
	} {
		got, ok := testNumbers.restore(nil, []byte(tt.line), &typeNames{})
		if ok != (tt.want != "") || ok && string(got) != tt.want {
			t.Errorf("%s\ngot  %q\nwant %q", tt.line, got, tt.want)
		}
	}
}

// FuzzLine: the parts of a line lie in it, in order, and its id is its own.
func FuzzLine(f *testing.F) {
	f.Add([]byte("node=a type=SYSCALL msg=audit(1.000:1): a=1\x1dUID=\"root\""))
	f.Add([]byte("type=USER_CMD msg=audit(1.000:1): pid=1 msg='a\x1db'"))
	f.Add([]byte("type=UNKNOWN[1] msg=audit(4294967296.999:18446744073709551615):"))
	f.Fuzz(func(t *testing.T, text []byte) {
		l := line{bytes: text}
		if !l.parse(&typeNames{}) {
			return
		}
		if l.text < len("type= msg=") || l.end < l.text || l.end > len(text) || l.typ.IsNote() && l.typ != event.TypeCut {
			t.Errorf("%q has type %d, text %d to %d", text, l.typ, l.text, l.end)
		}
		if id, _, err := event.ParseHeader(text[l.text:l.end]); err != nil || id != l.id {
			t.Errorf("%q has id %v, not %v (%v)", text, l.id, id, err)
		}
	})
}

// FuzzRestore: whatever a line says, nothing may panic, and what was restored
// must be a record.
func FuzzRestore(f *testing.F) {
	f.Add("type=PATH msg=audit(11/23/26 23:17:08.279:772) : item=0 name=a inode=1 mode=file,644 saddr={ saddr_fam=inet6 laddr=::1 }")
	f.Add("node=a type=SYSCALL msg=audit(11/23/26 23:17:08.279:772) : =  key= exe= a0=|| exit=( syscall=)")
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := testNumbers.restore(nil, []byte(text), &typeNames{})
		l := line{bytes: got}
		if ok && !l.parse(&typeNames{}) {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// FuzzInterpret: no value may make the printer panic.
func FuzzInterpret(f *testing.F) {
	f.Add("SYSCALL", "arch=c000003e syscall=257 a0=ffffff9c a1=1 a2=42 a3=1 exit=-13 comm=\"x\" key=6101", "UID=\"root\"")
	f.Add("USER_TTY", "msg='op=\"x\" acct=6 data=1B5B saddr=0A00 mode=9 res=1,'", "SADDR={")
	f.Fuzz(func(t *testing.T, name, text, extra string) {
		p := NewPrinter(discard{})
		typ := (&typeNames{}).of([]byte(name))
		body := []byte("audit(1.000:1): " + text)
		head := []byte("type=" + name + " msg=")
		r := Record{Type: typ, Line: append(head, body...), Extra: []byte(extra)}
		r.Text = r.Line[len(head):]
		e := &Event{Records: []Record{r, r}, Facts: &Facts{Path: "/a", Dest: "b"}, first: typ}
		for _, p.Format = range []string{"interpret", "csv", "text"} {
			for _, p.Compat = range []bool{false, true} {
				if err := p.Print(e); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
