package paths

import "testing"

// TestMerged requires what a rename overwrote also where its record has the old name.
func TestMerged(t *testing.T) {
	k := newFakeKernel(t, Options{})
	k.call(82, "a0=1 a1=2", pathRecord{"/srv/b/", 2, dirMode, "PARENT"}, pathRecord{"/srv/a/", 1, dirMode, "PARENT"},
		pathRecord{"/srv/a/f", 8, fileMode, "DELETE"}, pathRecord{"/srv/b/f", 7, fileMode, "CREATE"})
	k.s.Flush()
	e, ok := k.s.Next()
	if !ok || e.Overwrote != 8 || e.Path.Ino != 7 || e.Dest.Ino != 7 || string(e.Path.Path) != "/srv/a/f" {
		t.Errorf("overwrote %d, moved %d to %d, path %s", e.Overwrote, e.Path.Ino, e.Dest.Ino, e.Path.Path)
	}
}
