package query

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Extras are ausearch's further columns of csv.
type Extras struct{ Keys, Labels, Obj2, Time bool }

// csv writes a row with ausearch's columns. OBJ_PRIME is the true path, and
// OBJ_SEC the new one of a rename.
func (p *Printer) csv(e *Event) error {
	if !p.begun {
		p.begun = true
		if _, err := p.out.WriteString(strings.Join(p.header(), ",") + "\n"); err != nil {
			return err
		}
	}
	if p.byFacts(e) {
		return p.write(p.factRow(e))
	}
	for part := range p.parts(e.Records) {
		p.normal.load(p, part)
		if err := p.write(p.row(e)); err != nil {
			return err
		}
	}
	return nil
}

// write writes a row. ausearch puts nothing in quotes.
func (p *Printer) write(row []string) error {
	b := p.buf[:0]
	for i, s := range row {
		if i > 0 {
			b = append(b, ',')
		}
		if !p.Compat && p.Escape != "raw" {
			s = Cell(s)
		}
		if p.Compat || !strings.ContainsAny(s, ",\"\r\n") {
			b = append(b, s...)
			continue
		}
		b = append(append(append(b, '"'), strings.ReplaceAll(s, `"`, `""`)...), '"')
	}
	p.buf = append(b, '\n')
	_, err := p.out.Write(p.buf)
	return err
}

func (p *Printer) header() []string {
	h := []string{"NODE", "EVENT", "DATE", "TIME"}
	if p.Extras.Time {
		h = append(h, "YEAR", "MONTH", "DAY", "WEEKDAY", "HOUR", "MILLI", "GMT_OFFSET")
	}
	h = append(h, "SERIAL_NUM", "EVENT_KIND", "SESSION", "SUBJ_PRIME", "SUBJ_SEC", "SUBJ_KIND")
	if p.Extras.Labels {
		h = append(h, "SUBJ_LABEL")
	}
	h = append(h, "ACTION", "RESULT", "OBJ_PRIME", "OBJ_SEC")
	if p.Extras.Obj2 {
		h = append(h, "OBJ2")
	}
	if p.Extras.Labels {
		h = append(h, "OBJ_LABEL")
	}
	h = append(h, "OBJ_KIND", "HOW")
	if p.Extras.Keys {
		h = append(h, "KEY")
	}
	return h
}

// when are the columns of an event's time, and its number.
func (p *Printer) when(row []string, e *Event) []string {
	at := e.localTime()
	row = append(row, at.Format("01/02/06"), at.Format("15:04:05"))
	if p.Extras.Time {
		weekday := (int(at.Weekday())+6)%7 + 1
		row = append(row, at.Format("2006"), at.Format("01"), at.Format("02"), strconv.Itoa(weekday), fmt.Sprintf("%2d", at.Hour()),
			strconv.Itoa(int(e.ID.Milli)), p.offset(at))
	}
	return append(row, strconv.FormatUint(e.ID.Serial, 10))
}

// offset is that of the time zone. ausearch leaves out its minutes.
func (p *Printer) offset(at time.Time) string {
	if p.Compat {
		return at.Format("-07") + ":00"
	}
	return at.Format("-07:00")
}

// row is that of the loaded records.
func (p *Printer) row(e *Event) []string {
	z := &p.normal
	z.first()
	node, name := "", ""
	if e.Node != "" {
		node = z.interpreted()
	}
	if z.recs[0].named {
		name = z.typ().String()
	}
	row := p.when([]string{node, name}, e)
	z.labels = p.Extras.Labels
	if !z.normalize() {
		missing := len(p.header()) - len(row)
		if p.Compat { // whose row is one column too long or, with all extras, right
			missing = 10 + 2*btoi(p.Extras.Labels) + btoi(p.Extras.Keys)
		}
		return append(row, make([]string, missing)...)
	}
	row = append(row, z.n.kind, p.at(z.n.session), systemIfUnset(p.at(z.n.subject)), p.at(z.n.acting), z.n.subjectKind)
	if p.Extras.Labels {
		row = append(row, p.label(z.n.subjects, "subj"))
	}
	result := ""
	if z.to(z.n.result) {
		result = "failed"
		if p.succeeded() {
			result = "success"
		}
	}
	row = append(row, cmp.Or(z.n.action, "did-unknown"), result)
	row = append(row, p.objects(e)...)
	if p.Extras.Labels {
		row = append(row, p.label(z.n.objects, "obj"))
	}
	row = append(row, z.n.objectKind, z.n.how)
	if p.Extras.Keys {
		row = append(row, p.at(z.n.key))
	}
	return row
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// at is what stands at a place; nothing at none.
func (p *Printer) at(at place) string {
	if !p.normal.to(at) {
		return ""
	}
	return p.normal.interpreted()
}

// label is the first field of a name.
func (p *Printer) label(places []place, name string) string {
	for _, at := range places {
		if p.normal.to(at) && p.normal.name() == name {
			return p.normal.interpreted()
		}
	}
	return ""
}

// objects are the columns OBJ_PRIME, OBJ_SEC and, if it is asked for, OBJ2.
func (p *Printer) objects(e *Event) []string {
	z := &p.normal
	prime, second, two := "", "", ""
	if z.to(z.n.object) {
		prime = z.realPath()
		if z.typ() == typeConfig && p.namesSetting() {
			prime = z.name()
		}
	}
	second, two = p.at(z.n.second), p.second()
	if path, dest, ok := p.truePaths(e); ok {
		prime = path
		if dest != "" {
			second = dest
		}
		if dest != "" || p.secondIsFile() {
			two = dest
		}
	}
	if p.Extras.Obj2 {
		return []string{prime, second, two}
	}
	return []string{prime, second}
}

// factRow is the row of an event that has no records, or none that ausearch
// knows.
func (p *Printer) factRow(e *Event) []string {
	f := e.Facts
	row := p.when([]string{e.Node, e.Type().String()}, e)
	ses := ""
	if f.Ses != event.Unset {
		ses = strconv.FormatUint(uint64(f.Ses), 10)
	}
	prime, sec := name(f.AUIDName, f.AUID), name(f.UIDName, f.UID)
	row = append(row, eventKind(e.Type()), ses, cmp.Or(prime, "system"), sec, subjectKind(f))
	if p.Extras.Labels {
		row = append(row, f.Fields["subj"])
	}
	result := map[event.Tristate]string{event.Yes: "success", event.No: "failed"}[f.Success]
	row = append(row, cmp.Or(verbs[f.Action], f.Action), result, p.escaped(f.shown()), p.escaped(f.shownDest()))
	if p.Extras.Obj2 {
		row = append(row, p.escaped(f.shownDest()))
	}
	if p.Extras.Labels {
		row = append(row, f.Fields["obj"])
	}
	kind := ""
	if f.Path != "" || f.Parent != "" {
		kind = cmp.Or(f.Type, "file")
	}
	row = append(row, kind, p.escaped(f.Exe))
	if p.Extras.Keys {
		row = append(row, f.Key)
	}
	return row
}

func (p *Printer) escaped(s string) string { return string(appendEscaped(nil, []byte(s), p.Escape)) }

// subjectKind tells people from programs of the system.
func subjectKind(f *Facts) string {
	switch {
	case f.UID == event.Unset:
		return "unset-acct"
	case f.UID == 0:
		return "privileged-acct"
	case f.UID < 1000:
		return "service-acct"
	case f.UID < 60000:
		return "user-acct"
	}
	return "unknown-acct"
}
