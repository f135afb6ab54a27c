package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/auditshipper/auditshipper/internal/query"
)

// A word is a flag of ausearch or aureport: -ts, --start. They are taken as
// those take them, and not as pflag would.
type word struct {
	names string // all of them, separated by spaces
	value string // what it needs, as help calls it; empty for nothing
	help  string

	// optional: the value may be missing. loose: it may begin with a dash.
	optional, loose bool

	// set is given the value, and for a time the word behind it as well, which
	// it may use up.
	set func(value, next string) (used int, err error)
}

// A words is a table of flags.
type words []word

// parse takes all args. What fails is said as ausearch says it.
func (ws words) parse(args []string) error {
	for i := 0; i < len(args); i++ {
		name, given, isGiven := args[i], "", false
		w := ws.find(name)
		if w == nil && strings.HasPrefix(name, "--") {
			name, given, isGiven = strings.Cut(name, "=")
			w = ws.find(name)
		}
		if w == nil {
			return withSuggestion(query.Say("%s is an unsupported option", args[i]), name, ws.names())
		}
		if isGiven {
			if err := w.take(name, given); err != nil {
				return err
			}
			continue
		}
		at := func(n int) string {
			if n < len(args) && args[n] != "" && (w.loose || args[n][0] != '-') {
				return args[n]
			}
			return ""
		}
		value := at(i + 1)
		switch {
		case w.value == "" && value != "":
			return query.Say("Argument is NOT required for %s", args[i])
		case w.value != "" && value == "" && !w.optional:
			return query.Say("Argument is required for %s", args[i])
		}
		next := ""
		if value != "" {
			next = at(i + 2)
		}
		used, err := w.set(value, next)
		if err != nil {
			return err
		}
		i += used
	}
	return nil
}

// take takes the value of --name=value, which may begin with a dash.
func (w *word) take(name, value string) error {
	switch {
	case w.value == "":
		return query.Say("Argument is NOT required for %s", name)
	case value == "":
		return query.Say("Argument is required for %s", name)
	}
	_, err := w.set(value, "")
	return err
}

func (ws words) names() (all []string) {
	for _, w := range ws {
		all = append(all, strings.Fields(w.names)...)
	}
	return all
}

// has says whether a word goes by a name.
func (w *word) has(name string) bool { return slices.Contains(strings.Fields(w.names), name) }

// find returns the word with a name.
func (ws words) find(name string) *word {
	for i := range ws {
		if ws[i].has(name) {
			return &ws[i]
		}
	}
	return nil
}

// usage lists the flags for help and the manual.
func (ws words) usage() string {
	var b strings.Builder
	for _, w := range ws {
		names := strings.ReplaceAll(w.names, " ", ", ")
		if w.value != "" {
			names += " " + w.value
		}
		fmt.Fprintf(&b, "  %-34s %s\n", names, w.help)
	}
	return b.String()
}

// A section is a part of the flags under a heading.
type section struct {
	title string
	words words
}

// sections lists flags under headings.
func sections(all ...section) string {
	var b strings.Builder
	for i, s := range all {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(s.title + ":\n" + s.words.usage())
	}
	return b.String()
}

// text, number and switches are the common kinds of words.
func textWord(names, value, help string, to *string) word {
	return word{names: names, value: value, help: help, set: func(v, _ string) (int, error) {
		*to = v
		return 1, nil
	}}
}

func switchWord(names, help string, to *bool) word {
	return word{names: names, help: help, set: func(string, string) (int, error) {
		*to = true
		return 0, nil
	}}
}
