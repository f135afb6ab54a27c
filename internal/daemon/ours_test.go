package daemon

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
)

// TestOurs: what is delivered of what arrives, by the configuration and by rules
// that somebody applied as ours.
func TestOurs(t *testing.T) {
	dir := t.TempDir()
	keyless := filepath.Join(dir, "keyless.rules")
	if err := os.WriteFile(keyless, []byte("-a always,exit -F arch=b64 -S mount\n-a always,exit -F arch=b64 -S umount2 -k two,parts\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	call := func(keys string) event.Event {
		return event.Event{Action: "delete", Operation: event.Operation{Syscall: "unlink", Key: []byte(keys)}}
	}
	at := func(action, path string, from event.From) event.Event {
		return event.Event{Action: action, Operation: event.Operation{Syscall: "unlink", Key: []byte("foreign")}, Path: event.Name{Path: []byte(path), From: from}}
	}
	watch := config.Config{Events: "ours", Watches: []config.Watch{{Path: "/mnt/efs", Key: "efs", Ops: []string{"delete", "rename"}}}}
	file := config.Config{Events: "ours", Rules: config.Rules{Files: []string{keyless}}}
	stdin := config.Config{Events: "ours", Source: config.Source{Mode: modeStdin}}
	stdinWatch := stdin
	stdinWatch.Watches = watch.Watches
	tests := []struct {
		name string
		c    config.Config
		e    event.Event
		want bool
	}{
		{"a watch's", watch, call("efs"), true},
		{"one of two keys", watch, call("foreign,efs"), true},
		{"another key", watch, call("efs2"), false},
		{"no key", watch, call(""), false},
		{"a login", watch, event.Event{Action: "user_login"}, false},
		{"a gap", watch, event.Event{Action: "gap"}, true},
		{"our own start", watch, event.Event{Action: "daemon"}, true},
		{"rules", watch, event.Event{Action: "rules", Operation: event.Operation{Key: []byte("foreign")}}, true},
		{"in part, and without a key", watch, event.Event{Action: "delete", Partial: true}, true},
		{"in part, and another's", watch, event.Event{Action: "delete", Partial: true, Operation: event.Operation{Key: []byte("foreign")}}, false},
		{"a foreign rule's, in front of the watch's", watch, at("delete", "/mnt/efs/a", event.FromTrail), true},
		{"the same of a path that is not resolved", watch, at("delete", "a", event.FromUnresolved), true},
		{"the same beside the watch", watch, at("delete", "/mnt/efs2/a", event.FromTrail), false},
		{"a foreign rule's of what the watch does not ask for", watch, at("attr", "/mnt/efs/a", event.FromTrail), false},
		{
			"a foreign rule's of a new name in the watch", watch,
			event.Event{Action: "rename", Operation: event.Operation{Syscall: "rename", Key: []byte("foreign")}, Dest: event.Name{Path: []byte("/mnt/efs/b"), From: event.FromAbsolute}},
			true,
		},
		{
			"a foreign rule's that failed", watch,
			event.Event{Action: "delete", Operation: event.Operation{Syscall: "unlink", Key: []byte("foreign")}, Path: event.Name{Dir: []byte("/mnt/efs/d"), From: event.FromProc}},
			true,
		},
		{"a rule without a key", file, call(""), true},
		{"a rule without a key does not ask for logins", file, event.Event{Action: "user_login"}, false},
		{"a key with a comma", file, call("two,parts"), true},
		{"all", config.Config{Events: "all"}, event.Event{Action: "user_login"}, true},
		{"another daemon's log and no rule of ours", stdin, call("foreign"), true},
		{"another daemon's log with rules of ours", stdinWatch, call("foreign"), false},
		{"no rule at all", config.Config{Events: "ours"}, call("foreign"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOurs(t.TempDir(), false, zap.NewNop())
			o.configure(tt.c)
			if got := o.has(&tt.e); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
			if got := o.others.Load(); got != 0 == tt.want {
				t.Errorf("%d others counted", got)
			}
		})
	}
}

// TestOursLater: rules that somebody applies beside the running daemon are ours
// from the first event on; those of before a restart as long as something is not
// delivered.
func TestOursLater(t *testing.T) {
	dir := t.TempDir()
	o := newOurs(dir, false, zap.NewNop())
	o.configure(config.Config{Events: "ours", Watches: []config.Watch{{Path: "/mnt/efs", Key: "efs"}}})
	applied := &event.Event{Action: "delete", Operation: event.Operation{Syscall: "unlink", Key: []byte("byhand")}}
	now := time.Now()
	o.now = func() time.Time { return now }
	if o.has(applied) {
		t.Error("ours before it was applied")
	}
	ledger := `{"sources":[{"source":"/f.rules","rules":[{"rule":"-a always,exit -F arch=b64 -S unlink -F key=byhand","sum":"x"}]}]}`
	if err := os.WriteFile(filepath.Join(dir, "rules.applied"), []byte(ledger), 0o600); err != nil {
		t.Fatal(err)
	}
	_ = o.has(&event.Event{Action: "rules"}) // CONFIG_CHANGE comes first

	if !o.has(applied) {
		t.Error("not ours after it was applied")
	}

	if err := os.Remove(filepath.Join(dir, "rules.applied")); err != nil {
		t.Fatal(err)
	}
	for left, want := range map[bool]bool{true: true, false: false} {
		o := newOurs(dir, left, zap.NewNop())
		if got := o.has(applied); got != want {
			t.Errorf("with events left %t: ours %t", left, got)
		}
	}
}
