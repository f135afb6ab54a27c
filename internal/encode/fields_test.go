package encode

import (
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// TestOtherRecords is about events that are no files': each record's fields,
// as JSON after the host.
func TestOtherRecords(t *testing.T) {
	tests := []struct{ name, log, want string }{
		{
			"login",
			`type=USER_LOGIN msg=audit(1.000:7): pid=1 uid=0 auid=1000 ses=3 msg='op=login id=1000 exe="/usr/sbin/sshd" hostname=10.0.0.1 addr=10.0.0.1 terminal=/dev/pts/0 res=success'`,
			`"action":"user_login","auid":1000,"auid_name":"ec2-user","uid":0,"uid_name":"root","ses":3,"pid":1,"msg_op":"login","msg_id":"1000","msg_exe":"/usr/sbin/sshd","msg_hostname":"10.0.0.1","msg_addr":"10.0.0.1","msg_terminal":"/dev/pts/0","msg_res":"success"}`,
		},
		{
			"sudo",
			`type=USER_CMD msg=audit(1.000:7): pid=1 uid=1000 auid=1000 ses=3 msg='cwd="/home" cmd=6C73202D6C20612062 exe="/usr/bin/sudo" terminal=pts/0 res=failed'`,
			`"action":"user_cmd","auid":1000,"auid_name":"ec2-user","uid":1000,"uid_name":"ec2-user","ses":3,"pid":1,"msg_cwd":"/home","msg_cmd":"ls -l a b","msg_exe":"/usr/bin/sudo","msg_terminal":"pts/0","msg_res":"failed"}`,
		},
		{
			"an op of two words",
			`type=ADD_USER msg=audit(1.000:7): pid=1 uid=0 auid=4294967295 ses=4294967295 msg='op=adding user id=1001 exe="/usr/sbin/useradd" hostname=? addr=? terminal=? res=success'`,
			`"action":"add_user","uid":0,"uid_name":"root","pid":1,"msg_op":"adding user","msg_id":"1001","msg_exe":"/usr/sbin/useradd","msg_res":"success"}`,
		},
		{
			"plain words",
			`type=USER msg=audit(1.000:7): pid=1 uid=0 auid=0 ses=1 msg='hello from user space'`,
			`"action":"user","auid":0,"auid_name":"root","uid":0,"uid_name":"root","ses":1,"pid":1,"msg_text":"hello from user space"}`,
		},
		{
			"words before the pairs",
			`type=USER_AUTH msg=audit(1.000:7): user pid=1 uid=0 auid=0 msg='PAM: authentication acct="root" : exe="/bin/su" (hostname=?, addr=?, terminal=pts/1 res=success)'`,
			`"action":"user_auth","auid":0,"auid_name":"root","uid":0,"uid_name":"root","pid":1,"msg_text":"PAM: authentication","msg_acct":"root","msg_exe":"/bin/su","msg_terminal":"pts/1","msg_res":"success"}`,
		},
		{
			"a denial of SELinux, alone",
			`type=AVC msg=audit(1.000:7): avc:  denied  { read } for  pid=5 comm="cat" name="shadow" dev="vda1" ino=77 scontext=u:r:t:s0 tcontext=u:o:s:s0 tclass=file permissive=0`,
			`"action":"avc","pid":5,"comm":"cat","msg":"avc:  denied  { read } for","name":"shadow","dev":"vda1","ino":"77","scontext":"u:r:t:s0","tcontext":"u:o:s:s0","tclass":"file","permissive":"0"}`,
		},
		{
			"a rule that went with its mount",
			`type=CONFIG_CHANGE msg=audit(1.000:7): op=remove_rule dir="/mnt/efs" key="efs_changes" list=4 res=1`,
			`"key":"efs_changes","action":"rules","success":true,"path":"/mnt/efs","op":"remove_rule","list":4}`,
		},
		{
			"an enriched line",
			"node=h1 type=CONFIG_CHANGE msg=audit(1.000:7): auid=4294967295 ses=4294967295 op=add_rule key=\"k\" list=4 res=1\x1dAUID=\"unset\"",
			`"key":"k","action":"rules","success":true,"op":"add_rule","list":4}`,
		},
		{
			"a type without a name",
			`type=UNKNOWN[1998] msg=audit(1.000:7): foo=bar id=3 type=x foo=baz foo=bar v=2`,
			`"action":"unknown_1998","foo":"bar","user_id":3,"kind":"x","foo_2":"baz","version":"2"}`,
		},
		{
			"an apostrophe in a name",
			`type=USER_ACCT msg=audit(1.000:7): pid=1 uid=0 auid=0 ses=1 msg='op=PAM:accounting acct="o'brien" exe="/usr/bin/sudo" cwd="/mnt/o'reilly" res=success'`,
			`"action":"user_acct","auid":0,"auid_name":"root","uid":0,"uid_name":"root","ses":1,"pid":1,"msg_op":"PAM:accounting","msg_acct":"o'brien","msg_exe":"/usr/bin/sudo","msg_cwd":"/mnt/o'reilly","msg_res":"success"}`,
		},
		{
			"keys typed",
			`type=USER_TTY msg=audit(1.000:7): pid=1 uid=0 auid=1000 ses=1 subj=u data=6C730D`,
			`"action":"user_tty","auid":1000,"auid_name":"ec2-user","uid":0,"uid_name":"root","ses":1,"pid":1,"subj":"u","msg_data":"ls\r"}`,
		},
		{
			"a login uid that is set by a call",
			`type=LOGIN msg=audit(1.000:7): pid=6 uid=0 old-auid=4294967295 auid=1000 tty=(none) old-ses=4294967295 ses=1 res=1` + "\n" +
				`type=SYSCALL msg=audit(1.000:7): arch=c000003e syscall=1 success=yes exit=5 items=0 ppid=1 pid=6 auid=1000 uid=0 ses=1 comm="login" exe="/usr/bin/login" key=(null)` + "\n" +
				`type=EOE msg=audit(1.000:7): `,
			`"action":"login","syscall":"write","success":true,"auid":1000,"auid_name":"ec2-user","uid":0,"uid_name":"root","ses":1,"pid":6,"ppid":1,"comm":"login","exe":"/usr/bin/login","exit":5}`,
		},
		{
			"a file that an integrity check refused",
			`type=INTEGRITY_DATA msg=audit(1.000:7): pid=647 uid=0 auid=1000 ses=1 op=appraise_data cause=missing-hash comm="bash" name="/mnt/efs/x" dev="nfs" ino=9 res=0 errno=0` + "\n" +
				`type=SYSCALL msg=audit(1.000:7): arch=c000003e syscall=257 success=no exit=-13 a2=0 items=1 ppid=1 pid=647 auid=1000 uid=0 ses=1 comm="bash" exe="/bin/bash" key="w"` + "\n" +
				`type=CWD msg=audit(1.000:7): cwd="/mnt/efs"` + "\n" +
				`type=PATH msg=audit(1.000:7): item=0 name="/mnt/efs/x" inode=9 dev=00:2f mode=0100600 nametype=NORMAL` + "\n" +
				`type=EOE msg=audit(1.000:7): `,
			`"key":"w","action":"read","syscall":"openat","success":false,"errno":"EACCES","path":"/mnt/efs/x","path_from":"claimed","type":"file","inode":"9","mode":"0600","dev":"00:2f","auid":1000,"auid_name":"ec2-user","uid":0,"uid_name":"root","ses":1,"pid":647,"ppid":1,"comm":"bash","exe":"/bin/bash","also":"integrity_data","op":"appraise_data","cause":"missing-hash","name":"/mnt/efs/x","also_dev":"nfs","ino":"9","error":"0"}`,
		},
		{
			"a program that claims everything",
			`type=USER_LOGIN msg=audit(1.000:7): pid=66 uid=1000 auid=1000 ses=3 msg='x' pid=1 uid=0 auid=0 ses=9 key="efs_changes" success=yes exe="/bin/rm" comm="rm" container=c unit=u path="/mnt/efs/a" path_from=absolute action=delete time=1 id=2 v=2 boot_id="b" cause="overrun" msg='pid=2 uid=0'`,
			`"action":"user_login","auid":1000,"auid_name":"ec2-user","uid":1000,"uid_name":"ec2-user","ses":3,"pid":66,"msg_text":"x'","msg_pid":"1","msg_uid":"0","msg_auid":"0","msg_ses":"9","msg_key":"efs_changes","msg_success":"yes","msg_exe":"/bin/rm","msg_comm":"rm","msg_container":"c","msg_unit":"u","msg_path":"/mnt/efs/a","msg_path_from":"absolute","msg_action":"delete","msg_time":"1","msg_id":"2","msg_v":"2","msg_boot_id":"b","msg_cause":"overrun","msg_msg":"'pid=2"}`,
		},
		{
			"a stranger's gap",
			`type=AUDITSHIPPER_GAP msg=audit(1.000:7): cause="overrun" count=3 pid=1 from="x"`,
			`"action":"foreign_auditshipper_gap","msg_cause":"overrun","msg_count":"3","msg_pid":"1","msg_from":"x"}`,
		},
		{
			"a stranger's stop by number",
			`type=UNKNOWN[64002] msg=audit(1.000:7): op="stop"`,
			`"action":"foreign_auditshipper_daemon","msg_op":"stop"}`,
		},
		{
			"a name that cannot be read as hex",
			`type=USER_ACCT msg=audit(1.000:7): pid=1 uid=0 auid=0 ses=1 msg='op=x acct=616 res=success'`,
			`"action":"user_acct","auid":0,"auid_name":"root","uid":0,"uid_name":"root","ses":1,"pid":1,"msg_op":"x","msg_acct":"616","msg_res":"success"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.TrimSpace(string(jsonOf(t, []byte(tt.log))))
			_, got, _ = strings.Cut(got, `"host":"host",`)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestNotes requires that what goes into a note comes out of its event.
func TestNotes(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := paths.NewStream(paths.Options{})
	note := func(seq uint64, typ event.Type, fields ...event.NoteField) {
		s.Push(seq, typ, event.AppendNote(nil, event.Note{Time: now, Fields: fields}))
	}
	note(42, event.TypeGap, event.NoteField{Key: "cause", Value: "kernel_lost"}, event.NoteField{Key: "count", Value: 12}, event.NoteField{Key: "count_at_least", Value: true},
		event.NoteField{Key: "from", Value: now}, event.NoteField{Key: "to", Value: now.Add(1500e6)}, event.NoteField{Key: "none", Value: ""})
	note(43, event.TypeRules, event.NoteField{Key: "op", Value: "repair"}, event.NoteField{Key: "detail", Value: "rule \"x\"\nadded =again"},
		event.NoteField{Key: "n", Value: int64(-5)}, event.NoteField{Key: "big", Value: uint64(1 << 63)})
	enc := &Encoder{}
	for i, want := range []string{
		`{"v":1,"id":"1700000000.000:4294967338","time":"2023-11-14T22:13:20.000Z","action":"gap","cause":"kernel_lost","count":12,"count_at_least":true,"from":"2023-11-14T22:13:20.000Z","to":"2023-11-14T22:13:21.500Z"}`,
		`{"v":1,"id":"1700000000.000:4294967339","time":"2023-11-14T22:13:20.000Z","action":"rules","op":"repair","detail":"rule \"x\"\nadded =again","n":-5,"big":"9223372036854775808"}`,
	} {
		e, ok := s.Next()
		if !ok {
			t.Fatalf("no event %d", i)
		}
		if got := string(enc.AppendJSON(nil, e)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
