package rules

import (
	"slices"
	"strconv"
	"strings"
)

// A Setting is a line that is no rule, but is carried out by apply.
type Setting struct {
	Name  string // the option: b, f, r, e, q, t, backlog_wait_time, loginuid-immutable, reset-lost, reset_backlog_wait_time_actual
	Value uint32
	From  string // of q
	To    string

	File string
	Line int
}

// String prints the setting as a line.
func (s Setting) String() string {
	switch s.Name {
	case "q":
		return "-q " + s.From + "," + s.To
	case "t":
		return "-t"
	case "b", "f", "r", "e":
		return "-" + s.Name + " " + strconv.FormatUint(uint64(s.Value), 10)
	case "backlog_wait_time":
		return "--backlog_wait_time " + strconv.FormatUint(uint64(s.Value), 10)
	}
	return "--" + s.Name
}

func (p *parser) set(s Setting) { p.line.Settings = append(p.line.Settings, s) }

// setting takes options that are not about a rule. words is how many the line
// has.
func (p *parser) setting(opt option, next []option, words int) *ParseError {
	switch opt.name {
	case "b", "r", "backlog_wait_time":
		return p.limit(opt)
	case "e", "f":
		if len(opt.value) != 1 || !strings.Contains("012", opt.value) {
			return faultf("-%s %s: must be 0, 1 or 2", opt.name, opt.value)
		}
		p.set(Setting{Name: opt.name, Value: uint32(opt.value[0] - '0')})
	case "i", "c":
		p.goOn(opt.name, words)
	case "q":
		return p.equivalent(opt.value)
	case "t", "loginuid-immutable", "reset-lost", "reset_backlog_wait_time_actual":
		p.set(Setting{Name: opt.name})
		p.done = true
	case "D":
		return p.deleteAll(next, words)
	case "R":
		return faultf("a rule file cannot read another")
	case "h":
		return faultf("-h is not for rule files")
	case "signal":
		return p.signal(opt, words)
	default:
		return p.ignored(opt, words)
	}
	return nil
}

// limit takes the options whose value is a number.
func (p *parser) limit(opt option) *ParseError {
	if !startsWithDigit(opt.value) {
		return faultf("-%s %s: not a number", opt.name, opt.value)
	}
	p.set(Setting{Name: opt.name, Value: cNumber(opt.value, true)})
	return nil
}

// goOn takes -i and -c. Whatever else the line asks for is dropped, by auditctl,
// too.
func (p *parser) goOn(name string, words int) {
	p.line.ignoreErrors = true
	p.line.goOn = p.line.goOn || name == "c"
	p.done = true
	if words > 1 {
		p.warn("dropped", "-"+name+" makes nothing of what else is on its line", "give it a line of its own")
	}
}

// signals are those that auditctl sends to auditd.
var signals = []string{"TERM", "HUP", "USR1", "USR2", "CONT"}

func (p *parser) signal(opt option, words int) *ParseError {
	if !slices.Contains(signals, strings.ToUpper(opt.value)) {
		return faultf("--signal %s: not a signal for auditd", opt.value).hint("one of %s", strings.Join(signals, ", "))
	}
	return p.ignored(opt, words)
}

func (p *parser) equivalent(value string) *ParseError {
	if p.calls {
		return faultf("-q cannot be combined with a rule")
	}
	from, to, ok := strings.Cut(value, ",")
	if !ok || to == "" || strings.Contains(to, ",") {
		return faultf("-q %s: not a mount point and a directory", value).hint("-q /mnt,/mnt/dir")
	}
	p.set(Setting{Name: "q", From: from, To: to})
	p.done = true
	return nil
}

// deleteAll takes -D, which may have a key behind it.
func (p *parser) deleteAll(next []option, words int) *ParseError {
	if words > 1 && (words != 3 || len(next) != 1 || next[0].name != "k") {
		return faultf("-D takes only -k beside it")
	}
	p.line.deleteAll = true
	p.done = true
	p.warn("delete-all", "-D is ignored: rules of others stay, and ours are made to be as the files say", "")
	return nil
}

// ignored takes options that ask or tell something and change no rules.
func (p *parser) ignored(opt option, words int) *ParseError {
	if opt.name == "m" && words > 2 {
		return faultf("-m must stand alone on its line")
	}
	p.listed = true
	p.done = true
	p.warn("ignored", "-"+opt.name+" is ignored in a rule file", "take the line out")
	return nil
}
