//go:build amd64

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func init() { roles["AUDITSHIPPER_TEST_VICTIM"] = victim }

// A task is what root does beside an attacker.
type task struct {
	stage

	Rounds int
	Truth  string // where it writes what it did
}

// A doing is one thing that root truly did. Where the attacker may have renamed the
// directory meanwhile, Or is the other place.
type doing struct {
	Action string
	Path   string
	Dest   string
	Or     string
}

// A logbook keeps what root did.
type logbook struct {
	did  []doing
	dirs [2]*os.File // of renames by descriptors
}

func (l *logbook) deleted(path string) { l.did = append(l.did, doing{Action: "delete", Path: path}) }

func (l *logbook) renamed(path, dest string) { l.did = append(l.did, doing{"rename", path, dest, ""}) }

func victim(text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	var l logbook
	for i, name := range []string{"A", "B"} {
		var err error
		if l.dirs[i], err = os.Open(filepath.Join(t.Secret, name)); err != nil {
			return err
		}
	}
	for i := range t.Rounds {
		work := l.removeTrees
		switch t.Story {
		case "renamed":
			work = l.workInRenamed
		case "reuse":
			work = l.workInReused
		}
		if err := work(t.stage, i); err != nil {
			return fmt.Errorf("%s, round %d: %w", t.Story, i, err)
		}
	}
	did, err := json.Marshal(l.did)
	return errors.Join(err, os.WriteFile(t.Truth, did, 0o600))
}

// growTree makes a tree, and returns its files and directories in the order of a removal.
func growTree(top string, depth int) (paths []string, err error) {
	if err = os.Mkdir(top, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"f", "g"} {
		path := top + "/" + name
		err = errors.Join(err, os.WriteFile(path, nil, 0o600))
		paths = append(paths, path)
	}
	for _, name := range []string{"a", "b"} {
		if depth == 0 || err != nil {
			break
		}
		var below []string
		below, err = growTree(top+"/"+name, depth-1)
		paths = append(paths, below...)
	}
	return append(paths, top), err
}

// removeTrees removes trees in all ways, and renames by descriptors.
func (l *logbook) removeTrees(s stage, i int) error {
	for name, remove := range map[string]func(string) error{
		"rm":   func(top string) error { return exec.Command("rm", "-rf", top).Run() },
		"find": func(top string) error { return exec.Command("find", top, "-delete").Run() },
		"tree": os.RemoveAll,
	} {
		top := fmt.Sprintf("%s/%s.%s.%d", s.Secret, s.Story, name, i)
		paths, err := growTree(top, 3)
		if err = errors.Join(err, remove(top)); err != nil {
			return err
		}
		for _, path := range paths {
			l.deleted(path)
		}
	}
	return l.renameByDescriptor(s, i)
}

func (l *logbook) renameByDescriptor(s stage, i int) (err error) {
	for j := range 10 {
		from, to := l.dirs[j%2], l.dirs[1-j%2]
		name := fmt.Sprintf("%s.%d.%d", s.Story, i, j)
		path, dest := from.Name()+"/"+name, to.Name()+"/"+name
		err = errors.Join(os.WriteFile(path, nil, 0o600), unix.Renameat(int(from.Fd()), name, int(to.Fd()), name), unix.Unlinkat(int(to.Fd()), name, 0))
		if err != nil {
			return err
		}
		l.renamed(path, dest)
		l.deleted(dest)
	}
	return nil
}

// workInRenamed works in a directory that the attacker renames all the time.
func (l *logbook) workInRenamed(s stage, i int) error {
	turns, err := openTurnstile(s.Outside + "/turns")
	if err != nil {
		return err
	}
	dir, err := os.Open(s.Own + "/m/" + renamedNames[0])
	if err != nil {
		if dir, err = os.Open(s.Own + "/m/" + renamedNames[1]); err != nil {
			return nil // it had the other name again
		}
	}
	defer dir.Close()
	fd := int(dir.Fd())
	for j := range 60 {
		name := fmt.Sprintf("f.%d.%d", i, j)
		if err := touchAt(fd, name); err != nil {
			return err
		}
		d := doing{Action: "delete"}
		before := turns.count.Load()
		if j%2 == 0 {
			err = unix.Unlinkat(fd, name, 0)
		} else {
			d.Action = "rename"
			err = unix.Renameat(fd, name, fd, "to."+name)
		}
		if err != nil {
			return err
		}
		after := turns.count.Load()
		there := func(turn uint64, name string) string { return s.Own + "/m/" + renamedNames[turn/2%2] + "/" + name }
		d.Path = there(before, name)
		if before != after || before%2 == 1 {
			d.Or = there(before+2, name)
		}
		if d.Action == "rename" {
			d.Dest = filepath.Dir(d.Path) + "/to." + name
		}
		l.did = append(l.did, d)
	}
	return nil
}

// workInReused works in directories whose inodes others had before.
func (l *logbook) workInReused(s stage, i int) error {
	for j := range 12 {
		top, moved := fmt.Sprintf("%s/v.%d.%d", s.Secret, i, j), fmt.Sprintf("%s/w.%d.%d", s.Secret, i, j)
		err := os.Mkdir(top, 0o755)
		for _, name := range []string{"f", "g"} {
			err = errors.Join(err, os.WriteFile(top+"/"+name, nil, 0o600))
		}
		if err = errors.Join(err, exec.Command("find", top, "-name", "f", "-delete").Run()); err != nil {
			return err
		}
		l.deleted(top + "/f")
		if j%3 == 0 {
			continue // it stays, and nothing tells where it is
		}
		if j%3 == 1 {
			if err := os.Rename(top, moved); err != nil {
				return err
			}
			l.renamed(top, moved)
			top = moved
		}
		if err := exec.Command("rm", "-r", top).Run(); err != nil {
			return err
		}
		l.deleted(top + "/g")
		l.deleted(top)
	}
	return nil
}
