package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, text string, environ ...string) (Config, []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, true, environ)
	if err == nil {
		return c, nil
	}
	return c, strings.Split(strings.ReplaceAll(err.Error(), path, "a.yaml"), "\n")
}

// full holds every key, so that none can be known to the manual and unknown
// here.
const full = `
watches: [{path: /mnt/efs, ops: [delete, rename], key: efs_changes, failures: denied, require_mount: auto}]
drop: [{key: k, action: attr, exe: /usr/bin/rsync, comm: rsync, uid: 0, path: /mnt/efs/tmp/**}]
rules:   {files: [/etc/auditshipper/rules.d/*.rules], persist_dir: /etc/audit/rules.d, on_never_task: fix, repair: false, on_exit: keep}
source:  {mode: multicast, receive_buffer: 32MiB, file: /var/log/audit/audit.log, resolve_wait: 500ms}
kernel:  {backlog_limit: 100, backlog_wait_time: 3, failure_mode: silent}
state_dir: /tmp/state
socket: /tmp/control.sock
journal: {max_bytes: 1GiB, keep_delivered: 64MiB, sync: 2s}
output:  stdout
events:  all
heartbeat: 10m
labels: {env: prod}
cloudwatch:
  {group: /g, stream: "{hostname}", region: eu-central-1, endpoint_url: "http://127.0.0.1:4566", role_arn: "arn:aws:iam::1:role/r", create_group: false, retention_days: 30,
   log_class: STANDARD, kms_key_id: k, tags: {team: storage}, format: json, include_raw: true, flush_interval: 100ms, concurrency: 4, use_fips: false, use_dualstack: false}
metrics: {listen: "127.0.0.1:9464", emf: true}
log:     {level: debug, format: json}
`

func TestLoadEveryKey(t *testing.T) {
	c, faults := load(t, full)
	if faults != nil {
		t.Fatal(strings.Join(faults, "\n"))
	}
	want := Watch{"/mnt/efs", []string{"delete", "rename"}, "efs_changes", "denied", "auto"}
	if !reflect.DeepEqual(c.Watches, []Watch{want}) {
		t.Errorf("watches %+v, want %+v", c.Watches, want)
	}
	if c.Drop[0].UID != "0" || c.Source.ReceiveBuffer != 32<<20 || c.CloudWatch.FlushInterval != 100*time.Millisecond || c.CloudWatch.Tags["team"] != "storage" {
		t.Errorf("got %+v", c)
	}
	unset := c
	unset.places = nil
	notSet(t, "", reflect.ValueOf(unset), reflect.ValueOf(Default()))
}

// notSet complains about keys that full does not change, false booleans aside.
func notSet(t *testing.T, key string, v, def reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("yaml")
		switch {
		case name == "":
		case f.Type.Kind() == reflect.Struct:
			notSet(t, join(key, name), v.Field(i), def.Field(i))
		case !strings.Contains(full, name+":"):
			t.Errorf("key %s is not in the example", join(key, name))
		}
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name, text string
		env        []string
		want       []string
	}{
		{"an unknown key", "cloudwatch:\n  groop: x\n", nil, []string{"a.yaml:2: cloudwatch.groop: unknown key"}},
		{"an unknown key at the top", "watch: []", nil, []string{"a.yaml:1: watch: unknown key"}},
		{"a bad duration", "journal: {sync: 1 hour}", nil, []string{`a.yaml:1: journal.sync: "1 hour" is not a duration such as 1s or 500ms`}},
		{"a bad size", "\n\njournal:\n  max_bytes: lots", nil, []string{`a.yaml:4: journal.max_bytes: "lots" is not a size such as 64MiB`}},
		{"a bad boolean", "rules: {repair: yes}", nil, []string{`a.yaml:1: rules.repair: "yes" is neither true nor false`}},
		{"a bad number", "cloudwatch: {concurrency: two}", nil, []string{`a.yaml:1: cloudwatch.concurrency: "two" is not a whole number`}},
		{"a list for a value", "state_dir: [a]", nil, []string{"a.yaml:1: state_dir: a single value is wanted, not a list"}},
		{"a value for a list", "watches: /mnt/efs", nil, []string{"a.yaml:1: watches: a list is wanted, not a single value"}},
		{"a value for a mapping", "watches: [/mnt/efs]", nil, []string{"a.yaml:1: watches[0]: a mapping (key: value) is wanted, not a single value", "a.yaml:1: watches[0].path: must be set"}},
		{"a watch without a path", "watches:\n  - key: k\n", nil, []string{"a.yaml:2: watches[0].path: must be set"}},
		{"a relative path", "watches:\n  - path: efs\n", nil, []string{`a.yaml:2: watches[0].path: "efs" is not an absolute path`}},
		{"an unknown operation", "watches:\n  - path: /a\n    ops: [delete,\n      remove]\n", nil, []string{`a.yaml:4: watches[0].ops[1]: "remove" is not one of delete, rename, create, write, attr, link, exec`}},
		{"a watch of the state", "watches: [{path: /var}]", nil, []string{"a.yaml:1: watches[0].path: holds /var/lib/auditshipper, so that our own work would be an event and cause the next"}},
		{"a filter of nothing", "drop: [{}]", nil, []string{"a.yaml:1: drop[0]: names nothing, and would drop everything"}},
		{
			"filters that never agree", "drop:\n  - {exe: rsync, uid: root}\n  - {path: /srv/*/tmp, comm: a-very-long-name}\n  - {path: /srv/tmp/}\n", nil,
			[]string{
				`a.yaml:2: drop[0].exe: "rsync" is not an absolute path`, `a.yaml:2: drop[0].uid: "root" is not a user's number`,
				`a.yaml:3: drop[1].path: "/srv/*/tmp" has a wildcard`, `a.yaml:3: drop[1].comm: longer than the 15 bytes that the kernel keeps`,
				`a.yaml:4: drop[2].path: "/srv/tmp/" is not how paths are written in events`,
			},
		},
		{"a key twice", "output: stdout\noutput: stdout\n", nil, []string{`a.yaml:2: not YAML: mapping key "output" already defined at [1:1]`}},
		{"no YAML", "a: [", nil, []string{"a.yaml:1: not YAML: sequence end token ']' not found"}},
		{"two documents", "output: stdout\n---\noutput: stdout\n", nil, []string{"a.yaml:3: one document is enough; this is a second one"}},
		{"an endpoint with FIPS", "cloudwatch:\n  endpoint_url: http://h\n  use_fips: true\n", nil, []string{"a.yaml:2: cloudwatch.endpoint_url: cannot go with use_fips or use_dualstack, which choose the endpoint themselves"}},
		{"a bad variable", "", []string{"AUDITSHIPPER_JOURNAL_SYNC=soon"}, []string{`AUDITSHIPPER_JOURNAL_SYNC: journal.sync: "soon" is not a duration such as 1s or 500ms`}},
		{"a bad value from a variable", "", []string{"AUDITSHIPPER_OUTPUT=stderr"}, []string{`AUDITSHIPPER_OUTPUT: output: "stderr" is not one of auto, cloudwatch, stdout`}},
		{
			"faults of every kind", "watches:\n  - path: /a\n    pth: /b\nsource:\n  mode: fast\njournal:\n  sync: x\n", nil,
			[]string{"a.yaml:3: watches[0].pth: unknown key", `a.yaml:7: journal.sync: "x" is not a duration such as 1s or 500ms`, `a.yaml:5: source.mode: "fast" is not one of auto, unicast, multicast, file, stdin`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, faults := load(t, tt.text, tt.env...)
			if !reflect.DeepEqual(faults, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(faults, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	c, faults := load(t, "cloudwatch: {group: /file, region: a}",
		"AUDITSHIPPER_CLOUDWATCH_GROUP=/env", "AUDITSHIPPER_CLOUDWATCH_CREATE_GROUP=false", "HOME=/root",
		"AUDITSHIPPER_WATCHES=[{path: /srv, key: k}]", "AUDITSHIPPER_CONFIG=/etc/x")
	if faults != nil {
		t.Fatal(faults)
	}
	if c.CloudWatch.Group != "/env" || c.CloudWatch.Region != "a" || c.CloudWatch.CreateGroup {
		t.Errorf("got %+v", c.CloudWatch)
	}
	if len(c.Watches) != 1 || c.Watches[0].Path != "/srv" || c.Watches[0].Failures != "denied" {
		t.Errorf("watches %+v", c.Watches)
	}
	if got := c.Place("watches[0].path"); got != "AUDITSHIPPER_WATCHES" {
		t.Errorf("place %q", got)
	}
}

func TestMissingFile(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := Load(none, true, nil); err == nil {
		t.Error("a named file that is missing is accepted")
	}
	c, err := Load(none, false, nil)
	if err != nil || c.StateDir != "/var/lib/auditshipper" {
		t.Errorf("the default file missing: %v, %+v", err, c)
	}
}

func TestHint(t *testing.T) {
	known := fieldNames(reflect.TypeFor[Log]())
	for name, want := range map[string]string{"levl": "did you mean level?", "fromat": "did you mean format?", "zzzzzzzz": "known here: format, level"} {
		if got := nearest(name, known); got != want {
			t.Errorf("hint for %s: %q, want %q", name, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "64MiB": 64 << 20, "1 GiB": 1 << 30, "10MB": 10e6, "5B": 5, "7": 7} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.5GiB", "MiB", "9223372036854775807KiB", "1 MiB x"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
	for want, s := range map[string]Size{"64MiB": 64 << 20, "1GiB": 1 << 30, "1025B": 1025, "0B": 0, "3KiB": 3 << 10} {
		if s.String() != want {
			t.Errorf("%d = %s, want %s", int64(s), s, want)
		}
		if back, err := ParseSize(want); err != nil || back != s {
			t.Errorf("%s reads back as %d, %v", want, back, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(full)
	f.Add("a: [")
	f.Add("? [x]: y\n- z")
	f.Fuzz(func(t *testing.T, text string) {
		c := Default()
		c.places = map[string]string{}
		d := decoder{places: c.places}
		d.file("f", []byte(text), &c)
		c.validate(&d)
	})
}

// TestWarnings requires that what has no effect is said, and ends nothing.
func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		environ    []string
		want       string
	}{
		{"an unknown variable", "", []string{"AUDITSHIPPER_OUTPUTS=stdout"}, "AUDITSHIPPER_OUTPUTS: no key of the configuration has this name"},
		{"a byte order mark", "\ufeffoutput: stdout\n", nil, "byte order mark"},
		{"lines of another system", "output: stdout\r\nstate_dir: /a\r\n", nil, "CR LF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := Load(path, true, tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0].Error(), tt.want) {
				t.Errorf("%v, want %q", w, tt.want)
			}
			if tt.text != "" && c.Output != "stdout" {
				t.Errorf("output is %q", c.Output)
			}
		})
	}
}
