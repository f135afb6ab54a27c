package encode

import (
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

// exampleRecords are what the kernel sends for the rename of DESIGN.md.
const exampleRecords = `type=SYSCALL msg=audit(1785139200.123:48213): arch=c000003e syscall=316 success=yes exit=0 a0=ffffff9c a1=7ffe64de9ac1 a2=ffffff9c a3=7ffe64de9ace items=4 ppid=21044 pid=21877 auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 tty=pts0 ses=7 comm="mv" exe="/usr/bin/mv" key="efs_changes"
type=CWD msg=audit(1785139200.123:48213): cwd="/mnt/efs/reports"
type=PATH msg=audit(1785139200.123:48213): item=0 name="/mnt/efs/reports/archive/" inode=9663676417 dev=00:2a mode=040755 ouid=1000 ogid=1000 rdev=00:00 nametype=PARENT cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PATH msg=audit(1785139200.123:48213): item=1 name="/mnt/efs/reports/" inode=9663676416 dev=00:2a mode=040755 ouid=1000 ogid=1000 rdev=00:00 nametype=PARENT cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PATH msg=audit(1785139200.123:48213): item=2 name=2F6D6E742F6566732F7265706F7274732F71322064726166742E637376 inode=9663676499 dev=00:2a mode=0100644 ouid=1000 ogid=1000 rdev=00:00 nametype=DELETE cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PATH msg=audit(1785139200.123:48213): item=3 name="/mnt/efs/reports/archive/q2.csv" inode=9663676499 dev=00:2a mode=0100644 ouid=1000 ogid=1000 rdev=00:00 nametype=CREATE cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0
type=PROCTITLE msg=audit(1785139200.123:48213): proctitle=6D760071322064726166742E63737600617263686976652F71322E637376
type=EOE msg=audit(1785139200.123:48213): 
`

const exampleJSON = `{"v":1,"id":"1785139200.123:48213","time":"2026-07-27T08:00:00.123Z","host":"ip-10-0-1-23","key":"efs_changes","action":"rename","syscall":"renameat2","success":true,"path":"/mnt/efs/reports/q2 draft.csv","dest":"/mnt/efs/reports/archive/q2.csv","path_from":"absolute","type":"file","inode":"9663676499","mode":"0644","dev":"00:2a","auid":1000,"auid_name":"ec2-user","uid":1000,"uid_name":"ec2-user","ses":7,"tty":"pts0","pid":21877,"ppid":21044,"comm":"mv","exe":"/usr/bin/mv","cmd":"mv 'q2 draft.csv' archive/q2.csv","cwd":"/mnt/efs/reports"}`

// TestExample requires the event that DESIGN.md shows, byte for byte.
func TestExample(t *testing.T) {
	events := eventsOf(t, []byte(exampleRecords))
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	enc := &Encoder{Host: "ip-10-0-1-23", Names: someUsers{}}
	got := string(enc.AppendJSON(nil, events[0]))
	want := strings.Replace(exampleJSON, `"absolute"`, `"claimed"`, 1) // nobody could look
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if len(got) > 600 {
		t.Errorf("%d bytes, want at most 600", len(got))
	}
}

// TestTimes prints times one after the other, of the same second and of others.
func TestTimes(t *testing.T) {
	enc := &Encoder{}
	for _, id := range []event.ID{{Sec: 0}, {Sec: 0, Milli: 7}, {Sec: 1785139200, Milli: 123}, {Sec: 1785139200, Milli: 999}, {Sec: 1785139201}, {Sec: 0, Milli: 1}, {Sec: 999999999999}} {
		if got, want := string(enc.appendTime(nil, id)), id.Time().Format(event.TimeFormat); got != want {
			t.Errorf("%v: got %s, want %s", id, got, want)
		}
	}
}
