package host

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestFinder looks for directories by their inodes below others.
func TestFinder(t *testing.T) {
	root := t.TempDir()
	var deep string
	for i := range 30 {
		deep = filepath.Join(root, fmt.Sprintf("a%d", i), "b c", "d")
		if err := os.MkdirAll(deep, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(root, filepath.Join(root, "loop")); err != nil {
		t.Fatal(err)
	}
	mounts := mountsHere(t)
	dir := identify(mounts, deep, followNone)
	f := newFinder(mounts)
	defer f.close()

	f.walk(region{root, event.MakeDev(9, 9)})
	f.walk(region{"/nonexistent", dir.Dev})
	if got := f.of(dir.Inode); got != "" {
		t.Errorf("found at %s, on another device", got)
	}
	f.walk(region{root, dir.Dev})
	if got := f.of(dir.Inode); got != deep {
		t.Errorf("found at %q, it is at %s", got, deep)
	}
}

// TestFinderIsAsked asks for walks, which a goroutine of its own makes.
func TestFinderIsAsked(t *testing.T) {
	root := t.TempDir()
	sub := filepath.Join(root, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	mounts := mountsHere(t)
	dir := identify(mounts, sub, followNone)
	f := newFinder(mounts)
	defer f.close()
	f.seek(region{root, dir.Dev})
	for deadline := time.Now().Add(10 * time.Second); f.of(dir.Inode) == ""; {
		if time.Now().After(deadline) {
			t.Fatal("not found")
		}
		runtime.Gosched()
	}
	f.mu.Lock()
	clear(f.found)
	f.mu.Unlock()
	f.seek(region{root, dir.Dev}) // too soon
	f.stop()
	f.seek(region{sub, dir.Dev})
	if len(f.walked) != 1 || len(f.roots) != 0 || f.of(dir.Inode) != "" {
		t.Errorf("walked %v, %d waiting", f.walked, len(f.roots))
	}
}

// TestFinderIsBounded walks a tree that is larger than it may be.
func TestFinderIsBounded(t *testing.T) {
	f := &finder{roots: make(chan region, 2*mostWalked), found: map[event.Inode]string{}, walked: map[string]time.Time{}}
	for i := range mostFound + 10 {
		f.note(event.Inode{Dev: 1, Ino: uint64(i)}, "/d")
	}
	for i := range mostWalked + 10 {
		f.seek(region{fmt.Sprint("/nonexistent", i), 1})
	}
	if len(f.found) > mostFound || len(f.walked) > mostWalked || len(f.roots) != mostWalked+10 {
		t.Errorf("%d directories, %d roots", len(f.found), len(f.walked))
	}
}
