package query

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// verbs are what an action is called in a sentence.
var verbs = map[string]string{
	"delete": "deleted", "rename": "renamed", "create": "created", "write": "wrote", "attr": "changed attributes of", "link": "linked",
	"exec": "executed", "open": "opened", "rules": "changed audit rules", "daemon": "auditshipper", "gap": "events are missing",
}

// text writes a sentence for each event: at what time who did what to what,
// with what.
func (p *Printer) text(e *Event) error {
	if p.byFacts(e) {
		b := e.localTime().AppendFormat(p.buf[:0], "At 15:04:05 01/02/06 ")
		if e.Node != "" {
			b = fmt.Appendf(p.buf[:0], "On %s at %s ", e.Node, e.localTime().Format("15:04:05 01/02/06"))
		}
		p.buf = p.line(p.sentence(b, e), 0)
		_, err := p.out.Write(p.buf)
		return err
	}
	for part := range p.parts(e.Records) {
		p.normal.load(p, part)
		b := p.said(p.buf[:0], e)
		p.buf = p.line(b, 0)
		if _, err := p.out.Write(p.buf); err != nil {
			return err
		}
	}
	return nil
}

// byFacts says whether an event is told by its facts: if it has no records, or
// has such as ausearch does not know.
func (p *Printer) byFacts(e *Event) bool {
	switch {
	case len(e.Records) == 0:
		return true
	case p.Compat || e.Facts == nil:
		return false
	}
	t := e.Type()
	return t == typeUringop || t >= event.TypeGap
}

// parts are what is told of an event. It is one part: of a record that may stand
// alone, such as LOGIN, and the system call that caused it, the record counts.
// With Compat they are what libauparse makes of an event: it takes one to be
// whole after its PROCTITLE, and a record that may stand alone to be another.
func (p *Printer) parts(records []Record) iter.Seq[[]Record] {
	return func(yield func([]Record) bool) {
		for len(records) > 0 {
			if records[0].Type == typeEOE {
				records = records[1:]
				continue
			}
			n := 1 + slices.IndexFunc(records, func(r Record) bool { return wholeAfter(r.Type) })
			if n == 0 || n > 1 && !p.Compat {
				n = len(records)
			}
			part := records[:n]
			if !p.Compat && part[n-1].Type == typeEOE {
				part = part[:n-1]
			}
			if !yield(part) || !p.Compat {
				return
			}
			records = records[n:]
		}
	}
}

func wholeAfter(t event.Type) bool {
	return t == typeProctitle || t == typeEOE || t < typeFirstEvent || t >= 2100 || t == typeKernel ||
		t >= typeUnlblAllow && t <= typeCalipsoDel
}

// said appends the sentence for the loaded records.
func (p *Printer) said(b []byte, e *Event) []byte {
	z := &p.normal
	z.labels = false
	z.normalize()
	z.first()
	at := e.localTime().Format("15:04:05 01/02/06")
	if e.Node != "" {
		b = fmt.Appendf(b, "On %s at %s ", z.interpreted(), at)
	} else {
		b = fmt.Appendf(b, "At %s ", at)
	}
	b = append(p.who(b), ' ')
	b = append(append(b, cmp.Or(z.n.action, "did-unknown")...), ' ')
	what, toWhat := p.what(e.Type()), p.second()
	if path, dest, ok := p.truePaths(e); ok {
		what = path
		if dest != "" || p.secondIsFile() {
			toWhat = dest
		}
	}
	if what != "" {
		b = append(append(b, what...), ' ')
	}
	if toWhat != "" {
		b = append(append(append(b, "to "...), toWhat...), ' ')
	}
	if z.n.how != "" && z.n.action != "" && z.n.action[0] != 'e' { // a session that ended used nothing
		b = append(append(b, "using "...), z.n.how...)
	}
	return b
}

// who appends who did it, as whom, and how it went.
func (p *Printer) who(b []byte) []byte {
	z := &p.normal
	id := int32(-2)
	if z.to(z.n.subject) {
		id = z.number()
		b = append(b, systemIfUnset(z.interpreted())...)
	}
	if z.to(z.n.acting) {
		if uid := z.number(); uid != id && id != -2 && uid != -1 {
			b = append(append(append(b, ", acting as "...), z.interpreted()...), ',')
		}
	}
	if z.to(z.n.result) {
		if p.succeeded() {
			return append(b, " successfully"...)
		}
		return append(b, " unsuccessfully"...)
	}
	return b
}

func systemIfUnset(name string) string {
	if name == "unset" {
		return "system"
	}
	return name
}

// succeeded reads the result at which the walk stands.
func (p *Printer) succeeded() bool {
	z := &p.normal
	s := z.interpreted()
	return s == "yes" || strings.HasPrefix(s, "suc") || z.meaning() == asSeccomp && s == "allow"
}

// what is what a sentence says it was done to.
func (p *Printer) what(t event.Type) string {
	z := &p.normal
	if !z.to(z.n.object) {
		return ""
	}
	if z.meaning() == asSockaddr {
		s := z.interpreted()
		for _, part := range []string{"laddr=", "saddr_fam="} {
			if _, val, ok := strings.Cut(s, part); ok {
				if val, _, ok = strings.Cut(val, " "); ok {
					return val
				}
			}
		}
		return s
	}
	if t == typeConfig && p.namesSetting() {
		return z.name()
	}
	return z.realPath()
}

// second is the second object: the other name of a file, or what a file's mode
// or owner became.
func (p *Printer) second() string {
	if !p.normal.to(p.normal.n.two) {
		return ""
	}
	return p.normal.realPath()
}

// namesSetting says whether a change of the configuration is about the field
// rather than about its value.
func (p *Printer) namesSetting() bool {
	return p.normal.n.action == "set" || p.normal.n.action == "seccomp-logging"
}

// truePaths are what was done to which file, where the event is about files:
// the true names, or those that the caller gave, but none that is put together
// from a working directory that may be the wrong one.
func (p *Printer) truePaths(e *Event) (path, dest string, ok bool) {
	z, f := &p.normal, e.Facts
	if p.Compat || f == nil || z.n.action == "mounted" || !z.to(z.n.object) || z.meaning() != asFile {
		return "", "", false
	}
	if path = f.shown(); path == "" {
		return z.interpreted(), "", true
	}
	return p.escaped(path), p.escaped(f.shownDest()), true
}

// secondIsFile says whether the second object is a file's name.
func (p *Printer) secondIsFile() bool {
	return p.normal.to(p.normal.n.two) && p.normal.meaning() == asFile
}

func (p *Printer) sentence(b []byte, e *Event) []byte {
	f := e.Facts
	verb := cmp.Or(verbs[f.Action], f.Action)
	switch f.Action {
	case "gap":
		return fmt.Appendf(b, "%s: %s%s", verb, f.Fields["cause"], fieldsOf(f.Fields, "count", "from", "to", "detail"))
	case "daemon", "rules":
		return fmt.Appendf(b, "%s%s", verb, fieldsOf(f.Fields, "op", "added", "removed", "renewed", "error"))
	}
	who, as := name(f.AUIDName, f.AUID), name(f.UIDName, f.UID)
	switch {
	case who == "" && as == "":
		who = "system"
	case who == "":
		who = as
	case as != "" && as != who:
		who += ", acting as " + as + ","
	}
	b = append(append(b, who...), ' ')
	if f.Success == event.No {
		b = append(b, "unsuccessfully "...)
	} else if f.Success == event.Yes {
		b = append(b, "successfully "...)
	}
	b = append(b, verb...)
	if path := f.shown(); path != "" {
		b = appendEscaped(append(b, ' '), []byte(path), p.Escape)
	}
	if dest := f.shownDest(); dest != "" {
		b = appendEscaped(append(b, " to "...), []byte(dest), p.Escape)
	}
	if f.Errno != "" {
		b = append(append(append(b, " ("...), f.Errno...), ')')
	}
	if f.Exe != "" {
		b = appendEscaped(append(b, " using "...), []byte(f.Exe), p.Escape)
	}
	if f.LoginAddr != "" {
		b = appendEscaped(append(b, " from "...), []byte(f.LoginAddr), p.Escape)
	}
	if f.SSMSession != "" {
		b = appendEscaped(append(b, " in Session Manager's session "...), []byte(f.SSMSession), p.Escape)
	}
	return b
}

// shown is the path to print, or the directory where that is all there is.
func (f *Facts) shown() string {
	if f.Path == "" && f.Parent != "" {
		return "something in " + f.Parent
	}
	return f.Path
}

func (f *Facts) shownDest() string {
	if f.Dest == "" && f.DestParent != "" {
		return "something in " + f.DestParent
	}
	return f.Dest
}

func fieldsOf(fields map[string]string, keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		if v := fields[key]; v != "" {
			fmt.Fprintf(&b, " %s=%s", key, v)
		}
	}
	return b.String()
}

func name(name string, id uint32) string {
	switch {
	case name != "":
		return name
	case id == event.Unset:
		return ""
	}
	return strconv.FormatUint(uint64(id), 10)
}
