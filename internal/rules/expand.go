package rules

import (
	"fmt"
	"slices"
	"strings"
)

// A Watch is an intent: what is done to a place, and under which key it is to
// be reported.
type Watch struct {
	Path     string
	Ops      []string // some of Ops()
	Key      string
	Failures string // denied (also if empty), all or none: which failed calls are reported
}

// A Machine is what decides how a watch is expanded.
type Machine struct {
	Arch    string            // as uname -m prints it; empty for the running machine
	IOUring bool              // the kernel has the io_uring list (Linux 5.16)
	IsDir   func(string) bool // false makes the rules for a file; nil means a directory
}

// failures are the results of system calls that a watch reports, as one rule
// each.
var failures = map[string][]Field{
	"all":    {{}},
	"none":   {succeeded},
	"":       {succeeded, exitedWith(errAccess), exitedWith(errPerm)},
	"denied": {succeeded, exitedWith(errAccess), exitedWith(errPerm)},
}

const (
	errPerm   = 1  // EPERM
	errAccess = 13 // EACCES
)

var succeeded = Field{ID: fieldSuccess, Op: Equal, Value: 1}

func exitedWith(errno int32) Field {
	return Field{ID: fieldExit, Op: Equal, Value: uint32(-errno)}
}

// Expand returns the rules that a watch stands for on a machine: every system
// call that exists there, for programs of 64 and of 32 bits and for io_uring.
// What does not exist there is told as a warning.
func Expand(w Watch, m Machine) ([]Rule, []Warning, error) {
	if m.Arch == "" {
		m.Arch = HostArch()
	}
	arches, err := archesOf(m.Arch)
	if err != nil {
		return nil, nil, err
	}
	if err := w.check(); err != nil {
		return nil, nil, err
	}
	parts := partsOf(w.Ops)
	var all []Rule
	var warnings []Warning
	for _, arch := range arches {
		var lacks []string
		for _, p := range parts {
			r := Rule{List: Exit, Action: Always}
			r.add(fieldArch, Equal, arch.elf)
			found, missing := r.addCalls(p.calls, arch)
			lacks = append(lacks, missing...)
			if found {
				all = append(all, w.complete(r, p.only, m)...)
			}
		}
		if len(lacks) > 0 {
			msg := fmt.Sprintf("%s has no %s", arch.name, strings.Join(lacks, ", "))
			warnings = append(warnings, Warning{Code: "arch-lacks", Msg: msg, Fix: "nothing to do: what it has instead is watched"})
		}
	}
	if r, ok := uringRule(parts); ok && m.IOUring {
		all = append(all, w.complete(r, Field{}, m)...)
	}
	return all, warnings, nil
}

// uringRule returns a rule for the operations of io_uring, if there are any.
func uringRule(parts []part) (r Rule, ok bool) {
	r = Rule{List: IOUring, Action: Always}
	for _, p := range parts {
		for _, nr := range p.uring {
			ok = r.set(nr)
		}
	}
	return r, ok
}

// archesOf returns a machine and, where it runs 32-bit programs, their machine.
func archesOf(arch string) ([]machine, error) {
	m, ok := machineNamed(arch)
	if !ok {
		return nil, fmt.Errorf("no system calls are known for the machine %s", arch)
	}
	if m.b32 == "" {
		return []machine{m}, nil
	}
	small, _ := machineNamed(m.b32)
	return []machine{m, small}, nil
}

// check reports what makes a watch impossible.
func (w Watch) check() error {
	if len(w.Ops) == 0 {
		return fmt.Errorf("watch %s: no operations", w.Path)
	}
	for _, op := range w.Ops {
		if _, ok := operations[op]; !ok {
			return fmt.Errorf("watch %s: unknown operation %q", w.Path, op)
		}
	}
	if _, ok := failures[w.Failures]; !ok {
		return fmt.Errorf("watch %s: unknown failures %q", w.Path, w.Failures)
	}
	if len(w.Key) > maxKey {
		return fmt.Errorf("watch %s: key of %d bytes: at most %d", w.Path, len(w.Key), maxKey)
	}
	if _, err := watchPath(w.Path); err != nil {
		return fmt.Errorf("watch %s: %w", w.Path, err)
	}
	return nil
}

// addCalls puts the system calls that the machine has into the rule, and
// returns those that it lacks.
func (r *Rule) addCalls(names []string, m machine) (found bool, lacks []string) {
	for _, name := range names {
		nr, ok := m.call(name)
		if !ok {
			lacks = append(lacks, name)
			continue
		}
		found = r.set(nr)
	}
	return found, lacks
}

// complete makes of a rule with its system calls one for each result that the
// watch is for.
func (w Watch) complete(r Rule, only Field, m Machine) []Rule {
	path, _ := watchPath(w.Path)
	id := uint32(fieldDir)
	if m.IsDir != nil && !m.IsDir(path) {
		id = fieldPath
	}
	var all []Rule
	for _, result := range failures[w.Failures] {
		one := r
		one.Fields = slices.Clone(r.Fields)
		one.addText(id, Equal, path)
		for _, f := range []Field{only, result} {
			if f != (Field{}) {
				one.Fields = append(one.Fields, f)
			}
		}
		if w.Key != "" {
			one.addText(fieldKey, Equal, w.Key)
		}
		all = append(all, one)
	}
	return all
}
