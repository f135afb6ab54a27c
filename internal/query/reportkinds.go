package query

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Kinds are the names of the reports.
func Kinds() []string {
	names := []string{"summary"}
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

var kinds = []kind{
	{
		name: "avc", title: "AVC", columns: "comm subj syscall class permission obj result event", sums: "Avc Object", count: "obj", sumRule: 33,
		ask: "comm subj obj", wants: typed(1400, 1400, 1107, 1107),
		keys: func(r *Report, e *Event, x *extract) (keys []string) {
			for _, a := range avcs(e) {
				keys = append(keys, a.target)
			}
			return keys
		},
	},
	{
		name: "config", title: "Config Change", columns: "type auid success event", sums: "Config Change", count: "type", sumRule: 28,
		ask: "auid", wants: typed(1305, 1305, 1203, 1203, 1111, 1111, 1325, 1325, 1328, 1328, 1130, 1129, 2311, 2311, 1403, 1417),
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{e.Type().String(), r.uid(&x.auid), success(x), serial(e)}
		}, keys: byType,
	},
	{
		name: "auth", title: "Authentication", columns: "acct host term exe success event", sums: "Authentication", count: "acct", sumRule: 29,
		ask: "exe host term uid", wants: func(r *Report, e *Event, x *extract) bool {
			return has(e, 1100, 1100) || has(e, 1102, 1102) && x.success == event.No
		},
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{r.acctOr(x, &x.uid), null(x.host), null(x.term), null(x.exe), success(x), serial(e)}
		}, keys: byAccount(func(x *extract) bool { return x.auid.id == absentNumber }),
	},
	{
		name: "login", title: "Login", columns: "auid host term exe success event", rule: 44, sums: "Login", count: "auid", sumRule: 28,
		ask: "exe host term auid", wants: typed(1112, 1112),
		row: func(r *Report, e *Event, x *extract) []string {
			who := r.uid(&x.auid)
			if x.success == event.No && x.acct != nil {
				who = r.text(x.acct)
			}
			return []string{who, null(x.host), null(x.term), null(x.exe), success(x), serial(e)}
		}, keys: byAccount(func(x *extract) bool { return x.auid.id == absentNumber || int32(x.auid.id) < 0 }),
	},
	{
		name: "mods", title: "Account Modifications", columns: "auid addr term exe acct success event", sums: "Acct Modification", count: "type", sumRule: 32,
		ask: "exe host term auid", wants: typed(1108, 1108, 1114, 1117, 1102, 1102, 1132, 1132, 2301, 2302),
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{r.uid(&x.auid), ask(x.host), ask(x.term), ask(x.exe), ask(x.acct), success(x), serial(e)}
		}, keys: byType,
	},
	{
		name: "event", title: "Event", columns: "event type auid success", sums: "Event", count: "type", sumRule: 22,
		ask: "auid", wants: func(*Report, *Event, *extract) bool { return true },
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{serial(e), e.Type().String(), r.uid(&x.auid), success(x)}
		}, keys: byType,
	},
	{
		name: "file", title: "File", columns: "file syscall success exe auid event", sums: "File", count: "file", sumRule: 27,
		ask: "file exe auid", wants: func(r *Report, e *Event, x *extract) bool {
			return len(x.files) > 0 || !r.Compat && e.Facts != nil && e.Facts.shown() != ""
		},
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{r.file(e, x), r.call(x), success(x), r.text(orQuestion(x.exe)), r.uid(&x.auid), serial(e)}
		}, keys: (*Report).files,
	},
	{
		name: "host", title: "Host", columns: "host syscall auid event", sums: "Host", count: "host", sumRule: 27,
		ask: "host auid", wants: func(_ *Report, _ *Event, x *extract) bool { return x.host != nil },
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{string(x.host), r.call(x), r.uid(&x.auid), serial(e)}
		}, keys: func(_ *Report, _ *Event, x *extract) []string { return []string{string(x.host)} },
	},
	{
		name: "pid", title: "Process ID", columns: "pid exe syscall auid event", sums: "Pid", count: "pid", sumRule: 26,
		ask: "exe auid", wants: func(_ *Report, _ *Event, x *extract) bool { return x.pid != absentNumber },
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{strconv.FormatInt(x.pid, 10), r.text(orQuestion(x.exe)), r.call(x), r.uid(&x.auid), serial(e)}
		}, keys: func(_ *Report, _ *Event, x *extract) []string { return []string{strconv.FormatInt(x.pid, 10)} },
	},
	{
		name: "syscall", title: "Syscall", columns: "syscall pid comm auid event", sums: "Syscall", count: "syscall", sumRule: 26,
		ask: "comm auid", wants: func(_ *Report, _ *Event, x *extract) bool { return x.syscall > 0 },
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{r.call(x), strconv.FormatInt(x.pid, 10), r.text(orQuestion(x.comm)), r.uid(&x.auid), serial(e)}
		}, keys: func(r *Report, _ *Event, x *extract) []string { return []string{r.call(x)} },
	},
	{
		name: "terminal", title: "Terminal", columns: "term host exe auid event", sums: "Terminal", count: "terminal", sumRule: 31,
		ask: "term host exe auid", wants: func(_ *Report, _ *Event, x *extract) bool { return x.term != nil },
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{string(x.term), null(x.host), r.text(x.exe), r.uid(&x.auid), serial(e)}
		}, keys: func(_ *Report, _ *Event, x *extract) []string { return []string{string(x.term)} },
	},
	{
		name: "user", title: "User ID", columns: "auid term host exe event", sums: "User", count: "auid", sumRule: 27,
		ask: "term host exe uid auid", wants: func(r *Report, _ *Event, x *extract) bool {
			if r.Summary {
				return x.auid.id != absentNumber
			}
			return x.uid.id != absentNumber && x.uid.id != 1<<32-1
		},
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{r.uid(&x.auid), ask(x.term), ask(x.host), r.text(orQuestion(x.exe)), serial(e)}
		}, keys: func(r *Report, _ *Event, x *extract) []string { return []string{r.uid(&x.auid)} },
	},
	{
		name: "exe", title: "Executable", columns: "exe term host auid event", sums: "Executable", count: "file", sumRule: 33,
		ask: "term host exe auid", wants: func(_ *Report, _ *Event, x *extract) bool { return x.exe != nil },
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{r.text(x.exe), ask(x.term), ask(x.host), r.uid(&x.auid), serial(e)}
		}, keys: func(_ *Report, _ *Event, x *extract) []string { return []string{string(x.exe)} },
	},
	{
		name: "comm", title: "Command", columns: "comm term host auid event", rule: 36, sums: "Command", count: "command", sumRule: 33,
		ask: "term host comm auid", wants: func(_ *Report, _ *Event, x *extract) bool { return x.comm != nil },
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{r.text(x.comm), ask(x.term), ask(x.host), r.uid(&x.auid), serial(e)}
		}, keys: func(_ *Report, _ *Event, x *extract) []string { return []string{string(x.comm)} },
	},
	{
		name: "anomaly", title: "Anomaly", columns: "type exe term host auid event", sums: "Anomaly", count: "type", sumRule: 22,
		ask: "term host exe comm auid", wants: typed(2100, 2199, 1700, 1799, 1326, 1326),
		row: func(r *Report, e *Event, x *extract) []string {
			exe := x.exe
			if exe == nil {
				exe = orQuestion(x.comm)
			}
			return []string{e.Type().String(), r.text(exe), ask(x.term), ask(x.host), r.uid(&x.auid), serial(e)}
		}, keys: byType,
	},
	{
		name: "response", title: "Response to Anomaly", columns: "type success event", sums: "Anomaly Response", count: "type", sumRule: 31,
		wants: typed(2200, 2299), row: typeRow, keys: byType,
	},
	{
		name: "mac", title: "MAC", columns: "auid type success event", sums: "MAC", count: "type", sumRule: 18,
		ask: "auid", wants: typed(1403, 1417, 2300, 2399), row: userRow, keys: byType,
	},
	{
		name: "integrity", title: "Integrity", columns: "type success event", sums: "Integrity", count: "type", sumRule: 24,
		ask: "auid", wants: typed(1800, 1899), row: typeRow, keys: byType,
	},
	{
		name: "virt", title: "Virtualization", columns: "type success event", sums: "Virtualization", count: "type", sumRule: 29,
		wants: typed(2500, 2599), row: typeRow, keys: byType,
	},
	{
		name: "crypto", title: "Crypto", columns: "auid type success event", sums: "Crypto", count: "type", sumRule: 21,
		ask: "auid", wants: typed(1600, 1699, 2400, 2499), row: userRow, keys: byType,
	},
	{
		name: "key", title: "Key", columns: "key success exe auid event", rule: 47, sums: "Key", count: "key", sumRule: 27,
		ask: "exe key auid", wants: func(_ *Report, _ *Event, x *extract) bool { return len(x.keys) > 0 && string(x.keys[0]) != "(null)" },
		row: func(r *Report, e *Event, x *extract) []string {
			return []string{string(x.keys[0]), success(x), r.text(orQuestion(x.exe)), r.uid(&x.auid), serial(e)}
		}, keys: func(_ *Report, _ *Event, x *extract) []string { return texts(x.keys) },
	},
	{
		name: "tty", title: "TTY", columns: "event auid term sess comm data", rule: 47, sums: "TTY", count: "tty", sumRule: 27,
		ask: "ses auid term comm", wants: typed(1319, 1319, 1124, 1124),
		row: ttyRow, keys: byType,
	},
}

// typed wants events with a record whose type is in one of the ranges.
func typed(ranges ...event.Type) func(*Report, *Event, *extract) bool {
	return func(_ *Report, e *Event, _ *extract) bool {
		for i := 0; i < len(ranges); i += 2 {
			if has(e, ranges[i], ranges[i+1]) {
				return true
			}
		}
		return false
	}
}

func has(e *Event, low, high event.Type) bool {
	if e.Records == nil {
		return e.Type() >= low && e.Type() <= high
	}
	return slices.ContainsFunc(e.Records, func(r Record) bool { return r.Type >= low && r.Type <= high })
}

func byType(_ *Report, e *Event, _ *extract) []string { return []string{strconv.Itoa(int(e.Type()))} }

// byAccount counts users; those whose number is not known by the account's name.
func byAccount(nobody func(*extract) bool) func(*Report, *Event, *extract) []string {
	return func(r *Report, _ *Event, x *extract) []string {
		if nobody(x) && x.acct != nil {
			return []string{string(x.acct)}
		}
		return []string{r.uid(&x.auid)}
	}
}

func typeRow(_ *Report, e *Event, x *extract) []string {
	return []string{e.Type().String(), success(x), serial(e)}
}

func userRow(r *Report, e *Event, x *extract) []string {
	return []string{r.uid(&x.auid), e.Type().String(), success(x), serial(e)}
}

func ttyRow(r *Report, e *Event, x *extract) []string {
	i := slices.IndexFunc(e.Records, func(r Record) bool { return r.Type == typeTTY || r.Type == typeUserTTY })
	if i < 0 {
		return nil
	}
	_, data, ok := bytes.Cut(e.Records[i].Line, []byte("data="))
	if !ok {
		return nil
	}
	if quoted, ok := bytes.CutPrefix(data, []byte(`"`)); !ok { // hex
		data, _, _ = bytes.Cut(data, []byte(" "))
	} else if end := bytes.IndexByte(quoted, '"'); end >= 0 {
		data = data[:end+2]
	}
	keys := keystrokesValue(nil, &value{raw: data})
	return []string{serial(e), r.uid(&x.auid), ask(x.term), strconv.FormatUint(uint64(uint32(x.session)), 10), r.text(orQuestion(x.comm)), string(keys)}
}

func serial(e *Event) string { return strconv.FormatUint(e.ID.Serial, 10) }

func success(x *extract) string {
	return map[event.Tristate]string{event.Yes: "yes", event.No: "no"}[x.success] + map[event.Tristate]string{event.Unknown: "unset"}[x.success]
}

// ask is a field, ? where there is none; null what C prints of none.
func ask(b []byte) string { return string(orQuestion(b)) }

func orQuestion(b []byte) []byte {
	if b == nil {
		return []byte("?")
	}
	return b
}

func null(b []byte) string {
	if b == nil {
		return "(null)"
	}
	return string(b)
}

func texts(list [][]byte) []string {
	var all []string
	for _, b := range list {
		if string(b) != "(null)" {
			all = append(all, string(b))
		}
	}
	return all
}

func (r *Report) text(b []byte) string { return string(appendEscaped(nil, b, r.Escape)) }

// uid is a user by number, -2 for none, or by name.
func (r *Report) uid(p *person) string {
	id := int32(p.id)
	if p.id == absentNumber {
		id = -2
	}
	switch {
	case !r.Interpret:
		return strconv.Itoa(int(id))
	case id == -1:
		return "unset"
	case p.name != "":
		return p.name
	}
	if name := r.Names.User.UserName(uint32(id)); name != "" {
		return name
	}
	return fmt.Sprintf("unknown(%d)", id)
}

func (r *Report) acctOr(x *extract, p *person) string {
	if x.acct != nil {
		return r.text(x.acct)
	}
	return r.uid(p)
}

// call is the system call, by number or name.
func (r *Report) call(x *extract) string {
	if x.callName != "" { // all there is
		return x.callName
	}
	if !r.Interpret {
		return strconv.FormatInt(x.syscall, 10)
	}
	if r.Names.Arch != nil && x.arch != 0 && r.Names.Call != nil {
		if name, ok := r.Names.Call(uint32(x.arch), int(x.syscall)); ok {
			return name
		}
		return strconv.FormatInt(x.syscall, 10)
	}
	return "?"
}

// file is what an event was done to: its true path and, of a rename, the new
// one; with Compat the name that aureport picks, which often is the directory.
func (r *Report) file(e *Event, x *extract) string {
	if f := e.Facts; !r.Compat && f != nil && f.shown() != "" {
		text := r.text([]byte(f.shown()))
		if dest := f.shownDest(); dest != "" {
			text += " -> " + r.text([]byte(dest))
		}
		return text
	}
	i := 0
	for len(x.files) > 1 && i < len(x.files) && x.parents&(1<<i) != 0 {
		i++
	}
	if i >= len(x.files) {
		return ""
	}
	return r.text(x.files[i])
}

// files are what the summary counts.
func (r *Report) files(e *Event, x *extract) []string {
	if f := e.Facts; !r.Compat && f != nil && f.Path != "" {
		if f.Dest != "" {
			return []string{f.Path, f.Dest}
		}
		return []string{f.Path}
	}
	var all []string
	for _, name := range x.files {
		all = append(all, string(name))
	}
	return all
}

// An avc is what a security module decided.
type avc struct{ subject, class, permission, target, result string }

var avcFields = regexp.MustCompile(`avc: +(denied|granted) +\{ ?([^}]*?) ?\}|(scontext|tcontext|tclass)=([^ ']+)`)

// avcs are the decisions in an event.
func avcs(e *Event) (all []avc) {
	for i := range e.Records {
		if t := e.Records[i].Type; t != typeAVC && t != typeUserAVC {
			continue
		}
		a := avc{subject: "(null)", class: "(null)", permission: "(null)", target: "(null)", result: "unset"}
		for _, m := range avcFields.FindAllSubmatch(e.Records[i].Line, -1) {
			switch string(m[3]) {
			case "scontext":
				a.subject = string(m[4])
			case "tcontext":
				a.target = string(m[4])
			case "tclass":
				a.class = string(m[4])
			default:
				a.result, a.permission = string(m[1]), string(m[2])
			}
		}
		all = append(all, a)
	}
	return all
}

func (r *Report) avcRows(e *Event, x *extract) (rows [][]string) {
	for _, a := range avcs(e) {
		rows = append(rows, []string{r.text(orQuestion(x.comm)), a.subject, r.call(x), a.class, a.permission, a.target, a.result, serial(e)})
	}
	return rows
}

// syscallZero makes an event without a system call one with call 0, as aureport
// has it.
func (x *extract) syscallZero() { x.syscall = 0 }

// fromFacts takes what an event without records says.
func (x *extract) fromFacts(f *Facts) {
	bytesOf := func(s string) []byte {
		if s == "" {
			return nil
		}
		return []byte(s)
	}
	x.pid, x.ppid, x.session = int64(f.PID), int64(f.PPID), int64(f.Ses)
	x.uid, x.auid = person{int64(f.UID), f.UIDName}, person{int64(f.AUID), f.AUIDName}
	x.success, x.comm, x.exe, x.term = f.Success, bytesOf(f.Comm), bytesOf(f.Exe), bytesOf(f.TTY)
	x.syscall, x.callName = 0, f.Syscall
	if f.Syscall != "" {
		x.syscall = 1
	}
	if f.Key != "" {
		x.keys = append(x.keys, bytes.Split([]byte(f.Key), []byte(","))...)
	}
	for _, name := range []string{f.Path, f.Dest} {
		if name != "" {
			x.files = append(x.files, []byte(name))
		}
	}
}
