package query

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Of a row of Totals: how many events there are, how often they came, how many
// of these had an id of ours, and how many lacked records.
const (
	totalEvents  = "n"
	totalCopies  = "copies_sum"
	totalKnown   = "known_sum"
	totalPartial = "partial_sum"
)

// Aggregated names the fields of our JSON by which the service can count for a
// summary; nil if it cannot.
func (r *Report) Aggregated() []string {
	if r.kind == nil || !r.Summary || r.Compat {
		return nil
	}
	fields := []string{"action", "syscall", "success"}
	if len(r.Nodes) > 0 {
		fields = append(fields, "host")
	}
	if r.Want != nil {
		more, ok := r.Want.neededFields()
		if !ok {
			return nil
		}
		fields = append(fields, more...)
	}
	if own := r.ownFields(); own != nil {
		return distinct(append(fields, own...))
	}
	return nil
}

// distinct are texts, each once.
func distinct(texts []string) (all []string) {
	for _, t := range texts {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// ownFields are those that a report counts by; nil if the service cannot.
func (r *Report) ownFields() []string {
	switch r.Kind {
	case "top":
		return append([]string{}, r.top.fields...)
	case "file":
		return placeFields
	case "key":
		return []string{"key"}
	case "exe":
		return []string{"exe"}
	case "comm":
		return []string{"comm"}
	case "terminal":
		return []string{"tty"}
	case "pid":
		return []string{"pid"}
	case "user":
		return []string{"auid", "auid_name"}
	case "syscall", "event":
		return []string{}
	}
	return nil
}

// Totals is the end of a statement that counts events by fields. Events that
// came twice count once: the first stats makes one row of each event.
func Totals(fields []string) string {
	ids := append([]string{"@log", "@logStream", "host", "id"}, slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "host" })...)
	return "filter ispresent(id) or ispresent(class_uid) or @message like " + linesBegin +
		"\n| stats count(*) as copies, count(id) as known, count(partial) as parts by " + strings.Join(ids, ", ") +
		fmt.Sprintf("\n| stats count(*) as %s, sum(copies) as %s, sum(known) as %s, sum(parts) as %s by ", totalEvents, totalCopies, totalKnown, totalPartial) +
		strings.Join(fields, ", ")
}

// WholeTotals says whether rows of Totals stand for all events that matched.
func WholeTotals(rows []map[string]string, matched float64) bool {
	return total(rows, totalCopies) == int(matched)
}

// ExactTotals says whether the client would count the same: not if there are
// events in other formats, or some that may have come in part and then whole.
func ExactTotals(rows []map[string]string) bool {
	return total(rows, totalKnown) == total(rows, totalCopies) && total(rows, totalPartial) == 0
}

func total(rows []map[string]string, column string) (sum int) {
	for _, r := range rows {
		sum += count(r[column])
	}
	return sum
}

func count(text string) int {
	f, _ := strconv.ParseFloat(text, 64) // the service's own number
	return int(f)
}

// TakeTotal takes a row of Totals.
func (r *Report) TakeTotal(row map[string]string) error {
	object := map[string]any{"id": "1.000:1"}
	for name, value := range row {
		switch name {
		case totalEvents, totalCopies, totalKnown, totalPartial, "@ptr":
		case "success":
			object[name] = value == "1" || value == "true"
		case "pid", "auid", "uid":
			object[name] = json.Number(value)
		default:
			object[name] = value
		}
	}
	text, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("row of Logs Insights: %w", err)
	}
	e, f := Event{}, Facts{}
	if err := e.fromJSON(Message{Text: string(text)}, &f); err != nil {
		return fmt.Errorf("row of Logs Insights: %w", err)
	}
	if r.Want != nil && !r.Want.MatchFact(&e) {
		return nil
	}
	r.weight = count(row[totalEvents])
	r.Take(&e)
	r.weight = 1
	return nil
}
