package paths

import (
	"testing"
	"time"
)

// TestDropped is about renames that the kernel dropped: what is seen after a call counts
// for it once it is known that nothing is missing from between the two.
func TestDropped(t *testing.T) {
	const called, looked = 1_700_000_000_000, 1_700_000_000_020
	at := func(ms int64) time.Time { return time.UnixMilli(called + ms) }
	tests := []struct {
		name   string
		learn  func(s *Stream)
		ticked int64 // after the call, in milliseconds
		want   string
	}{
		{"nobody can tell", func(*Stream) {}, 1500, "/srv/a/f proc"},
		{"nothing, as is known", func(s *Stream) { s.Complete(at(1000)) }, 1500, "/srv/a/f proc"},
		{"not known yet", func(s *Stream) { s.Complete(at(10)) }, 1500, "?"},
		{"never known", func(s *Stream) { s.Complete(at(10)) }, patience + 1000, "f unresolved"},
		{"something between the two", func(s *Stream) { s.Dropped(at(5), at(10)); s.Complete(at(1000)) }, 1500, "f unresolved"},
		{"long before", func(s *Stream) { s.Dropped(at(-500), at(-1)); s.Complete(at(1000)) }, 1500, "/srv/a/f proc"},
		{"long after", func(s *Stream) { s.Dropped(at(500), at(600)); s.Complete(at(1000)) }, 1500, "/srv/a/f proc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{
				fds: map[int32]string{3: "/srv/a"}, files: map[string]fakeFile{"/srv/a": {8, 2, 1}}, now: looked,
			}})
			k.s.Complete(at(0))
			if tt.name == "nobody can tell" {
				k.s.complete = 0
			}
			k.unlinkat(8, "f")
			k.s.Tick(at(30))
			tt.learn(k.s)
			k.s.Tick(at(tt.ticked))
			got := "?"
			if e, ok := k.s.Next(); ok {
				got = string(e.Path.Path) + " " + e.Path.From.String()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDroppedFacts is about records that the kernel dropped between an event and the removal of
// its directory: the directory that is removed may be the next one with the inode.
func TestDroppedFacts(t *testing.T) {
	const called = 1_700_000_000_000
	at := func(ms int64) time.Time { return time.UnixMilli(called + ms) }
	for _, tt := range []struct {
		name   string
		learn  func(s *Stream)
		ticked int64
		want   string
	}{
		{"nobody can tell", func(s *Stream) { s.complete = 0 }, 1500, "/srv/a/f trail"},
		{"nothing, as is known", func(s *Stream) { s.Complete(at(1000)) }, 1500, "/srv/a/f trail"},
		{"not known yet", func(s *Stream) { s.Complete(at(9)) }, 1500, "?"},
		{"never known", func(s *Stream) { s.Complete(at(9)) }, patience + 1000, "/srv/a/f claimed"},
		{"something between the two", func(s *Stream) { s.Dropped(at(3), at(6)); s.Complete(at(1000)) }, 1500, "f unresolved"},
		{"long before", func(s *Stream) { s.Dropped(at(-500), at(-1)); s.Complete(at(1000)) }, 1500, "/srv/a/f trail"},
		{"long after", func(s *Stream) { s.Dropped(at(500), at(600)); s.Complete(at(1000)) }, 1500, "/srv/a/f trail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newFakeKernel(t, Options{Host: fakeLookup{files: map[string]fakeFile{"/srv": {2, 1, 1}}, now: called + 20}})
			k.s.Complete(at(0))
			k.unlinkat(8, "f")
			k.later(10 * time.Millisecond)
			k.rmdir(2, "/srv/a", 8)
			tt.learn(k.s)
			k.s.Tick(at(30))
			k.s.Tick(at(tt.ticked))
			got := "?"
			for e, ok := k.s.Next(); ok; e, ok = k.s.Next() {
				if path := string(e.Path.Path); path != "/srv/a" {
					got = path + " " + e.Path.From.String()
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
