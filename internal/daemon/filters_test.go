package daemon

import (
	"testing"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
)

func TestFilters(t *testing.T) {
	name := func(path string) event.Name { return event.Name{Path: []byte(path), From: event.FromTrail} }
	del := func(path string) *event.Event {
		return &event.Event{Action: "delete", Path: name(path), Actor: event.Actor{UID: 1000}}
	}
	move := func(path, dest string) *event.Event {
		return &event.Event{Action: "rename", Path: name(path), Dest: name(dest), Actor: event.Actor{UID: 1000}}
	}
	unresolved := del("x")
	unresolved.Path.From = event.FromUnresolved
	ours := del("/srv/tmp/x")
	ours.Action = "gap"
	by := del("/srv/x")
	by.Exe, by.Key = []byte("/usr/bin/rsync"), []byte("a,b")
	below := config.Drop{Path: "/srv/tmp/**"}
	tests := []struct {
		name string
		drop config.Drop
		e    *event.Event
		want bool
	}{
		{"a file below", below, del("/srv/tmp/x"), true},
		{"a file far below", below, del("/srv/tmp/a/b/x"), true},
		{"the directory itself", below, del("/srv/tmp"), false},
		{"a name that begins like it", below, del("/srv/tmpfile"), false},
		{"a rename inside", below, move("/srv/tmp/x", "/srv/tmp/y"), true},
		{"a rename out of it", below, move("/srv/tmp/x", "/srv/y"), false},
		{"a rename into it", below, move("/srv/x", "/srv/tmp/y"), false},
		{"an unresolved name", below, unresolved, false},
		{"a gap", below, ours, false},
		{"one path", config.Drop{Path: "/srv/x"}, del("/srv/x"), true},
		{"root by number", config.Drop{UID: "0"}, del("/srv/x"), false},
		{"a user by number", config.Drop{UID: "1000"}, del("/srv/x"), true},
		{"a program", config.Drop{Exe: "/usr/bin/rsync"}, by, true},
		{"the second of two keys", config.Drop{Key: "b"}, by, true},
		{"two fields that agree", config.Drop{Key: "a", Exe: "/usr/bin/rsync"}, by, true},
		{"two fields of which one agrees", config.Drop{Key: "a", Exe: "/usr/bin/rm"}, by, false},
	}
	for _, tt := range tests {
		fs, err := newFilters([]config.Drop{tt.drop}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := fs.match(tt.e); got != tt.want {
			t.Errorf("%s: dropped is %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestFiltersGoOn requires that a reload resets no count of a filter that stays.
func TestFiltersGoOn(t *testing.T) {
	stays, goes := config.Drop{UID: "7"}, config.Drop{Key: "k"}
	before, err := newFilters([]config.Drop{goes, stays}, nil)
	if err != nil {
		t.Fatal(err)
	}
	before.match(&event.Event{Actor: event.Actor{UID: 7}})
	after, err := newFilters([]config.Drop{stays}, before)
	if err != nil {
		t.Fatal(err)
	}
	after.match(&event.Event{Actor: event.Actor{UID: 7}})
	if n := after[0].count.Load(); n != 2 {
		t.Errorf("counted %d, want 2", n)
	}
}
