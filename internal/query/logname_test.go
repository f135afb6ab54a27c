package query

import (
	"strings"
	"testing"
)

// strangers is a log of another host: who is 1000 there is somebody else here,
// and who is 1001 there has no name.
const strangers = "node=far type=SYSCALL msg=audit(1.000:7): arch=c000003e syscall=87 success=yes exit=0 items=0 ppid=1 pid=2 auid=1000 uid=1001 ses=3 comm=\"rm\" exe=\"/bin/rm\" key=(null)\x1dARCH=x86_64 SYSCALL=unlink AUID=\"alice\" UID=\"unknown(1001)\"\n" +
	"node=far type=USER_CMD msg=audit(1.000:8): pid=1 uid=1001 auid=1000 ses=3 msg='cmd=6C73 res=success'\x1dUID=\"unknown(1001)\" AUID=\"alice\"\n" +
	"node=far type=USER_CMD msg=audit(1.000:9): pid=1 uid=1001 auid=1000 ses=3 msg='cmd=6C73 res=success'\n"

// TestLogNames requires events of an enriched log, as JSON and as facts, to call
// users what it calls them, and those of a log without names what Names does.
func TestLogNames(t *testing.T) {
	here := NameFile{byID: map[uint32]string{1000: "bob", 1001: "carol"}}
	s := OpenReader(strings.NewReader(strangers), Options{Facts: true, JSON: true, Names: here})
	defer s.Close()
	want := []struct{ json, auid, uid string }{
		{`"auid":1000,"auid_name":"alice","uid":1001,"ses"`, "alice", ""},
		{`"auid":1000,"auid_name":"alice","uid":1001,"ses"`, "alice", ""},
		{`"auid":1000,"auid_name":"bob","uid":1001,"uid_name":"carol","ses"`, "bob", "carol"},
	}
	each(t, s, func(e *Event) {
		w := want[0]
		want = want[1:]
		if !strings.Contains(string(e.JSON), w.json) {
			t.Errorf("%s: got %s, want %s in it", e.ID, e.JSON, w.json)
		}
		if e.Facts.AUIDName != w.auid || e.Facts.UIDName != w.uid {
			t.Errorf("%s: got %q and %q, want %q and %q", e.ID, e.Facts.AUIDName, e.Facts.UIDName, w.auid, w.uid)
		}
	})
	if len(want) > 0 {
		t.Errorf("%d events are missing", len(want))
	}
}
