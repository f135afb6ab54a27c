package query

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Narrow compiles a search to conditions of Logs Insights QL. Every wanted event
// meets all of them; events that are not wanted may, so Match and MatchFact look
// again. records says that lines of audit.log are asked for by their own words
// alone; their true paths need the lines around them.
//
// Each condition has a part for each format: our JSON by its fields, OCSF by the
// message's text, lines of audit.log by text or not at all. Conditions hold
// whatever formats a group holds, so the service cannot use a field index for
// them alone.
func (s *Search) Narrow(records bool) []string {
	var all []string
	add := func(json, text string, lines bool) {
		if json == "" {
			return
		}
		foreign := "@message like " + linesBegin
		if lines && records && text != "" {
			foreign = fmt.Sprintf(`(%s and (@message like "%s" or @message like "%s"))`, foreign, text, strings.ToUpper(hex.EncodeToString([]byte(text))))
		}
		ocsf := "ispresent(class_uid)"
		if text != "" {
			ocsf = fmt.Sprintf(`(%s and @message like "%s")`, ocsf, text)
		}
		all = append(all, fmt.Sprintf("(%s or %s or %s)", json, ocsf, foreign))
	}
	part := func(asked string, lines bool, fields ...string) {
		parts, conditions := []string{asked}, []string(nil)
		if !s.Compat && fields[0] != "path" {
			parts = strings.Split(asked, ",")
		}
		for _, p := range parts {
			text := safeRun(p)
			if text == "" {
				return
			}
			conditions = append(conditions, anyOf(fields, func(f string) string { return fmt.Sprintf(`%s like "%s"`, f, text) }))
		}
		text := ""
		if len(parts) == 1 {
			text = safeRun(asked)
		}
		add(strings.Join(conditions, " or "), text, lines)
	}
	number := func(asked int64, field string) {
		if asked > 0 && asked < int64(event.Unset) {
			n := strconv.FormatInt(asked, 10)
			add(field+" = "+n, n, false)
		}
	}
	part(s.Key, true, "key")
	part(s.Comm, true, "comm", "msg_comm")
	part(s.Exe, true, "exe", "msg_exe")
	part(s.Term, false, "tty", "msg_terminal")
	if s.AnyHost {
		part(literal(s.Host), false, "host", "msg_hostname", "msg_addr")
	} else {
		part(s.Host, false, "msg_hostname", "msg_addr")
	}
	part(literal(s.File), false, append(slices.Clone(placeFields), "cwd")...)
	add(s.narrowWho(), "", false)
	add(s.narrowUnder(), "", false)
	part(s.SyscallName, false, "syscall")
	part(s.ErrnoName, false, "errno")
	number(s.PID, "pid")
	number(s.PPID, "ppid")
	number(s.Session, "ses")
	add(list("host", s.Nodes), "", false)
	add(list("action", s.Actions), "", false)
	add(s.narrowSuccess(), "", false)
	add(s.narrowTypes(), "", false)
	if s.Event != Any {
		serial := ":" + strconv.FormatInt(s.Event, 10)
		add(fmt.Sprintf(`id like "%s"`, serial), serial, false)
	}
	if s.AnyUID {
		add(orNothing(s.UID.narrow("uid"), s.AUID.narrow("auid")), "", false)
	} else {
		add(s.UID.narrow("uid"), "", false)
		add(s.AUID.narrow("auid"), "", false)
	}
	return all
}

// linesBegin is a regular expression for lines of audit.log.
const linesBegin = "/^(type|node)=/"

// narrow is the condition for a user, empty if none can be said.
func (u User) narrow(field string) string {
	switch {
	case u.Name != "":
		return list(field+"_name", []string{u.Name})
	case u.asked() && u.ID < int64(event.Unset):
		return field + " = " + strconv.FormatInt(u.ID, 10)
	}
	return ""
}

// narrowSuccess also lets messages of programs through, whose msg_res tells. How
// the service compares truth values is not documented, so both ways are tried.
func (s *Search) narrowSuccess() string {
	value := map[event.Tristate]string{event.Yes: "true", event.No: "false"}[s.Success]
	if value == "" {
		return ""
	}
	return fmt.Sprintf(`@message like /"success":%s/ or ispresent(msg_res)`, value)
}

func (s *Search) narrowTypes() string {
	var actions []string
	for _, t := range s.Types {
		switch t {
		case event.TypeGap:
			actions = append(actions, "gap")
		case event.TypeDaemon:
			actions = append(actions, "daemon")
		case typeConfig:
			actions = append(actions, "rules")
		case typeSyscall:
			return ""
		}
	}
	return list("action", actions)
}

// orNothing joins conditions; if one of them is missing, anything meets the whole.
func orNothing(a, b string) string {
	if a == "" || b == "" {
		return ""
	}
	return a + " or " + b
}

func anyOf(fields []string, condition func(string) string) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = condition(f)
	}
	return strings.Join(all, " or ")
}

// list is the condition that a field has one of some values, empty if one of
// them could be misunderstood.
func list(field string, values []string) string {
	if len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return v == "" || safeRun(v) != v }) {
		return ""
	}
	return field + ` in ["` + strings.Join(values, `","`) + `"]`
}

// safeRun is the longest part of a text that is the same in a log event, in a
// field of it and in a query: nothing in it is ever escaped.
func safeRun(text string) string {
	best, start := "", 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && isSafe(text[i]) {
			continue
		}
		if i-start > len(best) {
			best = text[start:i]
		}
		start = i + 1
	}
	return best
}

func isSafe(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("._/@:,=+~#%- ", c) >= 0
}

// mostStatement is less than the 10,000 characters that a query may have.
const mostStatement = 9000

// Statement makes a query for events of a span of milliseconds, the first
// included, the last not: with conditions, and with one for the streams. Of
// conditions that a query has no room for, those at the end are left out.
func Statement(from, to int64, streams, conditions []string, then string) string {
	text := fmt.Sprintf("filter toMillis(@timestamp) >= %d and toMillis(@timestamp) < %d", from, to)
	if c := list("@logStream", streams); c != "" {
		conditions = append([]string{c}, conditions...)
	}
	for _, c := range conditions {
		if len(text)+len(c)+len(then) < mostStatement {
			text += "\n| filter " + c
		}
	}
	return text + "\n| " + then
}

// EventRows is the end of a statement that wants the events themselves.
const EventRows = "fields @timestamp, @log, @logStream, @message\n| sort @timestamp asc"
