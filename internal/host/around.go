package host

import (
	"bytes"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Bounds of a look around at a process.
const (
	mostOpen  = 64      // descriptors
	mostWords = 64      // of its command line
	mostLine  = 8 << 10 // bytes of that
)

// Around implements event.Lookup. Only local file systems count: they say when a
// directory was made, by the clock that events have, and answer at once.
func (l *System) Around(pid uint32, f func(path string, dev event.Dev, ino uint64, born int64)) {
	seen := map[string]bool{"/": true}
	for _, at := range haunts("/proc/" + strconv.Itoa(int(pid))) {
		l.descend(at, seen, f)
	}
}

// descend calls f with the directories on the way to a path, which it has not seen yet,
// as far as that leads through no link.
func (l *System) descend(at string, seen map[string]bool, f func(path string, dev event.Dev, ino uint64, born int64)) {
	for end := range len(at) + 1 {
		if end == 0 || end < len(at) && at[end] != '/' {
			continue
		}
		dir := at[:end]
		if seen[dir] {
			continue
		}
		m, ok := MountOf(l.mounts.Mounts(), dir)
		if !ok || IsNetwork(m.Type) {
			return
		}
		got := identify(dir).on(m)
		if !got.isDir {
			return
		}
		seen[dir] = true
		if got.born != 0 {
			f(dir, got.dev, got.ino, got.born)
		}
	}
}

// haunts are the paths that a process has open, works in or was called with. What is
// deleted already has a path that leads nowhere.
func haunts(proc string) (paths []string) {
	cwd, err := os.Readlink(proc + "/cwd")
	if err != nil {
		return nil
	}
	paths = append(paths, cwd)
	if dir, err := os.Open(proc + "/fd"); err == nil {
		names, _ := dir.Readdirnames(mostOpen) // what it does not say is not known
		dir.Close()
		for _, fd := range names {
			if to, err := os.Readlink(proc + "/fd/" + fd); err == nil && strings.HasPrefix(to, "/") {
				paths = append(paths, to)
			}
		}
	}
	for _, word := range words(proc) {
		if !path.IsAbs(word) {
			word = cwd + "/" + word
		}
		paths = append(paths, path.Clean(word))
	}
	return paths
}

// words are those of a process's command line that may be paths, but for the first.
func words(proc string) (words []string) {
	file, err := os.Open(proc + "/cmdline")
	if err != nil {
		return nil
	}
	defer file.Close()
	line, _ := io.ReadAll(io.LimitReader(file, mostLine)) // likewise
	for i, word := range bytes.SplitN(line, []byte{0}, mostWords+2) {
		if i > 0 && i <= mostWords && len(word) > 0 && len(word) < unix.PathMax && word[0] != '-' {
			words = append(words, string(word))
		}
	}
	return words
}
