package encode

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// withNames is a log of one event that auditd would enrich with extra.
func withNames(record, extra string) []byte {
	return []byte("type=" + record + "\x1d" + extra + "\n")
}

const (
	aCall    = `SYSCALL msg=audit(1.000:7): arch=c000003e syscall=87 success=yes exit=0 items=0 ppid=1 pid=2 auid=1000 uid=0 gid=0 ses=3 comm="rm" exe="/bin/rm" key=(null)`
	aMessage = `USER_AUTH msg=audit(1.000:7): pid=1 uid=0 auid=1000 ses=3 msg='op=x acct="x" res=success'`
)

// TestLogNames requires of an enriched log that users are called what it calls
// them, and nothing where it knew no name: this machine may have another user
// with that number.
func TestLogNames(t *testing.T) {
	tests := []struct{ name, record, extra, want, ocsf string }{
		{
			"a call", aCall, `ARCH=x86_64 SYSCALL=unlink AUID="alice" UID="toor" GID="root"`,
			`"auid":1000,"auid_name":"alice","uid":0,"uid_name":"toor"`, `{"uid":"1000","name":"alice"} {"uid":"0","name":"toor"}`,
		},
		{
			"a message", aMessage, `UID="toor" AUID="alice"`,
			`"auid":1000,"auid_name":"alice","uid":0,"uid_name":"toor"`, `{"uid":"1000","name":"alice"} {"uid":"0","name":"toor"}`,
		},
		{
			"without a name there", aCall, `ARCH=x86_64 SYSCALL=unlink AUID="unknown(1000)" UID=""`,
			`"auid":1000,"uid":0`, `{"uid":"1000"} {"uid":"0"}`,
		},
		{
			"unset, whatever the number", aCall, `AUID="unset" UID=?`,
			`"auid":1000,"uid":0`, `{"uid":"1000"} {"uid":"0"}`,
		},
		{
			"nobody logged in", strings.Replace(aCall, "auid=1000", "auid=4294967295", 1), `AUID="unset" UID="toor"`,
			`"uid":0,"uid_name":"toor"`, `{"uid":"0","name":"toor"} {"uid":"0","name":"toor"}`,
		},
		{
			"a name that auditd writes as hex", aCall, `AUID=444F4D5C616C69636520622E UID="unknown"`,
			`"auid":1000,"auid_name":"DOM\\alice b.","uid":0,"uid_name":"unknown"`, `{"uid":"1000","name":"DOM\\alice b."} {"uid":"0","name":"unknown"}`,
		},
		{
			"a number the log says nothing of", aCall, `ARCH=x86_64 SYSCALL=unlink EUID="x" OAUID="y"`,
			`"auid":1000,"auid_name":"ec2-user","uid":0,"uid_name":"root"`, `{"uid":"1000","name":"ec2-user"} {"uid":"0","name":"root"}`,
		},
		{
			"a number in the message itself", strings.Replace(aMessage, "acct=", "uid=65534 auid=65534 acct=", 1), `UID="toor" AUID="alice" UID="nobodei" AUID="nobodei"`,
			`"auid":1000,"auid_name":"alice","uid":0,"uid_name":"toor"`, `{"uid":"1000","name":"alice"} {"uid":"0","name":"toor"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := withNames(tt.record, tt.extra)
			if got := whoIn(jsonOf(t, log)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if got := usersOfOCSF(t, log); got != tt.ocsf {
				t.Errorf("OCSF: got  %s\nwant %s", got, tt.ocsf)
			}
			if raw, want := rawOf(t, log), "type="+tt.record+"\n"; string(raw) != want {
				t.Errorf("raw: got %s, want %s", raw, want)
			}
		})
	}
}

// TestNoNameFromOtherRecords requires that a record which has no number of a user
// has no name for one: what a socket is called, anybody may choose.
func TestNoNameFromOtherRecords(t *testing.T) {
	log := bytes.Join([][]byte{
		withNames(strings.Replace(aCall, "syscall=87", "syscall=42", 1), `AUID="alice" UID="toor"`),
		withNames(`SOCKADDR msg=audit(1.000:7): saddr=01002F78`, `SADDR={ saddr_fam=local path=/x AUID="mallory" UID="mallory" }`),
	}, nil)
	const want = `"auid":1000,"auid_name":"alice","uid":0,"uid_name":"toor"`
	if got := whoIn(jsonOf(t, log)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// whoIn is what an event's JSON says of its users.
func whoIn(json []byte) string {
	who := regexp.MustCompile(`(?:"auid":.*)?"uid":\d+(?:,"uid_name":"[^"]*")?`)
	return string(who.Find(json))
}

// usersOfOCSF are the user who acted and that of the process, as OCSF has them.
func usersOfOCSF(t *testing.T, log []byte) string {
	t.Helper()
	events := eventsOf(t, log)
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	enc := &Encoder{Names: someUsers{}}
	users := regexp.MustCompile(`"user":(\{.*?\})`).FindAllStringSubmatch(string(enc.AppendOCSF(nil, events[0])), -1)
	if len(users) != 2 {
		t.Fatalf("%d users, want 2: %v", len(users), users)
	}
	return users[1][1] + " " + users[0][1]
}
