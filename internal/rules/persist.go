package rules

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/auditshipper/auditshipper/internal/safefile"
)

// PersistName is the file that Persist writes. augenrules joins the files of its
// folder in the order of their names.
const PersistName = "60-auditshipper.rules"

// commands are settings that are done once and are no state to be kept.
var commands = []string{"t", "q", "reset-lost", "reset_backlog_wait_time_actual"}

// Persist writes all rules that are ours into a file that auditd's own start
// loads, which drops every rule that is in no such file. It reports whether the
// file had to be changed. Without rules the file is taken away.
func Persist(path string, s State) (changed bool, err error) {
	text := persistText(s)
	dir, err := safefile.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		if text == nil {
			return false, nil
		}
		dir, err = safefile.Make(path)
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	old, err := dir.ReadFile(PersistName)
	missing := errors.Is(err, os.ErrNotExist)
	switch {
	case err != nil && !missing:
		return false, err
	case missing && text == nil, !missing && bytes.Equal(old, text):
		return false, nil
	case text == nil:
		return true, dir.Remove(PersistName)
	}
	return true, dir.ReplaceText(PersistName, 0o640, text)
}

// AuditctlLoads reports whether auditctl, which every start of auditd runs, loads the
// rule. auditctl before 3.1 does not know the io_uring list, and would load nothing
// behind such a line.
func AuditctlLoads(r *Rule) bool { return r.List != IOUring }

// persistText is the file's text, nil without rules. What locks the machine
// (-e 2) stands last.
func persistText(s State) []byte {
	var b bytes.Buffer
	var last []string
	n := 0
	b.WriteString("## Written by auditshipper rules apply --persist; changes here are lost.\n")
	for _, a := range s.Sources {
		fmt.Fprintf(&b, "\n## %s\n", a.Source)
		for _, line := range a.Settings {
			name, _, _ := strings.Cut(strings.TrimLeft(line, "-"), " ")
			switch {
			case slices.Contains(commands, name):
			case name == "e":
				last = append(last, line)
			default:
				b.WriteString(line + "\n")
			}
			n++
		}
		for _, o := range a.Rules {
			if strings.Contains(o.Rule, ",io_uring") { // see AuditctlLoads
				b.WriteString("## only auditshipper loads: ")
			}
			b.WriteString(o.Rule + "\n")
			n++
		}
	}
	for _, line := range last {
		b.WriteString("\n" + line + "\n")
	}
	if n == 0 {
		return nil
	}
	return b.Bytes()
}
