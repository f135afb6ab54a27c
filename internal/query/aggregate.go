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
	switch r.Kind {
	case "file":
		return append(fields, "path", "dest", "parent", "dest_parent")
	case "key":
		return append(fields, "key")
	case "exe":
		return append(fields, "exe")
	case "comm":
		return append(fields, "comm")
	case "terminal":
		return append(fields, "tty")
	case "pid":
		return append(fields, "pid")
	case "user":
		return append(fields, "auid", "auid_name")
	case "syscall", "event":
		return fields
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
		case "pid", "auid":
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
	r.weight = count(row[totalEvents])
	r.Take(&e)
	r.weight = 1
	return nil
}
