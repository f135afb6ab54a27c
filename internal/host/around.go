package host

import (
	"bytes"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/paths"
)

// Bounds of a look around at a process.
const (
	mostOpen  = 64      // descriptors
	mostWords = 64      // of its command line
	mostLine  = 8 << 10 // bytes of that

	mostAround = 1024 // directories
	aroundTime = 50 * time.Millisecond
)

// around tells of directories that a process has. Only local file systems count: they say
// when a directory was made, by the clock that events have, and answer at once.
func (l *System) around(dirs []string, tell func(path string, dir paths.File)) {
	d := descent{l: l, seen: map[string]bool{"/": true}, until: time.Now().Add(aroundTime), tell: tell}
	for _, dir := range dirs {
		d.to(dir)
	}
}

// A descent tells of the directories on the way to paths, each once. It is bounded,
// since a process may have paths of a thousand directories.
type descent struct {
	l     *System
	seen  map[string]bool
	looks int
	until time.Time
	tell  func(path string, dir paths.File)
}

// to goes down to a path, as far as that leads through no link.
func (d *descent) to(path string) {
	for end := range len(path) + 1 {
		if end == 0 || end < len(path) && path[end] != '/' {
			continue
		}
		dir := path[:end]
		if d.seen[dir] {
			continue
		}
		if d.looks++; d.looks > mostAround || time.Now().After(d.until) {
			return
		}
		got, local := d.l.look(dir, followNone)
		if !local || !got.isDir {
			return
		}
		d.seen[dir] = true
		if got.born != 0 {
			d.tell(dir, fileOf(got, local))
		}
	}
}

// processDirs are the paths that a process has open, works in or was called with. What is
// deleted already has a path that leads nowhere.
func processDirs(proc string) (dirs []string) {
	cwd, err := os.Readlink(proc + "/cwd")
	if err != nil {
		return nil
	}
	dirs = append(dirs, cwd)
	if dir, err := os.Open(proc + "/fd"); err == nil {
		names, _ := dir.Readdirnames(mostOpen) // what it does not say is not known
		dir.Close()
		for _, fd := range names {
			if to, err := os.Readlink(proc + "/fd/" + fd); err == nil && strings.HasPrefix(to, "/") {
				dirs = append(dirs, to)
			}
		}
	}
	for _, word := range words(proc) {
		if !path.IsAbs(word) {
			word = cwd + "/" + word
		}
		dirs = append(dirs, path.Clean(word))
	}
	return dirs
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
