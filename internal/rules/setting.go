package rules

import (
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
func (p *parser) setting(opt option, words int) *ParseError {
	switch opt.name {
	case "b", "r", "backlog_wait_time":
		return p.limit(opt)
	case "e", "f":
		if len(opt.value) != 1 || !strings.Contains("012", opt.value) {
			return faultf("-%s %s: must be 0, 1 or 2", opt.name, opt.value)
		}
		p.set(Setting{Name: opt.name, Value: uint32(opt.value[0] - '0')})
	case "i":
		return p.alone("i", words, func() { p.line.ignoreErrors = true })
	case "c":
		return p.alone("c", words, func() { p.line.ignoreErrors, p.line.goOn = true, true })
	case "q":
		return p.equivalent(opt.value)
	case "t", "loginuid-immutable", "reset-lost", "reset_backlog_wait_time_actual":
		p.set(Setting{Name: opt.name})
		p.done = true
	case "D":
		return p.deleteAll(words)
	case "R":
		return faultf("a rule file cannot read another")
	case "h":
		return faultf("-h is not for rule files")
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

// alone takes an option behind which nothing may follow.
func (p *parser) alone(name string, words int, do func()) *ParseError {
	if words > 1 {
		return faultf("-%s must stand alone on its line", name)
	}
	do()
	p.done = true
	return nil
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

func (p *parser) deleteAll(words int) *ParseError {
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
