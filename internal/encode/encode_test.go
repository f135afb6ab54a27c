package encode

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// eventsOf returns the events of an audit.log.
func eventsOf(t testing.TB, log []byte) (events []*event.Event) {
	t.Helper()
	s := paths.NewStream(paths.Options{})
	seq := uint64(0)
	for line := range bytes.Lines(log) {
		l, err := event.ParseLine(line)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		seq++
		s.PushEnriched(seq, l.Type, l.Text, l.Extra)
	}
	s.Flush()
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		events = append(events, e)
	}
	return events
}

type someUsers struct{}

func (someUsers) UserName(uid uint32) string {
	return map[uint32]string{0: "root", 1000: "ec2-user", 65534: "nobody"}[uid]
}

func (someUsers) FileSystem(event.Dev) (id, accessPoint string) { return "", "" }

// readCorpus returns the small captures.
func readCorpus(t testing.TB) (logs [][]byte) {
	t.Helper()
	return readLogs(t, "../event/testdata/corpus/*.log")
}

// readAll returns all captures, those of the workloads included.
func readAll(t testing.TB) [][]byte {
	t.Helper()
	return append(readCorpus(t), readLogs(t, "../event/testdata/truth/*.log.gz")...)
}

func readLogs(t testing.TB, pattern string) (logs [][]byte) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, name := range names {
		log, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) == ".gz" {
			r, err := gzip.NewReader(bytes.NewReader(log))
			if err != nil {
				t.Fatal(err)
			}
			if log, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		logs = append(logs, log)
	}
	return logs
}

// jsonOf returns every event of an audit.log as a line of JSON.
func jsonOf(t testing.TB, log []byte) (text []byte) {
	t.Helper()
	enc := &Encoder{Host: "host", Names: someUsers{}}
	for _, e := range eventsOf(t, log) {
		text = append(enc.AppendJSON(text, e), '\n')
	}
	return text
}
