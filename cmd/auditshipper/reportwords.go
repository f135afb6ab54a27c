package main

import (
	"slices"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/query"
)

// kindWords are aureport's flags for its reports. Those with a filter take a value,
// too, which aureport refuses: then only such events are counted.
var kindWords = []struct {
	names, kind, help string
	filter            func(*query.Search, string)
}{
	{"-a --avc", "avc", "decisions of security modules", nil},
	{"-au --auth", "auth", "authentications", nil},
	{"-c", "config", "changes of configuration (--config names our own file)", nil},
	{"--comm", "comm", "commands", func(q *query.Search, v string) { q.Comm = v }},
	{"-cr --crypto", "crypto", "cryptography", nil},
	{"-e --event", "event", "events", nil},
	{"-f --file", "file", "files", func(q *query.Search, v string) { q.File = v }},
	{"-h --host", "host", "remote hosts; of a value, the machine or the remote host", func(q *query.Search, v string) { q.Host, q.AnyHost = v, true }},
	{"--integrity", "integrity", "integrity of files", nil},
	{"-k --key", "key", "keys of rules", func(q *query.Search, v string) { q.Key = v }},
	{"-l --login", "login", "logins", nil},
	{"-m --mods", "mods", "modifications of accounts", nil},
	{"-ma --mac", "mac", "mandatory access control", nil},
	{"-n --anomaly", "anomaly", "anomalies", nil},
	{"-p --pid", "pid", "processes", nil},
	{"-r --response", "response", "responses to anomalies", nil},
	{"-s --syscall", "syscall", "system calls", nil},
	{"-tm --terminal", "terminal", "terminals", nil},
	{"--tty", "tty", "keys typed on terminals", nil},
	{"-u --user", "user", "users", func(q *query.Search, v string) { q.Who = append(q.Who, parts(v)...) }},
	{"--virt", "virt", "virtual machines", nil},
	{"-x --executable", "exe", "executables", func(q *query.Search, v string) { q.Exe = v }},
}

// kindWord is the flag of a report.
func (w *reportWords) kindWord(i int) word {
	k := kindWords[i]
	choose := word{names: k.names, help: k.help, set: func(v, _ string) (int, error) {
		if v == "" {
			return 0, w.choose(k.kind)
		}
		k.filter(w.want, v)
		w.filtered = true
		return 1, nil
	}}
	if k.filter != nil {
		choose.value, choose.optional = "[ONLY]", true
	}
	return choose
}

// usage lists report's flags, ours first.
func (w *reportWords) usage() string {
	return sections(
		section{"the most frequent", w.tops()},
		section{"only what, who, where and when", slices.Concat(w.filters(), w.sinceWords())},
		section{"aureport's reports; with a value ONLY, that alone is counted", w.kinds()},
		section{"output", w.prints()},
		section{"sources", w.sources()},
	)
}

// tops are the flags for what is most frequent.
func (w *reportWords) tops() words {
	return words{
		limitWord("--top", "the N most frequent; --by says of what", &w.report.Limit),
		{names: "--by", value: "WHAT", help: strings.Join(query.TopBy(), ", ") + " (user)", set: func(v, _ string) (int, error) {
			w.report.By = v
			return 1, oneWord(v, query.TopBy()...)
		}},
	}
}

// filters are the flags that search has, too, but for those that name a report.
func (w *reportWords) filters() words {
	all := slices.DeleteFunc(plainWords(w.want), func(o word) bool { return o.has("--user") || o.has("--host") })
	for i := range all {
		set := all[i].set
		all[i].set = func(v, next string) (int, error) {
			w.filtered = true
			return set(v, next)
		}
	}
	return all
}

// kinds are the flags that name a report.
func (w *reportWords) kinds() (all words) {
	for i := range kindWords {
		all = append(all, w.kindWord(i))
	}
	return append(all, word{names: "-t --log", help: "from when to when the logs are", set: func(string, string) (int, error) {
		w.times = true
		return 0, w.choose("summary")
	}})
}

func (w *reportWords) words() words {
	return slices.Concat(w.tops(), w.filters(), w.kinds(), w.prints(), w.sourceWords.words())
}

// prints are the flags that say how.
func (w *reportWords) prints() words {
	return words{
		switchWord("--summary", "how often each, the most frequent first", &w.report.Summary),
		{names: "--failed", help: "only what failed", set: w.only(event.No)},
		{names: "--success", help: "only what succeeded", set: w.only(event.Yes)},
		switchWord("--add", "of configuration changes, only what was added", &w.report.Add),
		switchWord("--delete", "of configuration changes, only what was deleted", &w.report.Del),
		switchWord("-nc --no-config", "no changes of the audit configuration", &w.report.NoConfig),
		{names: "--node", value: "NODE", help: "machine's name; may be repeated", set: func(v, _ string) (int, error) {
			w.report.Nodes = append(w.report.Nodes, v)
			return 1, nil
		}},
		switchWord("-i --interpret", "numbers become words", &w.report.Interpret),
		{names: "--escape", value: "MODE", help: "of names: raw, tty, shell, shell_quote", set: func(v, _ string) (int, error) {
			w.report.Escape = v
			return 1, oneWord(v, "raw", "tty", "shell", "shell_quote")
		}},
		{names: "--format", value: "FORMAT", help: "text, csv or json", set: func(v, _ string) (int, error) {
			w.format = v
			return 1, oneWord(v, "text", "csv", "json")
		}},
		textWord("--html", "FILE", "write one page for a browser, with a timeline, top lists and all events", &w.html),
		switchWord("--debug", "write malformed lines to stderr", &w.debug),
		limitWord("--limit", "of a summary, so many rows at most", &w.report.Limit),
	}
}

func (w *reportWords) choose(kind string) error {
	if w.report.Kind != "" && w.report.Kind != kind {
		return query.Say("Error - only one report can be specified")
	}
	w.report.Kind = kind
	return nil
}

func (w *reportWords) only(success event.Tristate) func(string, string) (int, error) {
	return func(string, string) (int, error) {
		w.report.Success = success
		return 0, nil
	}
}
