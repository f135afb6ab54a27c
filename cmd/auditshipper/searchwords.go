package main

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-libaudit/v2/auparse"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/query"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// searchWords are what search and tail were told to look for, and how to print it.
type searchWords struct {
	sourceWords
	want    *query.Search
	format  string
	justOne bool
	limit   int    // 0 for none
	check   string // checkpoint file
	extras  query.Extras
	escape  string
	explain event.ID // of which it is told how its paths came about; zero for none
}

// sourceWords say where to look, and when. search and report share them.
type sourceWords struct {
	config    string
	input     string // -if
	inputLogs bool
	from, to  time.Time
	timeout   int64
	fromCheck bool // -ts checkpoint
	compat    bool
	debug     bool // malformed lines are said
	clock     query.Clock
	group     string   // the first of logGroups
	logGroups []string // names or ARNs
	streams   []string
	engineWords
	users, gid query.NameFile
}

func newSourceWords() sourceWords {
	return sourceWords{
		clock: query.SystemClock(), config: configPath(),
		users: query.ReadNames("/etc/passwd"), gid: query.ReadNames("/etc/group"), engineWords: newEngineWords(),
	}
}

// words are the flags about sources and time.
func (s *sourceWords) words() words { return slices.Concat(s.sinceWords(), s.sources()) }

// sources are the flags about sources, and ausearch's about time.
func (s *sourceWords) sources() words {
	return slices.Concat(words{
		textWord("--config", "FILE", "configuration file", &s.config),
		textWord("-if --input", "FILE", "an audit.log, plain or compressed, or a directory of them, instead of the journal", &s.input),
		switchWord("--input-logs", "read the journal even if stdin is a pipe", &s.inputLogs),
		{names: "--log-group", value: "GROUP", help: "read a log group of CloudWatch Logs instead of the journal, by name or ARN; may be repeated", set: s.addGroup},
		{names: "--log-stream", value: "STREAM", help: "of the log group, only this one; may be repeated", set: func(v, _ string) (int, error) {
			s.streams = append(s.streams, v)
			return 1, nil
		}},
		{names: "-ts --start", value: "[DATE] [TIME]", help: "start: a date, a time, RFC 3339, or now, recent, boot, today, yesterday, this-hour, this-week, week-ago, this-month, this-year", set: s.start},
		{names: "-te --end", value: "[DATE] [TIME]", help: "end, likewise", set: s.end},
		{names: "--eoe-timeout", value: "SECONDS", help: "how much later another event makes one complete", set: func(v, _ string) (used int, err error) {
			s.timeout, err = strconv.ParseInt(v, 10, 32)
			if err != nil || s.timeout <= 0 {
				return 1, query.Say("End of Event Timeout must be a numeric value, was %s", v)
			}
			return 1, nil
		}},
		switchWord("--compat", "find and print what ausearch and aureport would", &s.compat),
	}, s.engineWords.words())
}

func (s *sourceWords) start(v, next string) (int, error) {
	if v == "checkpoint" {
		s.fromCheck = true
		return 1, nil
	}
	ws := dateAndTime(v, next)
	t, err := s.clock.Start(ws...)
	s.from = t
	return len(ws), err
}

func (s *sourceWords) end(v, next string) (int, error) {
	ws := dateAndTime(v, next)
	t, err := s.clock.End(ws...)
	s.to = t
	return len(ws), err
}

func dateAndTime(v, next string) []string {
	if next == "" {
		return []string{v}
	}
	return []string{v, next}
}

func newSearchWords() *searchWords {
	s := &searchWords{sourceWords: newSourceWords(), want: query.NewSearch(), escape: "tty"}
	s.want.Users = s.users
	s.want.MachineOf = func(elf int64) int64 { return elf }
	return s
}

// words are all of search's flags.
func (s *searchWords) words() words {
	return slices.Concat(plainWords(s.want), s.wants(), s.sourceWords.words(), s.prints())
}

// usage lists search's flags, ours first.
func (s *searchWords) usage() string {
	return sections(
		section{"what, who, where and when", slices.Concat(plainWords(s.want), s.sinceWords())},
		section{"which event, as ausearch has it", s.wants()},
		section{"sources", s.sources()},
		section{"output", s.prints()},
	)
}

// wants are ausearch's flags that say which events.
func (s *searchWords) wants() words {
	q := s.want
	return words{
		number("-a --event", "ID", "audit event id (serial)", "Audit event id must be a numeric value, was %s", &q.Event),
		{names: "--arch", value: "CPU", help: "architecture: b32, b64, x86_64, aarch64, …", set: s.arch},
		textWord("-c --comm", "NAME", "command's name", &q.Comm),
		{names: "-e --exit", value: "CODE", help: "system call's exit code, or errno by name", loose: true, set: s.exit},
		textWord("-f --file", "NAME", "file: old and new path, made true, by a part of it or wildcards ('/mnt/efs/**'); with --compat the names in the records", &q.File),
		{names: "-ga --gid-all", value: "GROUP", help: "any group id", set: s.groups("Group ID", &q.GID, &q.EGID, &q.AnyGID)},
		{names: "-ge --gid-effective", value: "GROUP", help: "effective group id", set: s.groups("Effective group ID", &q.EGID, nil, nil)},
		{names: "-gi --gid", value: "GROUP", help: "group id", set: s.groups("Group ID", &q.GID, nil, nil)},
		textWord("-hn", "NAME", "remote host's name", &q.Host),
		textWord("-k --key", "KEY", "a rule's key", &q.Key),
		{names: "-m --message", value: "TYPES", help: "record types, by name or number, separated by commas, or ALL", set: s.types},
		{names: "-n --node", value: "NODE", help: "machine's name; may be repeated", set: func(v, _ string) (int, error) {
			q.Nodes = append(q.Nodes, v)
			return 1, nil
		}},
		textWord("-o --object", "CONTEXT", "security context of the object", &q.Object),
		number("-p --pid", "PID", "process id", "Process id must be a numeric value, was %s", &q.PID),
		number("-pp --ppid", "PID", "parent process id", "Parent process id must be a numeric value, was %s", &q.PPID),
		{names: "-sc --syscall", value: "CALL", help: "system call, by name or number", set: s.syscall},
		{names: "-se --context", value: "CONTEXT", help: "security context of subject or object", set: func(v, _ string) (int, error) {
			q.Subject, q.Object, q.AnyContext = v, v, true
			return 1, nil
		}},
		{names: "--session", value: "ID", help: "login session id", loose: true, set: s.session},
		textWord("-su --subject", "CONTEXT", "security context of the subject", &q.Subject),
		{names: "-sv --success", value: "yes|no", help: "success value", set: s.success},
		textWord("-tm --terminal", "TERM", "terminal", &q.Term),
		{names: "-ua --uid-all", value: "USER", loose: true, help: "any user id", set: s.user(&q.UID, &q.EUID, &q.AUID, &q.AnyUID)},
		{names: "-ue --uid-effective", value: "USER", loose: true, help: "effective user id", set: s.user(&q.EUID)},
		{names: "-ui --uid", value: "USER", loose: true, help: "user id", set: s.user(&q.UID)},
		{names: "-ul --loginuid", value: "USER", loose: true, help: "login user id", set: s.user(&q.AUID)},
		textWord("-uu --uuid", "UUID", "of a virtual machine", &q.UUID),
		textWord("-vm --vm-name", "NAME", "of a virtual machine", &q.VM),
		switchWord("-w --word", "compare strings as whole words", &q.Word),
		textWord("-x --executable", "PATH", "executable's name", &q.Exe),
	}
}

// prints are the flags that say how.
func (s *searchWords) prints() words {
	return words{
		textWord("--checkpoint", "FILE", "go on behind the last event that was printed with this file", &s.check),
		switchWord("--debug", "write malformed lines and records to stderr", &s.debug),
		{names: "--escape", value: "MODE", help: "of names in other formats than raw: raw, tty, shell, shell_quote", set: func(v, _ string) (int, error) {
			s.escape = v
			return 1, oneWord(v, "raw", "tty", "shell", "shell_quote")
		}},
		{names: "--explain", value: "ID", help: "tell why the paths of this event are as they are: which facts, which rules", set: func(v, _ string) (used int, err error) {
			if s.explain, err = event.ParseID(v); err != nil {
				return 1, query.Say("Event ids look like 1785139200.123:48213, as in the field id, was %s", v)
			}
			return 1, nil
		}},
		switchWord("--extra-keys", "csv: a column with keys", &s.extras.Keys),
		switchWord("--extra-labels", "csv: columns with security contexts", &s.extras.Labels),
		switchWord("--extra-obj2", "csv: columns with the second object", &s.extras.Obj2),
		switchWord("--extra-time", "csv: columns with parts of the time", &s.extras.Time),
		{names: "--format", value: "FORMAT", help: "raw, default, interpret, csv, text or json", set: func(v, _ string) (int, error) {
			if strings.HasPrefix(v, "interp") {
				v = "interpret"
			}
			if s.format != "" {
				return 1, query.Say("Multiple output formats, use only 1")
			}
			s.format = v
			return 1, oneWord(v, "raw", "default", "interpret", "csv", "text", "json")
		}},
		{names: "-i --interpret", help: "as --format interpret: numbers become words", set: s.formatAs("interpret")},
		{names: "-r --raw", help: "as --format raw: the records as they came", set: s.formatAs("raw")},
		switchWord("--just-one", "stop after one event", &s.justOne),
		limitWord("--limit", "print so many events at most, the first ones", &s.limit),
		{names: "-l --line-buffered", help: "write each line at once", set: func(string, string) (int, error) { return 0, nil }},
	}
}

func oneWord(v string, allowed ...string) error {
	if slices.Contains(allowed, v) {
		return nil
	}
	return query.Say("Unknown option (%s)", v)
}

func (s *searchWords) formatAs(format string) func(string, string) (int, error) {
	return func(string, string) (int, error) {
		if s.format != "" {
			return 0, query.Say("Conflicting output format --%s", format)
		}
		s.format = format
		return 0, nil
	}
}

func number(names, value, help, wrong string, to *int64) word {
	return word{names: names, value: value, help: help, set: func(v, _ string) (used int, err error) {
		if *to, err = strconv.ParseInt(v, 10, 64); err != nil || *to < 0 {
			return 1, query.Say(wrong, v)
		}
		return 1, nil
	}}
}

func (s *searchWords) arch(v, _ string) (int, error) {
	elf, ok := rules.ArchNumber(v)
	if !ok {
		return 1, query.Say("Unknown arch %s", v)
	}
	s.want.Machine = int64(elf)
	return 1, nil
}

// exit takes a number, or the name of an errno, as libaudit reads it: with a
// minus for what a system call returns.
func (s *searchWords) exit(v, _ string) (used int, err error) {
	if s.want.Exit, err = strconv.ParseInt(v, 0, 64); err == nil {
		return 1, nil
	}
	name, minus := strings.CutPrefix(v, "-")
	n, ok := auparse.AuditErrnoToNum[strings.ToUpper(name)]
	if !ok {
		return 1, query.Say("Unknown errno, was %s", v)
	}
	s.want.Exit = int64(n)
	s.want.ErrnoName = strings.ToUpper(name)
	if minus {
		s.want.Exit = -s.want.Exit
	}
	return 1, nil
}

func (s *searchWords) session(v, _ string) (int, error) {
	n, err := strconv.ParseInt(v, 0, 64)
	if err != nil {
		return 1, query.Say("Session id must be a numeric value, was %s", v)
	}
	s.want.Session = n & (1<<32 - 1)
	return 1, nil
}

func (s *searchWords) success(v, _ string) (int, error) {
	switch {
	case v == "yes":
		s.want.Success = event.Yes
	case strings.Contains(v, "yes"), strings.Contains(v, "no"):
		s.want.Success = event.No
	default:
		return 1, query.Say("Success must be 'yes' or 'no'.")
	}
	return 1, nil
}

func (s *searchWords) syscall(v, _ string) (int, error) {
	if n, err := strconv.ParseInt(v, 10, 32); err == nil && n >= 0 {
		s.want.Syscall = n
		return 1, nil
	}
	if s.want.Machine == query.Any {
		elf, ok := rules.ArchNumber(rules.HostArch())
		if !ok {
			return 1, query.Say("Error detecting machine type %s", runtime.GOARCH)
		}
		s.want.Machine = int64(elf)
	}
	n, ok := rules.CallNumber(uint32(s.want.Machine), v)
	if !ok {
		return 1, query.Say("Syscall %s not found", v)
	}
	s.want.Syscall, s.want.SyscallName = int64(n), v
	return 1, nil
}

func (s *searchWords) types(v, _ string) (int, error) {
	if strings.EqualFold(v, "ALL") {
		return 1, nil
	}
	for name := range strings.SplitSeq(v, ",") {
		if name == "" {
			continue
		}
		if n, err := strconv.ParseUint(name, 10, 16); err == nil {
			s.want.Types = append(s.want.Types, event.Type(n))
			continue
		}
		t, ok := event.ParseType(strings.ToUpper(name))
		ok = ok && !t.IsNamed() // a wrong word finds nothing for ever
		if !ok {
			return 1, query.Say("Valid message types are: ALL %s", strings.Join(typeNames(), " "))
		}
		s.want.Types = append(s.want.Types, t)
		if t.IsNote() { // of a file, whoever wrote it
			s.want.Types = append(s.want.Types, t.Foreign())
		}
	}
	return 1, nil
}

// typeNames are the names of all record types.
func typeNames() []string {
	var names []string
	for t := event.Type(1000); t < 3000; t++ {
		if name := t.String(); !strings.HasPrefix(name, "UNKNOWN") {
			names = append(names, name)
		}
	}
	return names
}

// user takes a number, or a name, which is looked for as well in what auditd
// wrote into an ENRICHED log.
func (s *searchWords) user(to ...any) func(string, string) (int, error) {
	return func(v, _ string) (int, error) {
		u := query.User{}
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			u.ID = n & (1<<32 - 1)
		} else {
			u.Name = v
			if id, ok := s.users.ID(v); ok {
				u.ID = int64(id)
			} else if v == "unset" {
				u.ID = 1<<32 - 1
			} else {
				u.ID = 0
			}
		}
		for _, t := range to {
			switch t := t.(type) {
			case *query.User:
				*t = u
			case *bool:
				*t = true
			}
		}
		return 1, nil
	}
}

func (s *searchWords) groups(what string, to, too *int64, all *bool) func(string, string) (int, error) {
	return func(v, _ string) (int, error) {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			id, ok := s.gid.ID(v)
			if !ok {
				return 1, query.Say("%s is non-numeric and unknown (%s)", what, v)
			}
			n = int64(id)
		}
		*to = n
		if too != nil {
			*too, *all = n, true
		}
		return 1, nil
	}
}

// isPipe reports whether standard input is a pipe with something to read.
func isPipe(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeNamedPipe != 0
}
