package paths

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/encode"

	"github.com/auditshipper/auditshipper/internal/event"
)

// wordTypes are the types of records whose text is a program's, or a stranger's.
var wordTypes = []event.Type{1005, 1100, 1107, 1112, 1123, 1124, 1130, 1199, 2100, 2404, 2999, event.TypeGap.Foreign(), event.TypeRules.Foreign()}

// sayings are what a program may say of itself and of others.
var sayings = []string{
	"pid=1", "uid=0", "auid=0", "ses=1", "subj=x", "ppid=1", "tty=pts0", "exe=\"/bin/rm\"", "comm=rm", "key=\"efs_changes\"", "success=yes", "res=success",
	"container=c", "unit=\"u.service\"", "path=\"/mnt/efs/a\"", "dest=b", "path_from=absolute", "action=delete", "time=1", "id=1", "host=h", "v=2", "type=gap",
	"cause=\"overrun\"", "count=3", "op=\"stop\"", "boot_id=\"b\"", "errno=EACCES", "syscall=rename", "overwrote=7", "partial=true", "truncated=true", "msg='", "'", "\"", " ",
	"\n", "\x1d", "\x1dUID=\"root\"", "\x1b[2J", "\x9b", "\u202e", "\xff", "\ntype=SYSCALL msg=audit(1.000:2): arch=c000003e syscall=87 pid=1", "name=(null)", "=", "a==b", ")", "(",
}

// FuzzWords: whatever a program says, the event says of pid, users and session what the
// kernel says, and all else is under msg_…, in both formats that have fields.
func FuzzWords(f *testing.F) {
	f.Add(uint8(3), "op=login acct=\"o'brien\" exe=\"/usr/sbin/sshd\" res=success")
	for i, claim := range sayings {
		f.Add(uint8(i), claim)
		f.Add(uint8(i), "x' "+claim)
	}
	f.Fuzz(func(t *testing.T, n uint8, text string) { checkWords(t, wordTypes[int(n)%len(wordTypes)], text) })
}

// TestWords does the same with sayings put together at random.
func TestWords(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		text := ""
		for range rnd.IntN(12) {
			text += sayings[rnd.IntN(len(sayings))] + strings.Repeat(" ", rnd.IntN(2))
		}
		checkWords(t, wordTypes[rnd.IntN(len(wordTypes))], text)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func checkWords(t *testing.T, typ event.Type, text string) {
	t.Helper()
	s := NewStream(Options{})
	record := "audit(1000.000:2): pid=66 uid=1000 auid=1001 ses=3 subj=kernel msg='" + text + "'"
	if typ == 1124 {
		record = "audit(1000.000:2): pid=66 uid=1000 auid=1001 ses=3 subj=kernel data=" + text
	}
	if typ.IsForeign() {
		record = "audit(1000.000:2): " + text
	}
	s.Push(1, typ, []byte(record))
	s.Flush()
	e, ok := s.Next()
	if !ok {
		t.Fatalf("no event of %q", text)
	}
	enc := &encode.Encoder{Host: "true-host"}
	var got map[string]any
	if err := json.Unmarshal(enc.AppendJSON(nil, e), &got); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	want := map[string]any{"v": 1., "id": "1000.000:2", "time": "1970-01-01T00:16:40.000Z", "host": "true-host", "action": strings.NewReplacer("[", "_", "]", "").Replace(strings.ToLower(typ.String()))}
	if !typ.IsForeign() {
		want["pid"], want["uid"], want["auid"], want["ses"], want["subj"] = 66., 1000., 1001., 3., "kernel"
	}
	for key, val := range got {
		if strings.HasPrefix(key, "msg_") || key == "truncated" && val == true {
			continue
		}
		if want[key] != val {
			t.Errorf("%v %q: %s is %v, want %v", typ, text, key, val, want[key])
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("%v %q: no %v", typ, text, want)
	}
	if e.Success != event.Unknown || e.Key != nil || e.Exe != nil || e.Path.Path != nil || s.boot != "" {
		t.Errorf("%v %q: success %v, key %q, exe %q, path %q, boot %q", typ, text, e.Success, e.Key, e.Exe, e.Path.Path, s.boot)
	}
	if n := bytes.Count(enc.AppendRaw(nil, e), []byte("\n")); n != 1 {
		t.Errorf("%v %q: %d lines of raw, want 1", typ, text, n)
	}
	checkOCSFWords(t, enc.AppendOCSF(nil, e), typ)
	enc.IncludeRaw = true
	for _, line := range [][]byte{enc.AppendJSON(nil, e), enc.AppendOCSF(nil, e)} {
		if i := bytes.IndexFunc(line, func(r rune) bool {
			return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x061c || r == 0xfeff || r == 0xfffd || r >= 0x200e && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
		}); i >= 0 {
			t.Errorf("%q: a character to be escaped at %d of %q", text, i, line)
		}
	}
}

// checkOCSFWords requires the kernel's process and user.
func checkOCSFWords(t *testing.T, text []byte, typ event.Type) {
	t.Helper()
	var got struct {
		Class  int `json:"class_uid"`
		Status int `json:"status_id"`
		Actor  struct {
			Process struct {
				Name string
				PID  int
				File *struct{}
			}
		}
		Unmapped map[string]any
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	pid := 66
	if typ.IsForeign() {
		pid = 0
	}
	if p := got.Actor.Process; got.Class != 0 || got.Status != 0 || p.Name != "" || p.PID != pid || p.File != nil {
		t.Errorf("OCSF: %s", text)
	}
	for key := range got.Unmapped {
		if !strings.HasPrefix(key, "msg_") && key != "subj" && key != "truncated" {
			t.Errorf("OCSF: unmapped.%s: %s", key, text)
		}
	}
}
