package encode

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

// ocsfObjects are the attributes that OCSF 1.5.0 with the profiles host and linux_users has
// for what we write, and their types: an object has the name of another entry, "[x]" is an
// array of x.
var ocsfObjects = map[string]map[string]string{
	"event": {
		"class_uid": "int", "category_uid": "int", "activity_id": "int", "activity_name": "string", "type_uid": "int", "time": "int",
		"severity_id": "int", "status_id": "int", "status_detail": "string", "metadata": "metadata", "device": "device", "actor": "actor",
		"file": "file", "file_result": "file", "process": "process", "unmapped": "any",
	},
	"metadata": {
		"version": "string", "product": "product", "log_name": "string", "profiles": "[string]", "extensions": "[extension]", "labels": "[string]", "uid": "string",
	},
	"product":   {"name": "string", "vendor_name": "string"},
	"extension": {"name": "string", "uid": "string", "version": "string"},
	"device":    {"hostname": "string", "type_id": "int"},
	"actor":     {"process": "process", "user": "user", "session": "session"},
	"session":   {"uid": "string"},
	"user":      {"uid": "string", "name": "string"},
	"process": {
		"name": "string", "pid": "int", "cmd_line": "string", "file": "file", "parent_process": "process", "user": "user",
		"auid": "int", "egid": "int", "euid": "int",
	},
	"file": {"name": "string", "path": "string", "parent_folder": "string", "type_id": "int", "uid": "string"},
}

// checkOCSF requires a value to be what OCSF calls by a type's name.
func checkOCSF(t *testing.T, typ string, v any) {
	t.Helper()
	attributes, isObject := ocsfObjects[typ]
	of, isArray := strings.CutPrefix(typ, "[")
	ok := typ == "any"
	switch v := v.(type) {
	case string:
		ok = ok || typ == "string"
	case float64:
		ok = ok || typ == "int" && v == math.Trunc(v)
	case []any:
		ok = ok || isArray && len(v) > 0
		for _, one := range v {
			checkOCSF(t, strings.TrimSuffix(of, "]"), one)
		}
	case map[string]any:
		ok = ok || isObject && len(v) > 0
		for key, one := range v {
			if isObject && attributes[key] == "" {
				t.Errorf("OCSF has no attribute %s.%s", typ, key)
			} else if isObject {
				checkOCSF(t, attributes[key], one)
			}
		}
	}
	if !ok {
		t.Errorf("not of OCSF's type %s: %v", typ, v)
	}
}

// efs is one EFS on every device.
type efs struct{ someUsers }

func (efs) FileSystem(event.Dev) (id, accessPoint string) {
	return "fs-0123456789abcdef0", "fsap-0123456789abcdef0"
}

// TestOCSFWho has the users that only Linux knows, under OCSF's names for them, says so in the
// metadata, and nothing of the kind where nobody knows them.
func TestOCSFWho(t *testing.T) {
	const call = `type=SYSCALL msg=audit(1700000000.123:7): arch=c000003e syscall=263 success=yes exit=0 a0=3 a1=0 a2=0 a3=0 items=2 ppid=5 pid=6 ` +
		`auid=1000 uid=1001 gid=1002 euid=0 suid=0 fsuid=0 egid=27 sgid=27 fsgid=27 tty=pts0 ses=3 comm="rm" exe="/usr/bin/rm" key="k"
type=CWD msg=audit(1700000000.123:7): cwd="/efs"
type=PATH msg=audit(1700000000.123:7): item=0 name="/efs" inode=2 dev=00:35 mode=040755 ouid=0 ogid=0 rdev=00:00 nametype=PARENT
type=PATH msg=audit(1700000000.123:7): item=1 name="a" inode=9 dev=00:35 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=DELETE
type=EOE msg=audit(1700000000.123:7): 
`
	unset := strings.NewReplacer("auid=1000", "auid=4294967295", " euid=0", "", " egid=27", "")
	for _, c := range []struct {
		log, process string
		profiles     []string
	}{
		{call, `"auid":1000,"egid":27,"euid":0,"user":{"uid":"1001"`, []string{"host", "linux/linux_users"}},
		{strings.ReplaceAll(call, "auid=1000", "auid=4294967295"), `"parent_process":{"pid":5},"egid":27,"euid":0,"user":{"uid":"1001"`, []string{"host", "linux/linux_users"}},
		{unset.Replace(call), `"parent_process":{"pid":5},"user":{"uid":"1001"`, []string{"host"}},
	} {
		line := (&Encoder{Names: efs{}}).AppendOCSF(nil, eventsOf(t, []byte(c.log))[0])
		var v struct {
			Metadata struct {
				Profiles   []string         `json:"profiles"`
				Extensions []map[string]any `json:"extensions"`
			} `json:"metadata"`
			Unmapped map[string]any `json:"unmapped"`
		}
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(line), c.process) || !slices.Equal(v.Metadata.Profiles, c.profiles) || len(v.Metadata.Extensions) != len(c.profiles)-1 {
			t.Errorf("got %s, want %s and the profiles %q", line, c.process, c.profiles)
		}
		if v.Unmapped["fs_id"] != "fs-0123456789abcdef0" || v.Unmapped["access_point"] != "fsap-0123456789abcdef0" {
			t.Errorf("no file system in %s", line)
		}
	}
}
