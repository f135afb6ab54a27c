package daemon

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A filter keeps events from delivery: those that agree with all it names. What
// it keeps back is counted, and stays in the journal for local search.
type filter struct {
	config.Drop
	uid    uint32
	anyUID bool
	count  *atomic.Uint64
}

type filters []*filter

// newFilters makes the configuration's filters. One that was there before, as it
// is, goes on counting.
func newFilters(drops []config.Drop, before filters) (filters, error) {
	var fs filters
	for i, d := range drops {
		f := &filter{Drop: d, anyUID: d.UID == "", count: new(atomic.Uint64)}
		if !f.anyUID {
			uid, err := strconv.ParseUint(d.UID, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("drop[%d].uid: %q is not a number", i, d.UID)
			}
			f.uid = uint32(uid)
		}
		for _, old := range before {
			if old.Drop == d {
				f.count = old.count
			}
		}
		fs = append(fs, f)
	}
	return fs, nil
}

// match reports whether some filter keeps e back, and counts it there. What was
// lost, and what we did, is never kept back.
func (fs filters) match(e *event.Event) bool {
	if len(fs) == 0 || e.Action == "gap" || e.Action == "daemon" || e.Action == "rules" {
		return false
	}
	for _, f := range fs {
		if f.match(e) {
			f.count.Add(1)
			return true
		}
	}
	return false
}

func (f *filter) match(e *event.Event) bool {
	return (f.Key == "" || hasKey(e.Key, f.Key)) &&
		(f.Action == "" || f.Action == e.Action) &&
		(f.Exe == "" || f.Exe == string(e.Exe)) &&
		(f.Comm == "" || f.Comm == string(e.Comm)) &&
		(f.anyUID || f.uid == e.UID) &&
		(f.Path == "" || f.matchPath(e.Path) && (e.Dest.From == event.FromNone || f.matchPath(e.Dest)))
}

// matchPath reports whether the name is certainly inside the filter's path. Of
// a name that could not be resolved nothing is certain.
func (f *filter) matchPath(n event.Name) bool {
	if n.From == event.FromNone || n.From == event.FromUnresolved {
		return false
	}
	dir, all := strings.CutSuffix(f.Path, "/**")
	if !all {
		return string(n.Path) == f.Path
	}
	rest, ok := bytes.CutPrefix(n.Path, []byte(dir))
	return ok && len(rest) > 0 && rest[0] == '/'
}

// hasKey reports whether key is one of those that keys joins with commas.
func hasKey(keys []byte, key string) bool {
	for k := range bytes.SplitSeq(keys, []byte(",")) {
		if string(k) == key {
			return true
		}
	}
	return false
}

// String names the filter for status.
func (f *filter) String() string {
	var parts []string
	for _, p := range [][2]string{{"key", f.Key}, {"action", f.Action}, {"exe", f.Exe}, {"comm", f.Comm}, {"uid", f.UID}, {"path", f.Path}} {
		if p[1] != "" {
			parts = append(parts, p[0]+"="+p[1])
		}
	}
	return strings.Join(parts, " ")
}
