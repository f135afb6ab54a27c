package rules

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Options say for which machine rules are parsed, and who knows about it.
type Options struct {
	Arch   string                      // as uname -m prints it; empty for the running machine
	Strict bool                        // refuse, as auditctl does, a line with a system call that the architecture lacks
	Newer  bool                        // take system calls that auditctl 3.0.9 knows by number only
	IsDir  func(path string) bool      // nil for the running machine's file system
	User   func(string) (uint32, bool) // finds an account; nil for the running machine's
	Group  func(string) (uint32, bool)
}

func (o Options) withDefaults() Options {
	if o.Arch == "" {
		o.Arch = HostArch()
	}
	if o.IsDir == nil {
		o.IsDir = isDir
	}
	if o.User == nil {
		o.User = func(name string) (uint32, bool) {
			u, err := user.Lookup(name)
			if err != nil {
				return 0, false
			}
			return parseID(u.Uid)
		}
	}
	if o.Group == nil {
		o.Group = func(name string) (uint32, bool) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return 0, false
			}
			return parseID(g.Gid)
		}
	}
	return o
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func parseID(s string) (uint32, bool) {
	id, err := strconv.ParseUint(s, 10, 32)
	return uint32(id), err == nil
}

// A Line is what one line of a rule file, or the words of a command, ask for.
type Line struct {
	Add      *Rule
	Delete   *Rule
	Settings []Setting
	Warnings []Warning

	ignoreErrors bool // -i
	goOn         bool // -c
	deleteAll    bool // -D
}

// ParseArgs reads the words of a command line, such as -w /etc/passwd -p wa.
func ParseArgs(words []string, o Options) (Line, error) {
	line, err := parseWords(words, o.withDefaults())
	if err != nil {
		return Line{}, err
	}
	return line, nil
}

// A parser holds what the options of a line have said so far.
type parser struct {
	o    Options
	line Line
	rule Rule

	add, del *List
	action   *Action
	lists    int // how many of -a -A -d were given

	calls, perm, exe, fs, anyArch bool
	unknown                       []string // system calls that do not exist here
	elf                           uint32   // 0 until known
	keys                          []string
	listed                        bool // -l or -s: keys are not for a rule
	done                          bool // nothing behind this option is looked at
	eaten                         bool // the action is deprecated: no rule
}

func parseWords(words []string, o Options) (Line, *ParseError) {
	p := &parser{o: o}
	opts, rest, bad := getopt(words)
	for i, opt := range opts {
		err := p.option(opt, opts[i+1:], len(words))
		if err != nil {
			return Line{}, err
		}
		if p.line.ignoreErrors && len(rest) > 0 {
			return p.line, strayWord(rest[0])
		}
		if p.eaten || p.done {
			return p.line, nil
		}
	}
	if bad != nil {
		return Line{}, bad
	}
	if len(rest) > 0 {
		return Line{}, strayWord(rest[0])
	}
	if len(words) == 0 {
		return Line{}, faultf("no option given")
	}
	return p.line, p.finish()
}

// strayWord explains a word that belongs to no option.
func strayWord(w string) *ParseError {
	err := faultf("word %q belongs to no option", w)
	switch {
	case strings.HasPrefix(w, "#"):
		err.Fix = "a comment needs a line of its own"
	case strings.Contains(w, "\t"):
		err.Fix = "separate words by spaces, not tabs"
	case strings.ContainsAny(w, "=<>"):
		err.Fix = "-F " + w
	}
	return err
}

// list is the list that the rule is for.
func (p *parser) list() (List, bool) {
	switch {
	case p.add != nil:
		return *p.add, true
	case p.del != nil:
		return *p.del, true
	}
	return 0, false
}

func (p *parser) inList(l List) bool {
	return p.add != nil && *p.add == l || p.del != nil && *p.del == l
}

func (p *parser) option(opt option, next []option, words int) *ParseError {
	switch opt.name {
	case "a", "A", "d":
		return p.ruleOption(opt)
	case "w", "W":
		return p.watch(opt)
	case "S":
		return p.syscalls(opt.value)
	case "F":
		return p.fieldOption(opt.value, next)
	case "C":
		return p.compare(opt.value)
	case "k":
		return p.keyOption(opt.value)
	case "p":
		return p.permissions(opt.value)
	}
	return p.setting(opt, next, words)
}

// ruleOption takes -a, -A and -d LIST,ACTION, the two in either order.
func (p *parser) ruleOption(opt option) *ParseError {
	if opt.name != "d" && strings.Contains(opt.value, "task") && p.calls {
		return faultf("the task list takes no system calls")
	}
	if p.lists++; p.lists > 1 {
		return faultf("more than one of -a, -A and -d on a line")
	}
	target := &p.add
	if opt.name == "d" {
		target = &p.del
	}
	first, second, ok := strings.Cut(opt.value, ",")
	if !ok || strings.Contains(second, ",") {
		return badList(opt)
	}
	if !p.setAction(first) {
		if first == "possible" || !setList(target, first) {
			return badList(opt)
		}
	}
	if *target == nil {
		setList(target, second)
	} else if second == "possible" {
		p.warn("deprecated", "the action possible was abolished; this line does nothing", "write always or never")
		p.eaten = true
		return nil
	} else if !p.setAction(second) {
		return badList(opt)
	}
	if *target == nil || p.action == nil {
		return badList(opt)
	}
	p.rule.First = opt.name == "A"
	return nil
}

func badList(opt option) *ParseError {
	err := faultf("-%s %s: not a list and an action", opt.name, opt.value)
	if near := nearest(strings.ToLower(opt.value), listWords()); near != "" {
		return err.hint("did you mean -%s %s?", opt.name, near)
	}
	return err.hint("such as -%s always,exit; lists: task, exit, user, exclude, filesystem, io_uring; actions: always, never", opt.name)
}

func listWords() []string {
	var words []string
	for _, list := range listNames {
		for _, action := range actionNames {
			words = append(words, action+","+list, list+","+action)
		}
	}
	slices.Sort(words)
	return words
}

func (p *parser) setAction(name string) bool {
	for a, n := range actionNames {
		if n == name {
			p.action = &a
			return true
		}
	}
	return false
}

func setList(target **List, name string) bool {
	l, ok := listIDs[name]
	if ok {
		*target = &l
	}
	return ok
}

func (p *parser) warn(code, msg, fix string) {
	p.line.Warnings = append(p.line.Warnings, Warning{Code: code, Msg: msg, Fix: fix})
}

// finish makes the rule of what was said.
func (p *parser) finish() *ParseError {
	list, ok := p.list()
	if len(p.keys) > 0 && !p.listed {
		if !p.calls && !p.perm && !p.exe && !p.fs {
			return faultf("a key needs a system call, a file or a program in the rule").hint("put -S all before it")
		}
		p.rule.addText(fieldKey, Equal, strings.Join(p.keys, "\x01"))
	}
	if !ok {
		if p.rule.Fields != nil || p.calls || len(p.unknown) > 0 {
			return faultf("a rule needs -a, -A, -d or -w")
		}
		return nil
	}
	if len(p.unknown) > 0 && !p.calls {
		return p.noneExists()
	}
	if len(p.unknown) > 0 {
		m, _ := machineOf(p.elf)
		p.warn("arch-lacks", m.name+" has no "+strings.Join(p.unknown, ", "), "nothing to do if the file serves several architectures: the others are watched")
	}
	p.rule.List, p.rule.Action = list, *p.action
	if list != Task && !p.calls {
		p.rule.all()
	}
	if err := p.rule.check(); err != nil {
		return err
	}
	if p.add != nil {
		p.line.Add = &p.rule
	} else {
		p.line.Delete = &p.rule
	}
	return nil
}
