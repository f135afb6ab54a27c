package query

import (
	"hash/maphash"
	"strconv"

	"github.com/auditshipper/auditshipper/internal/event"
)

// totals are aureport's summary of everything.
type totals struct {
	numbers  map[string]int
	seed     maphash.Seed
	distinct map[string]map[uint64]struct{} // hashes of what was met
	size     int                            // of distinct
	dropped  int
}

// maxDistinct bounds how many different values the totals tell apart.
const maxDistinct = 1 << 20

// what is counted, in the order of the table: those that end in ! are how many
// different ones there are.
var counted = []string{
	"changes in configuration", "changes to accounts, groups, or roles", "logins", "failed logins", "authentications",
	"failed authentications", "users!", "terminals!", "host names!", "executables!", "commands!", "files!", "AVC's", "MAC events",
	"failed syscalls", "anomaly events", "responses to anomaly events", "crypto events", "integrity events", "virt events",
	"keys!", "process IDs!", "events",
}

func (t *totals) begin() {
	*t = totals{numbers: map[string]int{}, seed: maphash.MakeSeed(), distinct: map[string]map[uint64]struct{}{}}
}

func (t *totals) different(what, name string) {
	met := t.distinct[what]
	if met == nil {
		met = map[uint64]struct{}{}
		t.distinct[what] = met
	}
	sum := maphash.String(t.seed, name)
	switch _, ok := met[sum]; {
	case ok:
	case t.size >= maxDistinct:
		t.dropped++
	default:
		met[sum] = struct{}{}
		t.size++
	}
}

// add counts an event.
func (t *totals) add(r *Report, e *Event, x *extract) {
	n := t.numbers
	n["events"]++
	for _, c := range []struct {
		what      string
		low, high event.Type
	}{
		{"changes in configuration", 1305, 1305},
		{"changes in configuration", 1203, 1203},
		{"changes in configuration", 1111, 1111},
		{"changes in configuration", 1325, 1325},
		{"changes in configuration", 1328, 1328},
		{"changes in configuration", 2311, 2311},
		{"changes in configuration", 1403, 1417},
		{"changes to accounts, groups, or roles", 1108, 1108},
		{"changes to accounts, groups, or roles", 1114, 1117},
		{"changes to accounts, groups, or roles", 1102, 1102},
		{"changes to accounts, groups, or roles", 1132, 1132},
		{"changes to accounts, groups, or roles", 2301, 2302},
		{"crypto events", 1600, 1699},
		{"crypto events", 2400, 2499},
		{"MAC events", 1403, 1417},
		{"MAC events", 2300, 2399},
		{"virt events", 2500, 2599},
		{"integrity events", 1800, 1899},
		{"anomaly events", 2100, 2199},
		{"anomaly events", 1700, 1799},
		{"responses to anomaly events", 2200, 2299},
	} {
		if has(e, c.low, c.high) {
			n[c.what]++
		}
	}
	if has(e, typeAVC, typeAVC) || has(e, typeUserAVC, typeUserAVC) {
		n["AVC's"]++
	}
	t.sessions(e, x)
	if x.success == event.No && x.syscall > 0 {
		n["failed syscalls"]++
	}
	t.names(r, e, x)
}

// sessions counts logins and authentications.
func (t *totals) sessions(e *Event, x *extract) {
	count := func(what string) {
		switch x.success {
		case event.Yes:
			t.numbers[what]++
		case event.No:
			t.numbers["failed "+what]++
		}
	}
	if has(e, 1112, 1112) {
		count("logins")
	}
	switch {
	case has(e, 1100, 1100):
		count("authentications")
	case has(e, 1102, 1102):
		if x.success == event.No {
			count("authentications")
		}
	case has(e, 1126, 1126):
		count("authentications")
	}
}

func (t *totals) names(r *Report, e *Event, x *extract) {
	if x.auid.id != absentNumber {
		t.different("users", strconv.FormatInt(x.auid.id, 10))
	}
	if x.pid != absentNumber {
		t.different("process IDs", strconv.FormatInt(x.pid, 10))
	}
	for what, name := range map[string][]byte{"terminals": x.term, "host names": x.host, "executables": x.exe, "commands": x.comm} {
		if name != nil {
			t.different(what, string(name))
		}
	}
	for _, name := range r.files(e, x) {
		t.different("files", name)
	}
	for _, key := range texts(x.keys) {
		t.different("keys", key)
	}
}

func (t *totals) rows() []Row {
	var rows []Row
	for _, what := range counted {
		n := t.numbers[what]
		if name := what[:len(what)-1]; what[len(what)-1] == '!' {
			what, n = name, len(t.distinct[name])
		}
		rows = append(rows, Row{"Number of " + what, strconv.Itoa(n)})
	}
	return rows
}
