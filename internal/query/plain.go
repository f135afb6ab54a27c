package query

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Plain are the conditions that ausearch lacks, in the words of people. Who and
// Under ask for facts; an event without facts does not meet them.
type Plain struct {
	Who   []string // who logged in, or who that became: names or numbers
	Under []string // directories: a path, old or new, is one of them or below

	// AnyHost lets Search.Host name the machine as well. Here is the machine of
	// events that name none.
	AnyHost bool
	Here    string
}

// NeedsFacts says whether records alone cannot tell that an event is wanted.
func (s *Search) NeedsFacts() bool {
	return len(s.Who)+len(s.Under)+len(s.Actions) > 0 || s.File != "" && !s.Compat
}

// matchPlain says whether the facts of an event meet the plain conditions.
func (s *Search) matchPlain(e *Event) bool {
	if len(s.Who)+len(s.Under) == 0 {
		return true
	}
	f := e.Facts
	return f != nil && (len(s.Who) == 0 || slices.ContainsFunc(s.Who, f.isUser)) &&
		(len(s.Under) == 0 || slices.ContainsFunc(f.places(), s.isUnder))
}

// isUser says whether a user logged in or was who did it.
func (f *Facts) isUser(user string) bool {
	is := func(id uint32, name string) bool {
		return name != "" && name == user || id != event.Unset && strconv.FormatUint(uint64(id), 10) == user
	}
	return is(f.AUID, f.AUIDName) || is(f.UID, f.UIDName)
}

// places are what an event was done to, as far as it is known.
func (f *Facts) places() []string {
	return slices.DeleteFunc([]string{f.Path, f.Dest, f.Parent, f.DestParent}, func(p string) bool { return p == "" })
}

func (s *Search) isUnder(name string) bool {
	return slices.ContainsFunc(s.Under, func(dir string) bool {
		rest, ok := strings.CutPrefix(name, path.Clean(dir))
		return ok && (rest == "" || rest[0] == '/' || path.Clean(dir) == "/")
	})
}

// matchHost compares the remote host, and with AnyHost the machine.
func (s *Search) matchHost(e *Event, remote []byte) bool {
	if s.oneOf(s.Host, remote) {
		return true
	}
	if !s.AnyHost || s.Compat {
		return false
	}
	machine := e.Node
	if machine == "" {
		machine = s.Here
	}
	return slices.ContainsFunc(strings.Split(s.Host, ","), func(host string) bool {
		short, _, _ := strings.Cut(machine, ".")
		return host != "" && (machine == host || short == host || glob(host).MatchString(machine))
	})
}

// oneOf compares as text does. A list between commas asks for one of its parts.
func (s *Search) oneOf(asked string, got []byte) bool {
	if s.text(asked, got) {
		return true
	}
	if s.Compat || got == nil {
		return false
	}
	return strings.Contains(asked, ",") && slices.ContainsFunc(strings.Split(asked, ","), func(part string) bool {
		return part != "" && s.text(part, got)
	})
}

// isFile compares a name with the file that is asked for: by its text, or by the
// whole path if wildcards are in it.
func (s *Search) isFile(name []byte) bool {
	if s.text(s.File, name) {
		return true
	}
	if s.Compat || name == nil || !isGlob(s.File) {
		return false
	}
	if s.fileGlob == nil {
		s.fileGlob = glob(s.File)
	}
	return s.fileGlob.Match(name)
}

func isGlob(text string) bool { return strings.ContainsAny(text, "*?[") }

// globToken is a part of a glob that means more than itself.
var globToken = regexp.MustCompile(`\*\*/?|\*|\?|\[[!^]?\]?[^\]/]*\]`)

// glob compiles wildcards as a shell has them: ** is any number of directories. A
// pattern without a slash at its start may begin in any directory.
//
// A byte that is no UTF-8 stands for any such byte: an expression has none.
func glob(pattern string) *regexp.Regexp {
	pattern = string([]rune(pattern))
	var b strings.Builder
	b.WriteString(`(?s)^`)
	if !strings.HasPrefix(pattern, "/") {
		b.WriteString(`(?:.*/)?`)
	}
	at := 0
	for _, m := range globToken.FindAllStringIndex(pattern, -1) {
		b.WriteString(regexp.QuoteMeta(pattern[at:m[0]]))
		at = m[1]
		switch token := pattern[m[0]:m[1]]; token {
		case "**/":
			b.WriteString(`(?:.*/)?`)
		case "**":
			b.WriteString(`.*`)
		case "*":
			b.WriteString(`[^/]*`)
		case "?":
			b.WriteString(`[^/]`)
		default:
			b.WriteString(globClass(token))
		}
	}
	b.WriteString(regexp.QuoteMeta(pattern[at:]) + `$`)
	re, err := regexp.Compile(b.String())
	if err != nil { // such as a range from z to a, which is no wildcard in a shell, either
		return regexp.MustCompile(`^` + regexp.QuoteMeta(pattern) + `$`)
	}
	return re
}

// globClass is the class of characters that a bracket of a glob means.
func globClass(token string) string {
	inner, not := token[1:len(token)-1], ""
	if inner != "" && (inner[0] == '!' || inner[0] == '^') {
		inner, not = inner[1:], "^/"
	}
	return "[" + not + strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `^`, `\^`).Replace(inner) + "]"
}

// literal is a glob without what may stand for other text, so that safeRun finds a
// text that every match has. A text without wildcards stays as it is.
func literal(pattern string) string { return globToken.ReplaceAllString(pattern, "\x00") }

// narrowWho is the condition for Who, empty if none can be said.
func (s *Search) narrowWho() string {
	conditions := make([]string, 0, 2*len(s.Who))
	for _, u := range s.Who {
		names := list("auid_name", []string{u})
		if names == "" {
			return ""
		}
		conditions = append(conditions, names, list("uid_name", []string{u}))
		if n, err := strconv.ParseUint(u, 10, 32); err == nil {
			conditions = append(conditions, fmt.Sprintf("auid = %d or uid = %d", n, n))
		}
	}
	return strings.Join(conditions, " or ")
}

// narrowUnder is the condition for Under, empty if none can be said.
func (s *Search) narrowUnder() string {
	var conditions []string
	for _, dir := range s.Under {
		text := safeRun(path.Clean(dir))
		if text == "" {
			return ""
		}
		conditions = append(conditions, anyOf(placeFields, func(f string) string { return fmt.Sprintf(`%s like "%s"`, f, text) }))
	}
	return strings.Join(conditions, " or ")
}

// placeFields are the fields of our JSON that Facts.places come from.
var placeFields = []string{"path", "dest", "parent", "dest_parent"}
