package rules

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// A fakeKernel holds rules as the kernel does: list by list, new ones at the end
// or at the beginning, no rule twice.
type fakeKernel struct {
	Kernel // what is not needed panics
	rules  []Rule
	refuse map[string]error // by sum
	adds   int
	dels   int
	status kaudit.Status
}

func (k *fakeKernel) Status() (kaudit.Status, error) { return k.status, nil }

func (k *fakeKernel) ListRules() ([][]byte, error) {
	var raw [][]byte
	for _, l := range []List{User, Task, Exit, Exclude, Filesystem, IOUring} {
		for i := range k.rules {
			if k.rules[i].List == l {
				raw = append(raw, k.rules[i].Encode())
			}
		}
	}
	return raw, nil
}

func (k *fakeKernel) find(r *Rule) int {
	return slices.IndexFunc(k.rules, func(o Rule) bool { return o.Sum() == r.Sum() })
}

func (k *fakeKernel) AddRule(b []byte) error {
	r, err := Decode(b)
	if err != nil {
		return err
	}
	if err := k.refuse[r.Sum()]; err != nil {
		return fmt.Errorf("add audit rule: %w", err)
	}
	if k.find(&r) >= 0 {
		return unix.EEXIST
	}
	k.adds++
	if r.First {
		k.rules = slices.Insert(k.rules, 0, r)
	} else {
		k.rules = append(k.rules, r)
	}
	return nil
}

func (k *fakeKernel) DeleteRule(b []byte) error {
	r, err := Decode(b)
	if err != nil {
		return err
	}
	i := k.find(&r)
	if i < 0 {
		return unix.ENOENT
	}
	k.dels++
	k.rules = slices.Delete(k.rules, i, i+1)
	return nil
}

// lines are the keys of the kernel's rules, in its order.
func (k *fakeKernel) keys(t *testing.T) string {
	t.Helper()
	loaded, err := Loaded(k)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for i := range loaded {
		keys = append(keys, loaded[i].Key())
	}
	return strings.Join(keys, " ")
}

// rulesNamed makes a rule for each word; one that begins with ^ is to come first.
func rulesNamed(t *testing.T, words string) []Rule {
	t.Helper()
	var list []Rule
	for word := range strings.FieldsSeq(words) {
		opt := "-a"
		if w, first := strings.CutPrefix(word, "^"); first {
			opt, word = "-A", w
		}
		l, err := ParseArgs([]string{opt, "always,exit", "-S", "unlinkat", "-k", word}, Options{Arch: "x86_64"})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, *l.Add)
	}
	return list
}

// apply plans and applies sources over the ledger.
func (k *fakeKernel) apply(t *testing.T, l *Ledger, sources ...Source) (Plan, error) {
	t.Helper()
	loaded, err := Loaded(k)
	if err != nil {
		t.Fatal(err)
	}
	p := MakePlan(loaded, l.State, sources)
	k.adds, k.dels = 0, 0
	return p, p.Apply(k, l)
}

func TestApplyKeepsOrder(t *testing.T) {
	tests := []struct {
		name             string
		foreign          string
		first, second    string
		want             string
		adds, dels       int
		addedBeforeDrops bool
	}{
		{"nothing to do", "x y", "a b c", "a b c", "x y a b c", 0, 0, false},
		{"one more at the end", "x", "a b", "a b c", "x a b c", 1, 0, false},
		{"one less", "x", "a b c", "a c", "x a c", 0, 1, false},
		{"one replaced", "", "a b c", "a b d", "a b d", 1, 1, true},
		{"the last two swapped", "x", "a b c", "a c b", "x a c b", 1, 1, false},
		{"one inserted", "x", "a b c", "a d b c", "x a d b c", 3, 2, false},
		{"the first ones first", "x", "^a ^b", "^a ^b ^c", "c b a x", 1, 0, false},
		{"the first ones swapped", "x", "^a ^b", "^b ^a", "a b x", 1, 1, false},
		{"what others have stays theirs", "x y", "a x", "a x y", "x y a", 0, 0, false},
		{"a rule named twice", "", "a", "a a b", "a b", 1, 0, false},
		{"all gone", "x", "a b", "", "x", 0, 2, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := &fakeKernel{rules: rulesNamed(t, tt.foreign)}
			l := NewLedger(State{})
			if _, err := k.apply(t, l, Source{Name: "s", Rules: rulesNamed(t, tt.first)}); err != nil {
				t.Fatal(err)
			}
			p, err := k.apply(t, l, Source{Name: "s", Rules: rulesNamed(t, tt.second)})
			if err != nil {
				t.Fatal(err)
			}
			if got := k.keys(t); got != tt.want {
				t.Errorf("kernel holds %q, want %q", got, tt.want)
			}
			if k.adds != tt.adds || k.dels != tt.dels {
				t.Errorf("%d added and %d deleted, want %d and %d", k.adds, k.dels, tt.adds, tt.dels)
			}
			if tt.addedBeforeDrops && p.Steps[0].Delete {
				t.Errorf("a rule is deleted before its successor is there: %v", p.Lines())
			}
		})
	}
}

// TestLooseOrder puts back what is missing among rules of the same key without
// moving others, and keeps the order where it counts.
func TestLooseOrder(t *testing.T) {
	rule := func(word string) Rule {
		t.Helper()
		action, rest, _ := strings.Cut(word, ":")
		l, err := ParseArgs([]string{"-a", action + ",exit", "-S", "unlinkat", "-F", "uid=" + rest[1:], "-k", rest[:1]}, Options{Arch: "x86_64"})
		if err != nil {
			t.Fatal(err)
		}
		return *l.Add
	}
	parse := func(words string) (list []Rule) {
		for w := range strings.FieldsSeq(words) {
			list = append(list, rule(w))
		}
		return list
	}
	tests := []struct {
		kernel, want string
		adds, dels   int
	}{
		{"always:k2 always:k3", "always:k1 always:k2 always:k3", 1, 0},
		{"always:k3 always:k2 always:k1", "always:k1 always:k2 always:k3", 0, 0},
		{"always:k2 always:l1", "always:k1 always:k2 always:l1", 2, 1},
		{"always:k1 always:l1", "always:k1 always:k2 always:l1", 2, 1},
		{"always:l1 always:k1", "always:k1 always:l1", 1, 1},
		{"always:k1 always:k2", "never:k9 always:k1 always:k2", 3, 2},
		{"always:k2 always:l1 always:l2", "always:k2 always:l2 always:l1 always:l3", 1, 0},
	}
	for _, tt := range tests {
		k := &fakeKernel{}
		l := NewLedger(State{})
		if _, err := k.apply(t, l, Source{Name: "s", Rules: parse(tt.kernel)}); err != nil {
			t.Fatal(err)
		}
		p, err := k.apply(t, l, Source{Name: "s", Loose: true, Rules: parse(tt.want)})
		if err != nil {
			t.Fatal(err)
		}
		if k.adds != tt.adds || k.dels != tt.dels {
			t.Errorf("%s to %s: %d added and %d deleted, want %d and %d: %v", tt.kernel, tt.want, k.adds, k.dels, tt.adds, tt.dels, p.Lines())
		}
	}
}

// TestApplyTouchesNoOtherSource applies random sources in random order and
// checks after each that every source has its rules in its order.
func TestApplyTouchesNoOtherSource(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	k := &fakeKernel{rules: rulesNamed(t, "x y z")}
	l := NewLedger(State{})
	want := map[string][]string{}
	for range 300 {
		name := fmt.Sprint("source", rng.IntN(3))
		var words []string
		for _, i := range rng.Perm(6)[:rng.IntN(7)] {
			words = append(words, fmt.Sprintf("%s-%d", name, i))
		}
		want[name] = words
		if _, err := k.apply(t, l, Source{Name: name, Rules: rulesNamed(t, strings.Join(words, " "))}); err != nil {
			t.Fatal(err)
		}
		keys := strings.Fields(k.keys(t))
		for name, words := range want {
			got := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !strings.HasPrefix(key, name) })
			if !slices.Equal(got, words) {
				t.Fatalf("%s: kernel holds %v, want %v", name, got, words)
			}
		}
		if got := strings.Join(keys[:3], " "); got != "x y z" {
			t.Fatalf("rules of others are %q", got)
		}
		before := k.keys(t)
		if p, err := k.apply(t, l, Source{Name: name, Rules: rulesNamed(t, strings.Join(words, " "))}); err != nil || !p.Empty() || k.keys(t) != before {
			t.Fatalf("a second apply is not empty: %v %v", p.Lines(), err)
		}
	}
}

// TestApplyIsAllOrNothing refuses each rule in turn.
func TestApplyIsAllOrNothing(t *testing.T) {
	for _, bad := range []string{"n1", "n2", "n3"} {
		k := &fakeKernel{rules: rulesNamed(t, "x")}
		l := NewLedger(State{})
		if _, err := k.apply(t, l, Source{Name: "s", Rules: rulesNamed(t, "a b c d")}); err != nil {
			t.Fatal(err)
		}
		before, state := k.keys(t), l.State.clone()
		refused := rulesNamed(t, bad)[0]
		k.refuse = map[string]error{refused.Sum(): unix.EINVAL}
		_, err := k.apply(t, l, Source{Name: "s", Rules: rulesNamed(t, "a n1 c n2 b n3")})
		var e *RefusedError
		if !errors.As(err, &e) || e.Rule.Key() != bad || !errors.Is(err, unix.EINVAL) {
			t.Errorf("error is %v", err)
		}
		if got := k.keys(t); got != before {
			t.Errorf("with %s refused the kernel holds %q, want %q", bad, got, before)
		}
		if fmt.Sprint(l.State) != fmt.Sprint(state) {
			t.Errorf("state is %v, want %v", l.State, state)
		}
	}
}

func TestApplyRefusesWhenImmutable(t *testing.T) {
	k := &fakeKernel{status: kaudit.Status{Enabled: kaudit.Immutable}, rules: rulesNamed(t, "a")}
	l := NewLedger(State{})
	if _, err := k.apply(t, l, Source{Name: "s", Rules: rulesNamed(t, "a")}); err != nil {
		t.Errorf("nothing to do, but %v", err)
	}
	if _, err := k.apply(t, l, Source{Name: "s", Rules: rulesNamed(t, "a b")}); !errors.Is(err, ErrImmutable) {
		t.Errorf("error is %v", err)
	}
}

// TestSharedRule takes a rule of two sources away from one.
func TestSharedRule(t *testing.T) {
	k := &fakeKernel{}
	l := NewLedger(State{})
	for _, name := range []string{"s1", "s2"} {
		if _, err := k.apply(t, l, Source{Name: name, Rules: rulesNamed(t, "shared "+name)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.apply(t, l, Source{Name: "s1"}); err != nil {
		t.Fatal(err)
	}
	if got := k.keys(t); got != "shared s2" {
		t.Errorf("kernel holds %q", got)
	}
	if _, err := k.apply(t, l, Source{Name: "s2"}); err != nil {
		t.Fatal(err)
	}
	if got := k.keys(t); got != "" || len(l.Sources) != 0 {
		t.Errorf("kernel holds %q, state %v", got, l.State)
	}
}

// TestRemove takes rules away that stay away until their source is applied.
func TestRemove(t *testing.T) {
	k := &fakeKernel{rules: rulesNamed(t, "x")}
	l := NewLedger(State{})
	ours := Source{Name: "s", Configured: true, Rules: rulesNamed(t, "a b")}
	if _, err := k.apply(t, l, ours); err != nil {
		t.Fatal(err)
	}
	loaded, err := Loaded(k)
	if err != nil {
		t.Fatal(err)
	}
	p, foreign := Remove(loaded, l.State, rulesNamed(t, "a x"), "boot")
	if len(foreign) != 1 || foreign[0].Key() != "x" {
		t.Errorf("foreign %v", foreign)
	}
	if err := p.Apply(k, l); err != nil {
		t.Fatal(err)
	}
	if got := k.keys(t); got != "x b" {
		t.Errorf("kernel holds %q", got)
	}
	for _, tt := range []struct {
		boot, want string
	}{{"boot", "x b"}, {"next boot", "x b a"}} {
		src := ours.Without(func(r *Rule) bool { return l.IsRemoved(r, tt.boot) })
		if len(src.Rules) == 2 {
			src.Rules = rulesNamed(t, "b a")
		}
		if _, err := k.apply(t, l, src); err != nil {
			t.Fatal(err)
		}
		if got := k.keys(t); got != tt.want {
			t.Errorf("after repair in %s the kernel holds %q, want %q", tt.boot, got, tt.want)
		}
	}
}

func TestLedgerSurvives(t *testing.T) {
	dir := t.TempDir()
	k := &fakeKernel{}
	l, err := OpenLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.apply(t, l, Source{Name: "s", Rules: rulesNamed(t, "a ^b"), Settings: []Setting{{Name: "b", Value: 7}}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := ReadState(dir)
	if err != nil || len(st.Sources) != 1 || len(st.Sources[0].Rules) != 2 || st.Sources[0].Settings[0] != "-b 7" {
		t.Errorf("state %v, error %v", st, err)
	}
	if got := st.Sources[0].Rules[1].Rule; !strings.HasPrefix(got, "-A ") {
		t.Errorf("a rule that comes first is kept as %q", got)
	}
}

func TestHidden(t *testing.T) {
	parse := func(line string) Rule {
		t.Helper()
		l, err := ParseArgs(strings.Fields(line), Options{Arch: "x86_64", IsDir: func(string) bool { return true }})
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return *l.Add
	}
	ours := "-a always,exit -F arch=b64 -S unlink,rename -F dir=/mnt/efs -F success=1 -k efs"
	tests := []struct {
		before string
		hides  bool
	}{
		{"-a never,exit -F arch=b64 -S all", true},
		{"-a never,exit -S all -F dir=/mnt", true},
		{"-a never,exit -F arch=b64 -S unlink,rename,rmdir -F dir=/mnt/efs -F success=1 -k x", true},
		{"-a never,exit -F arch=b32 -S all", false},
		{"-a never,exit -F arch=b64 -S unlink", false},
		{"-a never,exit -S all -F dir=/mnt/efs/tmp", false},
		{"-a never,exit -S all -F dir=/mnt/ef", false},
		{"-a never,exit -S all -F uid=33", false},
		{"-a never,exit -S all -F success=0", false},
		{"-a never,exit -S all -F success!=0", true},
		{"-a always,exit -S all", false},
		{"-a never,user", false},
	}
	for _, tt := range tests {
		r := parse(ours)
		if got := Hider([]Rule{parse(tt.before)}, &r) != nil; got != tt.hides {
			t.Errorf("%s: hides %v, want %v", tt.before, got, tt.hides)
		}
	}
}
