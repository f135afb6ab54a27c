package rules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/safefile"
)

// ErrNeverTask means that the rule -a never,task is loaded: a process that is
// born while it is never gets an audit context, for all its life, and is seen by
// no rule and no watch.
var ErrNeverTask = errors.New("the rule -a never,task is loaded: processes born while it is are never audited")

// NeverTask returns those of the rules that make every new process deaf.
func NeverTask(list []Rule) []Rule {
	var found []Rule
	for _, r := range list {
		if r.List == Task && r.Action == Never && onlyKeys(r.Fields) {
			found = append(found, r)
		}
	}
	return found
}

func onlyKeys(fields []Field) bool {
	for _, f := range fields {
		if f.ID != fieldKey {
			return false
		}
	}
	return true
}

// Disarm comments never,task out in every rule file of dir and in the file that
// augenrules makes of them, beside it. Each changed file is kept as it was under
// its name with the suffix of now. It returns the files changed.
func Disarm(path string, now time.Time) ([]string, error) {
	path = filepath.Clean(path)
	joined, err := disarmIn(filepath.Dir(path), now, func(name string) bool { return name == "audit.rules" })
	if err != nil {
		return joined, err
	}
	changed, err := disarmIn(path, now, func(name string) bool { return filepath.Ext(name) == ".rules" })
	return append(changed, joined...), err
}

// disarmIn does so in the files of one directory.
func disarmIn(path string, now time.Time, wanted func(name string) bool) (changed []string, err error) {
	dir, err := safefile.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	names, err := dir.List()
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		if !wanted(name) || strings.HasPrefix(name, ".") {
			continue
		}
		did, err := disarmFile(dir, name, ".before-"+now.UTC().Format("20060102T150405Z"))
		if err != nil {
			return changed, fmt.Errorf("take never,task out of %s: %w", filepath.Join(path, name), err)
		}
		if did {
			changed = append(changed, filepath.Join(path, name))
		}
	}
	return changed, nil
}

func disarmFile(dir *safefile.Dir, name, suffix string) (bool, error) {
	text, err := dir.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var out strings.Builder
	found := false
	for line := range strings.Lines(string(text)) {
		if saysNeverTask(line) {
			found = true
			out.WriteString("## taken out by auditshipper, it hides every new process: ")
		}
		out.WriteString(line)
	}
	if !found {
		return false, nil
	}
	mode, err := dir.Mode(name)
	if err != nil {
		return false, err
	}
	if err := dir.ReplaceText(name+suffix, mode, text); err != nil {
		return false, err
	}
	return true, dir.ReplaceText(name, mode, []byte(out.String()))
}

// saysNeverTask reports whether a line of a rule file is never,task.
func saysNeverTask(line string) bool {
	words := Split(strings.TrimRight(line, "\n"))
	if len(words) == 0 || strings.HasPrefix(words[0], "#") {
		return false
	}
	l, err := parseWords(words, Options{}.withDefaults())
	return err == nil && l.Add != nil && len(NeverTask([]Rule{*l.Add})) > 0
}
