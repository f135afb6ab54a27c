package query

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A top is what report --top counts by.
type top struct {
	name   string
	fields []string // of our JSON, that keys needs
	keys   func(*Report, *Event) []string
}

var tops = []top{
	{"user", []string{"auid", "auid_name", "uid", "uid_name"}, func(_ *Report, e *Event) []string { return some(e.Facts.person()) }},
	{"host", []string{"host"}, func(r *Report, e *Event) []string { return some(cmp.Or(e.Node, r.Here)) }},
	{"dir", placeFields, func(_ *Report, e *Event) []string { return e.Facts.dirs() }},
	{"path", placeFields, func(_ *Report, e *Event) []string { return some(e.Facts.Path, e.Facts.Dest) }},
	{"exe", []string{"exe"}, func(_ *Report, e *Event) []string { return some(e.Facts.orWord(e.Facts.Exe, "exe")) }},
	{"key", []string{"key"}, func(_ *Report, e *Event) []string { return some(strings.Split(e.Facts.Key, ",")...) }},
	{"action", nil, func(_ *Report, e *Event) []string { return some(e.Facts.Action) }},
}

// TopBy are the names of what can be counted by.
func TopBy() (names []string) {
	for _, t := range tops {
		names = append(names, t.name)
	}
	return names
}

// chooseTop makes the report one of what is most frequent.
func (r *Report) chooseTop() error {
	i := slices.IndexFunc(tops, func(t top) bool { return t.name == r.By })
	if i < 0 {
		return fmt.Errorf("nothing is counted by %q", r.By)
	}
	t := &tops[i]
	r.kind = &kind{
		name: "top", count: t.name,
		wants: func(_ *Report, e *Event, _ *extract) bool { return e.Facts != nil },
		keys:  func(r *Report, e *Event, _ *extract) []string { return t.keys(r, e) },
	}
	r.top, r.Summary, r.ByName = t, true, true
	return nil
}

// some are the texts that are not empty, each once.
func some(texts ...string) []string {
	texts = slices.DeleteFunc(texts, func(s string) bool { return s == "" })
	if len(texts) == 2 && texts[0] == texts[1] {
		return texts[:1]
	}
	return texts
}

// person is who logged in, or where nobody did, whose process it was.
func (f *Facts) person() string {
	for _, u := range []struct {
		id   uint32
		name string
	}{{f.AUID, f.AUIDName}, {f.UID, f.UIDName}} {
		switch {
		case u.name != "":
			return u.name
		case u.id != event.Unset:
			return strconv.FormatUint(uint64(u.id), 10)
		}
	}
	return ""
}

// dirs are the directories of the old and the new path.
func (f *Facts) dirs() []string {
	dir := func(name, parent string) string {
		if strings.HasPrefix(name, "/") {
			return path.Dir(name)
		}
		return parent
	}
	return some(dir(f.Path, f.Parent), dir(f.Dest, f.DestParent))
}

// neededFields are the fields of our JSON without which the service's rows do not
// tell whether an event is wanted; false if a row cannot tell that at all.
func (s *Search) neededFields() ([]string, bool) {
	var fields []string
	add := func(asked bool, names ...string) {
		if asked {
			fields = append(fields, names...)
		}
	}
	add(len(s.Who) > 0, "auid", "auid_name", "uid", "uid_name")
	add(len(s.Under) > 0, placeFields...)
	add(s.File != "", append(slices.Clone(placeFields), "cwd")...)
	add(s.Host != "", "msg_hostname", "msg_addr")
	add(s.Key != "", "key")
	add(s.Exe != "", "exe", "msg_exe")
	add(s.Comm != "", "comm", "msg_comm")
	return fields, len(s.Types) == 0
}
