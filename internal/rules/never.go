package rules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
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
func Disarm(dir string, now time.Time) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.rules"))
	if err != nil {
		return nil, err
	}
	names = append(names, filepath.Join(filepath.Dir(filepath.Clean(dir)), "audit.rules"))
	var changed []string
	for _, name := range names {
		did, err := disarmFile(name, ".before-"+now.UTC().Format("20060102T150405Z"))
		if err != nil {
			return changed, fmt.Errorf("take never,task out of %s: %w", name, err)
		}
		if did {
			changed = append(changed, name)
		}
	}
	return changed, nil
}

func disarmFile(name, suffix string) (bool, error) {
	text, err := os.ReadFile(name)
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
	st, err := os.Stat(name)
	if err != nil {
		return false, err
	}
	if err := replaceFile(name+suffix, text, st.Mode().Perm()); err != nil {
		return false, err
	}
	return true, replaceFile(name, []byte(out.String()), st.Mode().Perm())
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
