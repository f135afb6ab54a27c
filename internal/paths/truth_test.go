package paths

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A verdict is how the events of a workload compare with what it truly did.
type verdict struct {
	total, right, unresolved int
	wrong                    []string // resolved, and not among what was done
	missing                  map[string]int
	bytes                    int
}

// A judge takes events, to compare their successful deletes and renames with
// what truly happened.
type judge struct {
	t     *testing.T
	enc   *encode.Encoder
	bytes int
	did   []deed
	line  []byte
}

// A deed is what an event says was done, and, for an exchange, the same the
// other way round.
type deed struct {
	what, reverse, json string
	unresolved          bool
}

func newJudge(t *testing.T) *judge { return &judge{t: t, enc: &encode.Encoder{Host: "host"}} }

func (j *judge) drain(s *Stream) {
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		j.line = j.enc.AppendJSON(j.line[:0], e)
		j.bytes += len(j.line)
		if (e.Action == "delete" || e.Action == "rename") && e.Success == event.Yes {
			d := deed{what: fmt.Sprintf("%s %q %q", e.Action, e.Path.Path, e.Dest.Path), json: string(j.line)}
			d.unresolved = e.Path.From == event.FromUnresolved || e.Dest.From == event.FromUnresolved || e.Path.Path == nil
			if e.Exchange {
				d.reverse = fmt.Sprintf("%s %q %q", e.Action, e.Dest.Path, e.Path.Path)
			}
			j.did = append(j.did, d)
		}
		s.Free(e)
	}
}

// verdict compares with truth: lines of ACTION HEX-PATH [HEX-DEST], in any order.
func (j *judge) verdict(truth []byte) verdict {
	j.t.Helper()
	v := verdict{missing: parseTruth(j.t, truth), total: len(j.did), bytes: j.bytes}
	for _, d := range j.did {
		if v.missing[d.what] == 0 && d.reverse != "" {
			d.what = d.reverse
		}
		switch {
		case d.unresolved:
			v.unresolved++
			j.t.Logf("unresolved: %s", d.json)
		case v.missing[d.what] > 0:
			v.right++
			v.missing[d.what]--
		default:
			v.wrong = append(v.wrong, d.json)
		}
	}
	return v
}

func parseTruth(t *testing.T, truth []byte) map[string]int {
	t.Helper()
	want := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(truth)), "\n") {
		f := append(strings.Split(line, " "), "", "")
		path, err1 := hex.DecodeString(f[1])
		dest, err2 := hex.DecodeString(f[2])
		if err1 != nil || err2 != nil {
			t.Fatalf("truth %q: %v %v", line, err1, err2)
		}
		want[fmt.Sprintf("%s %q %q", f[0], path, dest)]++
	}
	return want
}

// TestTruth runs the records of workloads whose doings are known. No path may
// be wrong, and hardly any unresolved, though nobody can be asked any more.
func TestTruth(t *testing.T) {
	logs, err := filepath.Glob("../event/testdata/truth/*.log.gz")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no workloads: %v", err)
	}
	for _, name := range logs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			log := gunzip(t, name)
			s, j := NewStream(Options{}), newJudge(t)
			pushLines(t, s, log)
			s.Flush()
			j.drain(s)
			v := j.verdict(gunzip(t, strings.TrimSuffix(name, ".log.gz")+".truth.gz"))
			t.Logf("%d events, %d right, %d unresolved, %d wrong; %d bytes as JSON, %.2f of raw",
				v.total, v.right, v.unresolved, len(v.wrong), v.bytes, float64(v.bytes)/float64(len(log)))
			for _, w := range v.wrong {
				t.Errorf("wrong: %s", w)
			}
			most := 1
			if strings.Contains(name, "layers") {
				most = 4 // find -delete of a tree of which another process made the records
			}
			if v.total == 0 || v.unresolved*100 > v.total*most {
				t.Errorf("%d of %d unresolved, want below %d %%", v.unresolved, v.total, most)
			}
		})
	}
}

func gunzip(t testing.TB, name string) []byte {
	t.Helper()
	packed, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
