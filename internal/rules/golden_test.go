package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// goldenPath holds lines of our own, and what auditctl 3.0.9 on Linux 6.18 made
// of them: one text a line, of one or several lines of a rule file.
// TestKernelGolden records it anew with AUDITSHIPPER_RECORD=1; a new text needs
// nothing but {"text":"..."}. Zeros are squeezed.
const goldenPath = "testdata/auditctl.jsonl"

// A golden is what auditctl -R made of a text.
type golden struct {
	Text   string            `json:"text"`
	Fails  bool              `json:"fails,omitempty"`  // auditctl's exit status was not 0
	Errno  string            `json:"errno,omitempty"`  // the kernel, not auditctl, refused ours, although it parses
	Kernel []string          `json:"kernel,omitempty"` // what the kernel held afterwards, hex
	List   []string          `json:"list,omitempty"`   // what auditctl -l printed
	Status map[string]uint32 `json:"status,omitempty"` // what it changed of the status
	Differ string            `json:"differ,omitempty"` // why ours is another, on purpose
}

func readGolden(t testing.TB) []golden {
	t.Helper()
	text, err := os.ReadFile(goldenPath)
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for line := range bytes.Lines(text) {
		var g golden
		if err := json.Unmarshal(line, &g); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, g)
	}
	return all
}

// goldenHost is a machine on which the paths and accounts are as they were where
// the golden lines were recorded.
func goldenHost() Options {
	return Options{
		Arch:   "x86_64",
		Strict: true,
		IsDir: func(path string) bool {
			return slices.Contains([]string{"/", "/etc", "/tmp"}, filepath.Clean(path))
		},
		User:  account(map[string]uint32{"root": 0, "daemon": 1, "nobody": 65534}),
		Group: account(map[string]uint32{"root": 0, "daemon": 1, "adm": 4, "nogroup": 65534}),
	}
}

func account(ids map[string]uint32) func(string) (uint32, bool) {
	return func(name string) (uint32, bool) {
		id, ok := ids[name]
		return id, ok
	}
}

// TestGolden compares verdict, bytes, listing and settings of every line with
// auditctl's.
func TestGolden(t *testing.T) {
	for _, g := range readGolden(t) {
		if g.Differ != "" {
			continue
		}
		f, err := ParseFile("f", strings.NewReader(g.Text), goldenHost())
		if g.Errno != "" && err == nil {
			continue // only a kernel with that file system can tell
		}
		if (err != nil) != g.Fails {
			t.Errorf("%q: error %v; auditctl fails: %t", g.Text, err, g.Fails)
			continue
		}
		if err != nil && !f.GoOn {
			continue
		}
		if got := encoded(kernelOrder(f.Rules)); !slices.Equal(got, g.Kernel) {
			t.Errorf("%q: bytes\ngot  %s\nwant %s", g.Text, got, g.Kernel)
		}
		if got := printed(kernelOrder(f.Rules)); !slices.Equal(got, g.List) {
			t.Errorf("%q: listing\ngot  %q\nwant %q", g.Text, got, g.List)
		}
		if got := settingsOf(f); len(g.Status) > 0 && !reflect.DeepEqual(got, g.Status) {
			t.Errorf("%q: settings %v, auditctl sets %v", g.Text, got, g.Status)
		}
	}
}

// kernelOrder sorts rules as the kernel lists them: list by list, and prepended ones
// at the head.
func kernelOrder(rules []Rule) []Rule {
	var all []Rule
	for l := range List(8) {
		var list []Rule
		for _, r := range rules {
			switch {
			case r.List != l:
			case r.First:
				list = slices.Insert(list, 0, r)
			default:
				list = append(list, r)
			}
		}
		all = append(all, list...)
	}
	return all
}

func encoded(rules []Rule) []string {
	var all []string
	for i := range rules {
		all = append(all, squeeze(rules[i].Encode()))
	}
	return all
}

func printed(rules []Rule) []string {
	var all []string
	for i := range rules {
		all = append(all, rules[i].String())
	}
	return all
}

func settingsOf(f File) map[string]uint32 {
	names := map[string]string{"b": "backlog_limit", "r": "rate_limit", "f": "failure", "e": "enabled", "backlog_wait_time": "backlog_wait_time"}
	got := map[string]uint32{}
	for _, s := range f.Settings {
		if name, ok := names[s.Name]; ok {
			got[name] = s.Value
		}
	}
	return got
}

// asBooted are the kernel's settings before anybody changed them (kernel/audit.c).
// A setting that a text gives is recorded where it differs from these.
var asBooted = map[string]uint32{"enabled": 0, "failure": 1, "rate_limit": 0, "backlog_limit": 64, "backlog_wait_time": 15000}

// TestKernelGolden gives every line to auditctl and to this package, each on an
// empty kernel, and compares what the kernel holds then, and both with the
// recorded. AUDITSHIPPER_RULES_CORPUS adds real lines.
func TestKernelGolden(t *testing.T) {
	k := goldenKernel{t: t, Control: kerneltest.Need(t), file: filepath.Join(t.TempDir(), "f.rules")}
	if list, err := k.ListRules(); err != nil || len(list) > 0 {
		kerneltest.Skip(t, fmt.Sprint("the kernel has rules ", err))
	}
	k.restore(asBooted)
	all := readGolden(t)
	record := os.Getenv("AUDITSHIPPER_RECORD") == "1"
	for i := range all {
		theirs := k.auditctl(all[i].Text)
		theirs.Differ = all[i].Differ
		ours := k.ours(all[i].Text)
		if ours.Errno != "" && theirs.Fails {
			theirs.Errno = ours.Errno
		}
		if theirs.Differ == "" {
			k.compare(theirs, ours)
		}
		if !record && !reflect.DeepEqual(theirs, all[i]) {
			t.Errorf("%q: recorded\n%+v\nauditctl and the kernel say now\n%+v", all[i].Text, all[i], theirs)
		}
		all[i] = theirs
	}
	t.Logf("%d texts", len(all))
	if record {
		writeGolden(t, all)
	}
	if os.Getenv("AUDITSHIPPER_RULES_CORPUS") != "" {
		k.corpus()
	}
}

// corpus compares real lines, as they are on this machine.
func (k *goldenKernel) corpus() {
	lines := readCorpus(k.t, corpusPath())
	for _, v := range lines {
		k.compare(k.auditctl(v.Text), k.ours(v.Text))
	}
	k.t.Logf("%d lines of the corpus", len(lines))
}

func writeGolden(t *testing.T, all []golden) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	for _, g := range all {
		if err := enc.Encode(g); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(goldenPath, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A goldenKernel is the kernel, empty before and after each text.
type goldenKernel struct {
	*kaudit.Control
	t    *testing.T
	file string
}

// squeeze prints bytes in hex, and how many zeros follow each other: most of a
// rule is zeros.
func squeeze(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		zeros := len(b) - len(bytes.TrimLeft(b, "\x00"))
		if zeros > 4 {
			fmt.Fprintf(&s, "(%d)", zeros)
			b = b[zeros:]
			continue
		}
		fmt.Fprintf(&s, "%02x", b[0])
		b = b[1:]
	}
	return s.String()
}

// empty takes all rules away and returns what they were.
func (k *goldenKernel) empty() []string {
	k.t.Helper()
	list, err := k.ListRules()
	if err != nil {
		k.t.Fatal(err)
	}
	var all []string
	for _, r := range list {
		all = append(all, squeeze(r))
		if err := k.DeleteRule(r); err != nil && !errors.Is(err, unix.ENOENT) {
			k.t.Fatal(err)
		}
	}
	return all
}

func (k *goldenKernel) auditctl(text string) golden {
	k.t.Helper()
	if err := os.WriteFile(k.file, []byte(text+"\n"), 0o600); err != nil {
		k.t.Fatal(err)
	}
	before := k.status()
	g := golden{Text: text, Fails: exec.Command("auditctl", "-R", k.file).Run() != nil}
	if list, err := exec.Command("auditctl", "-l").Output(); err != nil {
		k.t.Fatal(err)
	} else if s := strings.TrimSuffix(string(list), "\n"); s != "No rules" {
		g.List = strings.Split(s, "\n")
	}
	g.Kernel = k.empty()
	for name, value := range k.status() {
		if value != before[name] {
			if g.Status == nil {
				g.Status = map[string]uint32{}
			}
			g.Status[name] = value
		}
	}
	k.restore(before)
	return g
}

// ours parses the text and gives the kernel what came of it.
func (k *goldenKernel) ours(text string) golden {
	k.t.Helper()
	f, err := ParseFile("f", strings.NewReader(text), Options{Strict: true})
	g := golden{Text: text, Fails: err != nil}
	if err != nil && !f.GoOn {
		// auditctl goes on up to the first fault
		f.Rules = nil
	}
	plan := MakePlan(nil, State{}, []Source{{Name: "f", Rules: f.Rules}})
	for _, step := range plan.Steps {
		g.refused(step.carryOut(k))
	}
	early, late := splitSettings(f.Settings)
	for _, s := range append(early, late...) {
		g.refused(s.carryOut(k, kaudit.Status{}, new(undo)))
	}
	if list, err := Loaded(k.Control); err != nil {
		k.t.Fatal(err)
	} else {
		g.List = printed(list)
	}
	g.Kernel = k.empty()
	return g
}

// refused notes that the kernel refused something.
func (g *golden) refused(err error) {
	if err == nil {
		return
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		g.Errno = unix.ErrnoName(errno)
	}
	g.Fails = true
}

func (k *goldenKernel) compare(theirs, ours golden) {
	k.t.Helper()
	if theirs.Fails != ours.Fails {
		k.t.Errorf("%q: ours fails: %t, auditctl's: %t", theirs.Text, ours.Fails, theirs.Fails)
		return
	}
	if theirs.Fails && len(ours.Kernel) == 0 {
		return
	}
	if !slices.Equal(theirs.Kernel, ours.Kernel) {
		k.t.Errorf("%q: the kernel holds\nours     %s\nauditctl %s", theirs.Text, ours.Kernel, theirs.Kernel)
	}
	if !slices.Equal(theirs.List, ours.List) {
		k.t.Errorf("%q: listed\nours     %q\nauditctl %q", theirs.Text, ours.List, theirs.List)
	}
}

func (k *goldenKernel) status() map[string]uint32 {
	k.t.Helper()
	s, err := k.Status()
	if err != nil {
		k.t.Fatal(err)
	}
	return map[string]uint32{
		"enabled": s.Enabled, "failure": s.Failure, "rate_limit": s.RateLimit,
		"backlog_limit": s.BacklogLimit, "backlog_wait_time": s.BacklogWaitTime,
	}
}

func (k *goldenKernel) restore(s map[string]uint32) {
	k.t.Helper()
	err := errors.Join(k.SetEnabled(s["enabled"]), k.SetFailure(s["failure"]), k.SetRateLimit(s["rate_limit"]),
		k.SetBacklogLimit(s["backlog_limit"]), k.SetBacklogWaitTime(s["backlog_wait_time"]))
	if err != nil {
		k.t.Fatal(err)
	}
}
