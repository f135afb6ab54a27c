package paths

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pushLines pushes the lines of an audit.log, numbered from 1.
func pushLines(t testing.TB, s *Stream, log []byte) {
	t.Helper()
	seq := uint64(0)
	for line := range bytes.Lines(log) {
		l, err := event.ParseLine(line)
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		seq++
		s.PushEnriched(seq, l.Type, l.Text, l.Extra)
	}
}

// encodeAll returns every event of an audit.log as lines of JSON.
func encodeAll(t testing.TB, o Options, log []byte) []byte {
	t.Helper()
	s := NewStream(o)
	pushLines(t, s, log)
	s.Flush()
	var out []byte
	enc := &encode.Encoder{Host: "host", Names: someUsers{}}
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		out = enc.AppendJSON(out, e)
		out = append(out, '\n')
		s.Free(e)
	}
	return out
}

type someUsers struct{}

var someUserNames = map[uint32]string{0: "root", 1000: "ec2-user", 65534: "nobody"}

func (someUsers) UserName(uid uint32) string { return someUserNames[uid] }

func (someUsers) FileSystem(dev event.Dev) (id, accessPoint string) {
	if dev == event.MakeDev(0, 0x99) {
		return "fs-0123456789abcdef0", ""
	}
	return "", ""
}

// TestCorpus compares the events of captured records with those a person has
// looked at. Run with -update to accept new ones, then read the difference.
func TestCorpus(t *testing.T) {
	logs, err := filepath.Glob("../event/testdata/corpus/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, name := range logs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			log, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := encodeAll(t, Options{}, log)
			golden := strings.TrimSuffix(name, ".log") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			diffLines(t, got, want)
		})
	}
}

func diffLines(t *testing.T, got, want []byte) {
	t.Helper()
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	if len(g) != len(w) {
		t.Errorf("%d events, want %d", len(g)-1, len(w)-1)
	}
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Errorf("line %d:\n got %s\nwant %s", i+1, g[i], w[i])
		}
	}
}

func readCorpus(t testing.TB) (logs [][]byte) {
	t.Helper()
	names, err := filepath.Glob("../event/testdata/corpus/*.log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		log, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, log)
	}
	return logs
}
