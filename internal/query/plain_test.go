package query

import (
	"testing"
	"time"
)

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"/mnt/efs/**", "/mnt/efs/a/b", true},
		{"/mnt/efs/**", "/mnt/efs", false},
		{"/mnt/efs/*", "/mnt/efs/a/b", false},
		{"/mnt/**/b", "/mnt/b", true},
		{"/mnt/**/b", "/mnt/a/a/b", true},
		{"*.doc", "/home/x.doc", true},
		{"*.doc", "/home/x.docx", false},
		{"a?c", "/a/c", false},
		{"a?c", "/abc", true},
		{"[!a-c]x", "/dx", true},
		{"[!a-c]x", "/ax", false},
		{"[!a]x", "/y//x", false},
		{"[]]x", "/]x", true},
		{"[z-a]x", "[z-a]x", true},
		{`[\d]x`, "/1x", false},
		{"*", "line\nbreak", true},
		{"a.b*", "/aXb", false},
		{"[", "/[", true},
	} {
		if got := glob(tt.pattern).MatchString(tt.name); got != tt.want {
			t.Errorf("%s, %q: %v", tt.pattern, tt.name, got)
		}
	}
}

// FuzzGlob compiles whatever is typed, and a path matches itself if its wildcards
// are escaped by no class.
func FuzzGlob(f *testing.F) {
	f.Add("/a/[b]*?**/")
	f.Add("a\x8c\xff\ufffd[z-a]")
	f.Add("\x8c")
	f.Fuzz(func(t *testing.T, pattern string) {
		re := glob(pattern)
		if !isGlob(pattern) && !re.MatchString(pattern) {
			t.Errorf("%q does not match itself", pattern)
		}
	})
}

func TestSinceUntil(t *testing.T) {
	zone := time.FixedZone("", 3600)
	c := Clock{Now: time.Date(2026, 12, 1, 12, 30, 15, 0, zone)} // a Tuesday
	for _, tt := range []struct{ words, since, until string }{
		{"2h", "2026-12-01T10:30:15", "2026-12-01T10:30:15"},
		{"1hour", "2026-12-01T11:30:15", "2026-12-01T11:30:15"},
		{"3 days ago", "2026-11-28T12:30:15", "2026-11-28T12:30:15"},
		{"2 weeks", "2026-11-17T12:30:15", "2026-11-17T12:30:15"},
		{"1h30m", "2026-12-01T11:00:15", "2026-12-01T11:00:15"},
		{"90min", "2026-12-01T11:00:15", "2026-12-01T11:00:15"},
		{"1 month", "2026-11-01T12:30:15", "2026-11-01T12:30:15"},
		{"yesterday", "2026-11-30T00:00:00", "2026-11-30T23:59:59"},
		{"Monday", "2026-11-30T00:00:00", "2026-11-30T23:59:59"},
		{"tue", "2026-12-01T00:00:00", "2026-12-01T23:59:59"},
		{"wed", "2026-11-25T00:00:00", "2026-11-25T23:59:59"},
		{"2026-11-30", "2026-11-30T00:00:00", "2026-11-30T23:59:59"},
		{"2026-11-30 14:00", "2026-11-30T14:00:00", "2026-11-30T14:00:00"},
		{"2026-11-30T00:00:00", "2026-11-30T00:00:00", "2026-11-30T00:00:00"},
		{"14:30", "2026-12-01T14:30:00", "2026-12-01T14:30:00"},
		{"yesterday 14:30", "2026-11-30T14:30:00", "2026-11-30T14:30:00"},
		{"2026-11-30T14:00:00Z", "2026-11-30T15:00:00", "2026-11-30T15:00:00"},
	} {
		since, err1 := c.Since(tt.words)
		until, err2 := c.Until(tt.words)
		const form = "2006-01-02T15:04:05"
		if err1 != nil || err2 != nil || since.In(zone).Format(form) != tt.since || until.In(zone).Format(form) != tt.until {
			t.Errorf("%s: %v %v, %v %v", tt.words, since, err1, until, err2)
		}
	}
	for _, wrong := range []string{"-1h", "5 moons", "tomorrow", "3"} {
		if at, err := c.Since(wrong); err == nil {
			t.Errorf("%s: %v", wrong, at)
		}
	}
}
