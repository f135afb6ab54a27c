package rules

import (
	"fmt"
	"slices"
)

// A Place is what the machine at hand knows of a path that a rule names.
type Place struct {
	Exists bool
	Link   string // where a symbolic link leads, empty for what is none
	Mount  string // where fstab wants a file system that is not mounted now, at the path or above it
}

// A Linter warns of rules that load and do not do what their author wants.
type Linter struct {
	IOUring bool                    // the kernel has the io_uring list
	Place   func(path string) Place // nil where the machine at hand is another one
}

// Lint returns warnings about the rules of one source, in their order.
func (l Linter) Lint(list []Rule) []Warning {
	loaded := inOrder(list)
	first := map[string]*Rule{} // by sum
	for _, r := range slices.Backward(loaded) {
		first[r.Sum()] = r
	}
	said := map[string]bool{}
	var all []Warning
	for i := range list {
		r := &list[i]
		before := loaded[:slices.Index(loaded, r)]
		for _, w := range []Warning{
			duplicate(r, first[r.Sum()]), hiddenBy(r, before), neverTask(r),
			leavesOut(r), noArch(r), no32(r, list), noRenameat2(r), slowWatch(r), l.noURing(r, list), l.place(r),
		} {
			what := w.Code + " " + r.Path()
			if w.Code == "" || said[what] && w.Code != "duplicate" && w.Code != "hidden" {
				continue // once for each path, not for each of its rules
			}
			said[what] = r.Path() != ""
			w.File, w.Line = r.File, r.Line
			all = append(all, w)
		}
	}
	return all
}

// inOrder returns the rules as the kernel tries them: those put first, the last
// of them before the others, then the rest.
func inOrder(list []Rule) []*Rule {
	var order []*Rule
	for i := range list {
		if list[i].First {
			order = slices.Insert(order, 0, &list[i])
		} else {
			order = append(order, &list[i])
		}
	}
	return order
}

func duplicate(r, first *Rule) Warning {
	if first == r {
		return Warning{}
	}
	return Warning{Code: "duplicate", Msg: "the same rule as in line " + fmt.Sprint(first.Line), Fix: "take one of the two out"}
}

func hiddenBy(r *Rule, before []*Rule) Warning {
	for _, b := range before {
		if Hider([]Rule{*b}, r) != nil {
			return Warning{
				Code: "hidden",
				Msg:  fmt.Sprintf("matches nothing: the first rule that matches wins, and line %d (%s) comes first", b.Line, b.String()),
				Fix:  "put this rule before that one",
			}
		}
	}
	return Warning{}
}

func neverTask(r *Rule) Warning {
	if len(NeverTask([]Rule{*r})) == 0 {
		return Warning{}
	}
	return Warning{Code: "never-task", Msg: "a process born while this rule is loaded is never audited, by no rule and no watch, for all its life", Fix: "take the line out"}
}

func leavesOut(r *Rule) Warning {
	what := r.leavesOut()
	if what == "" {
		return Warning{}
	}
	return Warning{Code: "exclude", Msg: "while this rule is loaded, the events of all rules lack " + what, Fix: "take the line out, or name other types: -F msgtype="}
}

func noArch(r *Rule) Warning {
	if _, has := r.field(fieldArch); has || !r.reports() || r.matchesAll() {
		return Warning{}
	}
	return Warning{
		Code: "no-arch", Msg: "without -F arch= the system calls are this architecture's numbers, which are other calls in 32-bit programs",
		Fix: "write one line with -F arch=b64 and one with -F arch=b32",
	}
}

// no32 warns of a rule for 64-bit programs that has no companion for 32-bit
// ones.
func no32(r *Rule, list []Rule) Warning {
	m, ok := r.machine()
	if _, has := r.field(fieldArch); !ok || !has || !r.reports() || m.b32 == "" {
		return Warning{}
	}
	small, _ := machineNamed(m.b32)
	for i := range list {
		if f, _ := list[i].field(fieldArch); f.Value == small.elf && list[i].reports() && sameConditions(r, &list[i]) {
			return Warning{}
		}
	}
	return Warning{Code: "no-b32", Msg: "32-bit programs, and int 0x80, are not seen: there is no such rule with -F arch=b32", Fix: "add the same line with -F arch=b32"}
}

// sameConditions reports whether two rules differ in nothing but architecture,
// system calls and keys.
func sameConditions(a, b *Rule) bool {
	conditions := func(r *Rule) []Field {
		return slices.DeleteFunc(slices.Clone(r.Fields), func(f Field) bool { return f.ID == fieldArch || f.ID == fieldKey })
	}
	x, y := conditions(a), conditions(b)
	return len(x) == len(y) && !slices.ContainsFunc(x, func(f Field) bool { return !slices.Contains(y, f) })
}

func noRenameat2(r *Rule) Warning {
	if listed, missing := r.lists("rename", "renameat", "renameat2"); len(listed) > 0 && slices.Contains(missing, "renameat2") {
		return Warning{Code: "no-renameat2", Msg: "mv calls renameat2, which is not listed: most renames are not seen", Fix: "add -S renameat2"}
	}
	if listed, missing := r.lists("unlink", "unlinkat"); len(listed) > 0 && slices.Contains(missing, "unlinkat") {
		return Warning{Code: "no-unlinkat", Msg: "rm calls unlinkat, which is not listed: most deletions are not seen", Fix: "add -S unlinkat"}
	}
	return Warning{}
}

func slowWatch(r *Rule) Warning {
	if !r.reports() || !r.isWatch() {
		return Warning{}
	}
	name := "path"
	if r.Dir() != "" {
		name = "dir"
	}
	perm, _ := r.field(fieldPerm)
	return Warning{
		Code: "slow-watch", Msg: "a watch is looked at in every system call of every process",
		Fix: fmt.Sprintf("name the calls that matter: -a always,exit -F arch=b64 -S ... -F %s=%s -F perm=%s", name, r.Path(), permString(perm.Value)),
	}
}

// noURing warns that deletions and renames through io_uring make no event under
// a rule of system calls.
func (l Linter) noURing(r *Rule, list []Rule) Warning {
	listed, _ := r.lists("unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2")
	if !l.IOUring || len(listed) == 0 {
		return Warning{}
	}
	for i := range list {
		if u := &list[i]; u.List == IOUring && u.Action == Always && (u.Path() == "" || below(r.Path(), u.Path())) {
			return Warning{}
		}
	}
	line, place := "-a always,io_uring -S renameat,unlinkat", "anywhere"
	if dir := r.Dir(); dir != "" {
		line, place = line+" -F dir="+dir, "in "+dir
	}
	return Warning{
		Code: "no-io-uring", Msg: "what programs delete and rename through io_uring " + place + " is not seen by rules of system calls",
		Fix: "add " + line + " (auditctl takes it since 3.1)",
	}
}

func (l Linter) place(r *Rule) Warning {
	name := r.Path()
	if name == "" || l.Place == nil {
		return Warning{}
	}
	switch p := l.Place(name); {
	case p.Mount != "":
		return Warning{
			Code: "not-mounted", Msg: fmt.Sprintf("%s is in fstab and not mounted: a rule that is older than the mount sees nothing in it", p.Mount),
			Fix: "mount it first, or write a watch of the configuration, which waits for it",
		}
	case p.Link != "":
		return Warning{Code: "symlink", Msg: name + " is a symbolic link: the rule is for the link itself, and sees nothing of what it leads to", Fix: "name " + p.Link}
	case !p.Exists && r.Dir() != "":
		return Warning{Code: "missing", Msg: name + " does not exist: the kernel will refuse the rule", Fix: "make the directory first"}
	}
	return Warning{}
}

// reports says whether the rule reports system calls.
func (r *Rule) reports() bool { return r.List == Exit && r.Action == Always }

// Path is the file or directory that the rule is for, empty if it is for none.
func (r *Rule) Path() string {
	if f, ok := r.field(fieldPath); ok {
		return f.Text
	}
	return r.Dir()
}

// lists returns which of the named system calls the rule lists, and which of
// those that its architecture has it does not. A rule for all calls lists none.
func (r *Rule) lists(names ...string) (listed, missing []string) {
	m, ok := r.machine()
	if !ok || !r.reports() || r.matchesAll() {
		return nil, nil
	}
	for _, name := range names {
		switch nr, ok := m.call(name); {
		case ok && r.has(nr):
			listed = append(listed, name)
		case ok:
			missing = append(missing, name)
		}
	}
	return listed, missing
}
