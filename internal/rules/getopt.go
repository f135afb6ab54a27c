package rules

import "strings"

// takesValue are auditctl's short options, true for those with a value.
var takesValue = map[byte]bool{
	'h': false, 'i': false, 'c': false, 's': false, 'l': false, 'D': false, 'v': false, 't': false,
	'C': true, 'e': true, 'f': true, 'r': true, 'b': true, 'a': true, 'A': true, 'd': true, 'S': true, 'F': true,
	'm': true, 'R': true, 'w': true, 'W': true, 'k': true, 'p': true, 'q': true,
}

// longOptions are auditctl's long options, true for those with a value.
var longOptions = map[string]bool{
	"loginuid-immutable": false, "backlog_wait_time": true, "reset-lost": false,
	"reset_backlog_wait_time_actual": false, "signal": true,
}

// An option is one option of a line: a letter, or a long name.
type option struct {
	name  string
	value string
}

// getopt splits words into options, as getopt_long(3) does: values may be glued
// to their option, long names shortened, and words that are no options may
// stand anywhere. It stops at the first fault, behind the options before it.
func getopt(words []string) (opts []option, rest []string, err *ParseError) {
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch {
		case w == "--":
			return opts, append(rest, words...), nil
		case strings.HasPrefix(w, "--"):
			opts, words, err = longOption(opts, w[2:], words)
		case len(w) > 1 && w[0] == '-':
			opts, words, err = shortOptions(opts, w[1:], words)
		default:
			rest = append(rest, w)
		}
		if err != nil {
			return opts, rest, err
		}
	}
	return opts, rest, nil
}

func shortOptions(opts []option, letters string, words []string) ([]option, []string, *ParseError) {
	for i := range len(letters) {
		name := letters[i : i+1]
		needs, ok := takesValue[letters[i]]
		switch {
		case !ok:
			return opts, words, faultf("unknown option -%s", name)
		case !needs:
			opts = append(opts, option{name: name})
			continue
		case i+1 < len(letters):
			return append(opts, option{name, letters[i+1:]}), words, nil
		case len(words) == 0:
			return opts, words, faultf("option -%s needs a value", name)
		}
		return append(opts, option{name, words[0]}), words[1:], nil
	}
	return opts, words, nil
}

func longOption(opts []option, given string, words []string) ([]option, []string, *ParseError) {
	given, value, glued := strings.Cut(given, "=")
	name, err := longName(given)
	switch {
	case err != nil:
		return opts, words, err
	case !longOptions[name] && glued:
		return opts, words, faultf("option --%s takes no value", name)
	case !longOptions[name] || glued:
		return append(opts, option{name, value}), words, nil
	case len(words) == 0:
		return opts, words, faultf("option --%s needs a value", name)
	}
	return append(opts, option{name, words[0]}), words[1:], nil
}

// longName completes a shortened name.
func longName(given string) (string, *ParseError) {
	if _, ok := longOptions[given]; ok {
		return given, nil
	}
	found := ""
	for name := range longOptions {
		if !strings.HasPrefix(name, given) {
			continue
		}
		if found != "" {
			return "", faultf("option --%s could be --%s or --%s", given, min(found, name), max(found, name))
		}
		found = name
	}
	if found == "" {
		return "", faultf("unknown option --%s", given)
	}
	return found, nil
}
