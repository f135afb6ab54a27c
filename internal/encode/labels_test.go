package encode

import (
	"strings"
	"testing"
)

// TestLabels has labels in each event and format that has fields, once, and never in place
// of what the event says; without any nothing changes.
func TestLabels(t *testing.T) {
	bare, enc := &Encoder{Host: "h"}, &Encoder{Host: "h"}
	enc.SetLabels(map[string]string{"env": "prod", "account": `1"2`, "op": "label"})
	const labels = `,"account":"1\"2","env":"prod","op":"label"`
	for _, e := range workload(t)[:200] {
		plain, labelled := string(bare.AppendJSON(nil, e)), string(enc.AppendJSON(nil, e))
		if want := strings.Replace(plain, `"host":"h"`, `"host":"h"`+labels, 1); labelled != want {
			t.Fatalf("got  %s\nwant %s", labelled, want)
		}
		plain, labelled = string(bare.AppendOCSF(nil, e)), string(enc.AppendOCSF(nil, e))
		if want := strings.Replace(plain, `],"uid"`, `],"labels":["account:1\"2","env:prod","op:label"],"uid"`, 1); labelled != want {
			t.Fatalf("got  %s\nwant %s", labelled, want)
		}
		if n := testing.AllocsPerRun(1, func() { enc.AppendJSON(make([]byte, 0, 4096), e) }); n > 1 {
			t.Fatalf("%v allocations", n)
		}
	}
	note := eventsOf(t, []byte("type=USER_AUTH msg=audit(1700000000.123:7): pid=6 uid=0 auid=0 ses=3 msg='op=x acct=\"a\" res=success'\n"))[0]
	enc.SetLabels(map[string]string{"msg_op": "label"})
	if got := string(enc.AppendJSON(nil, note)); strings.Count(got, "msg_op") != 1 || !strings.Contains(got, `"msg_op":"x"`) {
		t.Errorf("got %s", got)
	}
}
