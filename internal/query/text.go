package query

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/event"
)

// verbs are what an action is called in a sentence.
var verbs = map[string]string{
	"delete": "deleted", "rename": "renamed", "create": "created", "write": "wrote", "attr": "changed attributes of", "link": "linked",
	"exec": "executed", "open": "opened", "rules": "changed audit rules", "daemon": "auditshipper", "gap": "events are missing",
}

// text writes a sentence: at what time who did what to what, with what.
func (p *Printer) text(e *Event) error {
	b := e.localTime().AppendFormat(p.buf[:0], "At 15:04:05 01/02/2006 ")
	if e.Node != "" {
		b = append(append(append(b, "on "...), e.Node...), ' ')
	}
	b = append(p.sentence(b, e), '\n')
	p.buf = b
	_, err := p.out.Write(b)
	return err
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

// Extras are ausearch's further columns of csv.
type Extras struct{ Keys, Labels, Obj2, Time bool }

// csv writes a row with ausearch's columns. OBJ_PRIME is the true path, and
// OBJ_SEC the new one of a rename.
func (p *Printer) csv(e *Event) error {
	w := csv.NewWriter(p.out)
	if !p.begun {
		p.begun = true
		if err := w.Write(p.header()); err != nil {
			return err
		}
	}
	if err := w.Write(p.row(e)); err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

func (p *Printer) header() []string {
	h := []string{"NODE", "EVENT", "DATE", "TIME"}
	if p.Extras.Time {
		h = append(h, "YEAR", "MONTH", "DAY", "WEEKDAY", "HOUR", "GMT_OFFSET")
	}
	h = append(h, "SERIAL_NUM", "EVENT_KIND", "SESSION", "SUBJ_PRIME", "SUBJ_SEC", "SUBJ_KIND")
	if p.Extras.Labels {
		h = append(h, "SUBJ_LABEL")
	}
	h = append(h, "ACTION", "RESULT", "OBJ_PRIME", "OBJ_SEC")
	if p.Extras.Labels {
		h = append(h, "OBJ_LABEL")
	}
	h = append(h, "OBJ_KIND")
	if p.Extras.Obj2 {
		h = append(h, "OBJ_PRIME2", "OBJ_LABEL2")
	}
	h = append(h, "HOW")
	if p.Extras.Keys {
		h = append(h, "KEY")
	}
	return h
}

func (p *Printer) row(e *Event) []string {
	f, at := e.Facts, e.localTime()
	row := []string{e.Node, e.Type().String(), at.Format("01/02/2006"), at.Format("15:04:05")}
	if p.Extras.Time {
		row = append(row, at.Format("2006"), at.Format("1"), at.Format("2"), at.Format("Mon"), at.Format("15"), at.Format("-07"))
	}
	ses := ""
	if f.Ses != event.Unset {
		ses = strconv.FormatUint(uint64(f.Ses), 10)
	}
	prime, sec := name(f.AUIDName, f.AUID), name(f.UIDName, f.UID)
	if prime == "" {
		prime = sec
	}
	row = append(row, strconv.FormatUint(e.ID.Serial, 10), eventKind(e.Type()), ses, prime, sec, subjectKind(f))
	if p.Extras.Labels {
		row = append(row, f.Fields["subj"])
	}
	result := map[event.Tristate]string{event.Yes: "success", event.No: "failed"}[f.Success]
	row = append(row, cmp.Or(verbs[f.Action], f.Action), result, p.escaped(f.shown()), p.escaped(f.shownDest()))
	if p.Extras.Labels {
		row = append(row, f.Fields["obj"])
	}
	kind := ""
	if f.Path != "" || f.Parent != "" {
		kind = cmp.Or(f.Type, "file")
	}
	row = append(row, kind)
	if p.Extras.Obj2 {
		row = append(row, p.escaped(f.shownDest()), "")
	}
	row = append(row, p.escaped(f.Exe))
	if p.Extras.Keys {
		row = append(row, f.Key)
	}
	return row
}

func (p *Printer) escaped(s string) string { return string(appendEscaped(nil, []byte(s), p.Escape)) }

// eventKind is ausearch's word for what a record's type is about.
func eventKind(t event.Type) string {
	switch {
	case t >= 1100 && t < 1200:
		return "user-login"
	case t >= 1200 && t < 1300:
		return "audit-daemon"
	case t == typeConfig, t == typeFeature:
		return "config-change"
	case t >= 1300 && t < 1400:
		return "audit-rule"
	case t >= 1400 && t < 1600:
		return "mac-decision"
	case t >= 1700 && t < 1800, t >= 2100 && t < 2200:
		return "anomaly"
	case t >= 1800 && t < 1900:
		return "integrity"
	case t >= 2500 && t < 2600:
		return "virt"
	}
	return "unknown"
}

// subjectKind tells people from programs of the system.
func subjectKind(f *Facts) string {
	switch {
	case f.AUID == event.Unset && f.UID == event.Unset:
		return ""
	case f.AUID == event.Unset:
		return "daemon"
	case f.AUID == 0 || f.UID == 0 && f.AUID == event.Unset:
		return "root"
	}
	return "user-login"
}
