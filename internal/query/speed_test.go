package query

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
)

// How long busyLog is, and how many events it has for each second.
const (
	busySeconds = 10
	busyEvents  = 901
)

// busyLog is a recorded workload, which took a part of a second, in every one of
// busySeconds.
func busyLog(t testing.TB) (text []byte) {
	f, err := os.Open("../event/testdata/truth/debian12-6.18-loadgen.log.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	one, err := io.ReadAll(plain(f))
	if err != nil {
		t.Fatal(err)
	}
	const second = 1795491821
	stamp := regexp.MustCompile(fmt.Sprintf(`\(%d(\.\d+):`, second))
	for i := range busySeconds { // the kernel gives no serial twice
		text = append(text, stamp.ReplaceAll(one, fmt.Appendf(nil, "(%d$1:%d", second+i, i+1))...)
	}
	return text
}

// writeJournal puts a log's records into a journal, as a daemon does.
func writeJournal(t testing.TB, dir string, text []byte) {
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := OpenReader(bytes.NewReader(text), Options{})
	each(t, s, func(e *Event) {
		for _, r := range e.Records {
			rec := append(binary.LittleEndian.AppendUint16(nil, uint16(r.Type)), r.Text...)
			if _, err := j.Append([][]byte{rec}); err != nil {
				t.Fatal(err)
			}
		}
	})
	if err := errors.Join(s.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
}

// A hunt is a search that finds every event: none costs more than one found.
type hunt struct {
	t    testing.TB
	want *Search
	open func() (Source, error)
	src  Source
}

// next finds an event; behind the last one the search begins anew.
func (h *hunt) next() {
	e, err := h.src.Next()
	if err == io.EOF {
		h.stop()
		h.start()
		e, err = h.src.Next()
	}
	if err != nil || !h.want.MatchFacts(e) {
		h.t.Fatalf("not found: %v %v", e, err)
	}
}

func (h *hunt) start() {
	var err error
	if h.src, err = h.open(); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hunt) stop() {
	if err := h.src.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// eachHunt calls do with searches by -k, -m and -f in a log and in a journal.
func eachHunt(t testing.TB, do func(name string, facts bool, h *hunt)) {
	dir, text := t.TempDir(), busyLog(t)
	log, kept := filepath.Join(dir, "audit.log"), filepath.Join(dir, "journal")
	if err := os.WriteFile(log, text, 0o600); err != nil {
		t.Fatal(err)
	}
	writeJournal(t, kept, text)
	for _, by := range []struct {
		name  string
		facts bool
		ask   func(*Search)
	}{
		{"key", false, func(s *Search) { s.Key = "efs_changes" }},
		{"type", false, func(s *Search) { s.Types = []event.Type{typePath} }},
		{"file", true, func(s *Search) { s.File = "/srv/bench" }},
	} {
		want := NewSearch()
		by.ask(want)
		opt := Options{Keep: want.Match, Facts: by.facts}
		do("log/"+by.name, by.facts, &hunt{t: t, want: want, open: func() (Source, error) { return OpenLog(log, opt) }})
		do("journal/"+by.name, by.facts, &hunt{t: t, want: want, open: func() (Source, error) { return OpenJournal(kept, opt) }})
	}
}

// TestSearchAllocations pins what an event costs that is found, once as many have
// been read as are put together at a time: nothing without facts, and with them
// the strings of which facts consist.
func TestSearchAllocations(t *testing.T) {
	eachHunt(t, func(name string, facts bool, h *hunt) {
		t.Run(name, func(t *testing.T) {
			h.start()
			defer h.stop()
			second := func() {
				for range busyEvents {
					h.next()
				}
			}
			for range DefaultEOETimeout + 1 {
				second()
			}
			most := busyEvents / 50 // where a journal ends is looked up now and then
			if facts {
				most = 12 * busyEvents
			}
			if n := testing.AllocsPerRun(2, second); n > float64(most) {
				t.Errorf("%v allocations in %d events, want at most %d", n, busyEvents, most)
			}
		})
	})
}

// BenchmarkSearch is what an event costs that is read and found.
func BenchmarkSearch(b *testing.B) {
	eachHunt(b, func(name string, _ bool, h *hunt) {
		b.Run(name, func(b *testing.B) {
			h.start()
			b.ReportAllocs()
			for b.Loop() {
				h.next()
			}
			h.stop()
		})
	})
}
