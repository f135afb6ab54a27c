package event

import (
	"strings"
	"testing"
)

// TestOtherRecords is about events that are no files': each record's fields,
// as JSON after the host.
func TestOtherRecords(t *testing.T) {
	tests := []struct{ name, log, want string }{
		{
			"login",
			`type=USER_LOGIN msg=audit(1.000:7): pid=1 uid=0 auid=1000 ses=3 msg='op=login id=1000 exe="/usr/sbin/sshd" hostname=10.0.0.1 addr=10.0.0.1 terminal=/dev/pts/0 res=success'`,
			`"action":"user_login","success":true,"auid":1000,"auid_name":"ec2-user","uid":0,"uid_name":"root","ses":3,"pid":1,"exe":"/usr/sbin/sshd","op":"login","user_id":1000,"hostname":"10.0.0.1","addr":"10.0.0.1","terminal":"/dev/pts/0"}`,
		},
		{
			"sudo",
			`type=USER_CMD msg=audit(1.000:7): pid=1 uid=1000 auid=1000 ses=3 msg='cwd="/home" cmd=6C73202D6C20612062 exe="/usr/bin/sudo" terminal=pts/0 res=failed'`,
			`"action":"user_cmd","success":false,"auid":1000,"auid_name":"ec2-user","uid":1000,"uid_name":"ec2-user","ses":3,"pid":1,"exe":"/usr/bin/sudo","cwd":"/home","cmd":"ls -l a b","terminal":"pts/0"}`,
		},
		{
			"an op of two words",
			`type=ADD_USER msg=audit(1.000:7): pid=1 uid=0 auid=4294967295 ses=4294967295 msg='op=adding user id=1001 exe="/usr/sbin/useradd" hostname=? addr=? terminal=? res=success'`,
			`"action":"add_user","success":true,"uid":0,"uid_name":"root","pid":1,"exe":"/usr/sbin/useradd","op":"adding user","user_id":1001}`,
		},
		{
			"plain words",
			`type=USER msg=audit(1.000:7): pid=1 uid=0 auid=0 ses=1 msg='hello from user space'`,
			`"action":"user","auid":0,"auid_name":"root","uid":0,"uid_name":"root","ses":1,"pid":1,"msg":"hello from user space"}`,
		},
		{
			"words before the pairs",
			`type=USER_AUTH msg=audit(1.000:7): user pid=1 uid=0 auid=0 msg='PAM: authentication acct="root" : exe="/bin/su" (hostname=?, addr=?, terminal=pts/1 res=success)'`,
			`"action":"user_auth","success":true,"auid":0,"auid_name":"root","uid":0,"uid_name":"root","pid":1,"exe":"/bin/su","msg":"PAM: authentication","acct":"root","terminal":"pts/1"}`,
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
			`type=UNKNOWN[2998] msg=audit(1.000:7): foo=bar id=3 type=x foo=baz foo=bar v=2`,
			`"action":"unknown_2998","foo":"bar","user_id":3,"kind":"x","foo_2":"baz","version":"2"}`,
		},
		{
			"a name that cannot be read as hex",
			`type=USER_ACCT msg=audit(1.000:7): pid=1 uid=0 auid=0 ses=1 msg='op=x acct=616 res=success'`,
			`"action":"user_acct","success":true,"auid":0,"auid_name":"root","uid":0,"uid_name":"root","ses":1,"pid":1,"op":"x","acct":"616"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.TrimSpace(string(encodeAll(t, Options{}, []byte(tt.log))))
			_, got, _ = strings.Cut(got, `"host":"host",`)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestNotes requires that what goes into a note comes out of its event.
func TestNotes(t *testing.T) {
	k := newFakeKernel(t, Options{})
	k.seq = 41
	k.note(TypeGap, NoteField{"cause", "kernel_lost"}, NoteField{"count", 12}, NoteField{"count_at_least", true},
		NoteField{"from", k.now}, NoteField{"to", k.now.Add(1500e6)}, NoteField{"none", ""})
	k.note(TypeRules, NoteField{"op", "repair"}, NoteField{"detail", "rule \"x\"\nadded =again"}, NoteField{"n", int64(-5)}, NoteField{"big", uint64(1 << 63)})
	enc := &Encoder{}
	for i, want := range []string{
		`{"v":1,"id":"1700000000.000:4294967338","time":"2023-11-14T22:13:20.000Z","action":"gap","cause":"kernel_lost","count":12,"count_at_least":true,"from":"2023-11-14T22:13:20.000Z","to":"2023-11-14T22:13:21.500Z"}`,
		`{"v":1,"id":"1700000000.000:4294967339","time":"2023-11-14T22:13:20.000Z","action":"rules","op":"repair","detail":"rule \"x\"\nadded =again","n":-5,"big":"9223372036854775808"}`,
	} {
		e, ok := k.s.Next()
		if !ok {
			t.Fatalf("no event %d", i)
		}
		if got := string(enc.AppendJSON(nil, e)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
