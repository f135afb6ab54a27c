package event

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
)

// A verdict is how the events of a workload compare with what it truly did.
type verdict struct {
	total, right, unresolved int
	wrong                    []string // resolved, and not among what was done
	missing                  map[string]int
	bytes                    int
}

// judge compares the successful deletes and renames in log with truth: lines of
// ACTION HEX-PATH [HEX-DEST], in any order.
func judge(t *testing.T, o Options, log, truth []byte) verdict {
	t.Helper()
	v := verdict{missing: parseTruth(t, truth)}
	s := NewStream(o)
	enc := &Encoder{Host: "host"}
	pushLines(t, s, log)
	s.Flush()
	var line []byte
	var open []string
	for e, ok := s.Next(); ok; e, ok = s.Next() {
		line = enc.AppendJSON(line[:0], e)
		v.bytes += len(line)
		if e.Action != "delete" && e.Action != "rename" || e.Success != Yes {
			continue
		}
		v.total++
		did := fmt.Sprintf("%s %q %q", e.Action, e.Path.Path, e.Dest.Path)
		switch {
		case e.Path.From == FromUnresolved || e.Dest.From == FromUnresolved:
			v.unresolved++
			open = append(open, string(line))
		case v.missing[did] > 0:
			v.right++
			v.missing[did]--
		case e.Exchange && v.missing[fmt.Sprintf("%s %q %q", e.Action, e.Dest.Path, e.Path.Path)] > 0:
			v.right++
			v.missing[fmt.Sprintf("%s %q %q", e.Action, e.Dest.Path, e.Path.Path)]--
		default:
			v.wrong = append(v.wrong, did+" "+e.Path.From.String()+" "+e.Dest.From.String()+" "+e.ID.String())
		}
	}
	for _, line := range open {
		t.Logf("unresolved: %s", line)
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
	logs, err := filepath.Glob("testdata/truth/*.log.gz")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no workloads: %v", err)
	}
	for _, name := range logs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			log := gunzip(t, name)
			v := judge(t, Options{}, log, gunzip(t, strings.TrimSuffix(name, ".log.gz")+".truth.gz"))
			t.Logf("%d events, %d right, %d unresolved, %d wrong; %d bytes as JSON, %.2f of raw",
				v.total, v.right, v.unresolved, len(v.wrong), v.bytes, float64(v.bytes)/float64(len(log)))
			for _, w := range v.wrong {
				t.Errorf("wrong: %s", w)
			}
			if v.total == 0 || v.unresolved*100 > v.total {
				t.Errorf("%d of %d unresolved, want below 1 %%", v.unresolved, v.total)
			}
		})
	}
}

func gunzip(t *testing.T, name string) []byte {
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
