package rules

import (
	"bufio"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// corpusPath holds real rule lines and what auditctl 3.0.9 made of them. They
// belong to their projects and are not part of this one.
func corpusPath() string {
	if p := os.Getenv("AUDITSHIPPER_RULES_CORPUS"); p != "" {
		return p
	}
	return "../../../shared/rules-corpus/expected.jsonl.gz"
}

// A verdict is what auditctl made of a line.
type verdict struct {
	File   string
	Line   int
	Text   string
	Skip   string
	RC     int
	Stderr string
	Kernel []string
	List   []string
	Status map[string]uint32
}

func readCorpus(t testing.TB, path string) []verdict {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []verdict
	in := bufio.NewScanner(z)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var v verdict
		if err := json.Unmarshal(in.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// corpusOptions are the host on which the corpus was recorded: paths ended in a
// slash or were directories there.
func corpusOptions(v verdict) Options {
	dir := false
	if len(v.Kernel) == 1 {
		b, _ := hex.DecodeString(v.Kernel[0])
		r, err := Decode(b)
		_, dir = r.field(fieldDir)
		dir = dir && err == nil
	}
	accounts := func(name string) (uint32, bool) {
		id, ok := map[string]uint32{"root": 0, "chrony": 992, "ntp": 993}[name]
		return id, ok
	}
	return Options{Arch: "x86_64", IsDir: func(string) bool { return dir }, User: accounts, Group: accounts}
}

// TestCorpus compares verdict, bytes and listing of every real line.
func TestCorpus(t *testing.T) {
	equal, total := 0, 0
	for _, v := range readCorpus(t, corpusPath()) {
		total++
		if compareVerdict(t, v, corpusOptions(v)) {
			equal++
		}
	}
	t.Logf("%d of %d lines equal", equal, total)
}

func compareVerdict(t *testing.T, v verdict, o Options) bool {
	t.Helper()
	f, err := ParseFile(v.File, strings.NewReader(v.Text+"\n"), o)
	if (err == nil) != (v.RC == 0) {
		t.Errorf("%s:%d: %s\ngot error %v, auditctl said %d %s", v.File, v.Line, v.Text, err, v.RC, v.Stderr)
		return false
	}
	if len(f.Rules) != len(v.Kernel) {
		t.Errorf("%s:%d: %s\ngot %d rules, want %d", v.File, v.Line, v.Text, len(f.Rules), len(v.Kernel))
		return false
	}
	for i, r := range f.Rules {
		if got := hex.EncodeToString(r.Encode()); got != v.Kernel[i] {
			b, _ := hex.DecodeString(v.Kernel[i])
			want, err := Decode(b)
			t.Errorf("%s:%d: %s\ngot  %s\nwant %s %v", v.File, v.Line, v.Text, r.String(), want.String(), err)
			return false
		}
		if got := r.String(); got != v.List[i] {
			t.Errorf("%s:%d: %s\ngot  %s\nwant %s", v.File, v.Line, v.Text, got, v.List[i])
			return false
		}
	}
	return true
}
