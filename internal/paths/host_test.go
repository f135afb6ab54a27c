package paths

import (
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestFiles compares what a host has seen with what a record tells of.
func TestFiles(t *testing.T) {
	key := event.Inode{Dev: event.MakeDev(0xfe, 0), Ino: 9}
	file := File{Inode: key, Local: true, Links: 1, Born: 100, Changed: 200}
	with := func(change func(f *File)) File {
		f := file
		change(&f)
		return f
	}
	for _, tt := range []struct {
		name            string
		f               File
		at              int64
		only, unchanged bool
	}{
		{"as it was", file, 200, true, true},
		{"within the step of the clock", file, 200 - clockStep, true, true},
		{"changed since", file, 200 - clockStep - 1, true, false},
		{"made at that time", file, 100, true, false},
		{"made since", file, 99, false, false},
		{"of a file system that tells no times", with(func(f *File) { f.Born, f.Changed = 0, 0 }), 50, true, false},
		{"with two names", with(func(f *File) { f.Links = 2 }), 200, false, true},
		{"another inode", with(func(f *File) { f.Ino = 8 }), 200, false, true},
		{"another device", with(func(f *File) { f.Dev++ }), 200, false, true},
		{"of a server", with(func(f *File) { f.Local = false }), 200, true, false},
		{"nothing", File{}, 200, false, false},
	} {
		if got := tt.f.only(key, tt.at); got != tt.only {
			t.Errorf("%s: only %v, want %v", tt.name, got, tt.only)
		}
		if got := tt.f.unchanged(tt.at); got != tt.unchanged {
			t.Errorf("%s: unchanged %v, want %v", tt.name, got, tt.unchanged)
		}
	}
	if (File{}).is(event.Inode{}) {
		t.Error("nothing is the file that a record without an inode tells of")
	}
}
