package rules

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

func (k *fakeKernel) SetEnabled(v uint32) error         { k.status.Enabled = v; return nil }
func (k *fakeKernel) SetFailure(v uint32) error         { k.status.Failure = v; return nil }
func (k *fakeKernel) SetRateLimit(v uint32) error       { k.status.RateLimit = v; return nil }
func (k *fakeKernel) SetBacklogLimit(v uint32) error    { k.status.BacklogLimit = v; return nil }
func (k *fakeKernel) SetBacklogWaitTime(v uint32) error { k.status.BacklogWaitTime = v; return nil }

// TestFound changes a kernel's settings, by processes that each know only what
// the file says, and puts them back.
func TestFound(t *testing.T) {
	const boot = "this"
	fresh := kaudit.Status{Enabled: 0, Failure: 1, BacklogLimit: 64, BacklogWaitTime: 15000}
	type step func(t *testing.T, k *fakeKernel, dir string)
	change := func(boot, by string, set ...Setting) step {
		return func(t *testing.T, k *fakeKernel, dir string) {
			f, err := ReadFound(dir, boot)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Note(by, k.status, set...); err != nil {
				t.Fatal(err)
			}
			for _, s := range set {
				if err := s.Do(k); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	back := func(by string) step {
		return func(t *testing.T, k *fakeKernel, dir string) {
			f, err := ReadFound(dir, boot)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.PutBack(k, by); err != nil {
				t.Fatal(err)
			}
		}
	}
	admin := func(s Setting) step {
		return func(t *testing.T, k *fakeKernel, _ string) {
			if err := s.Do(k); err != nil {
				t.Fatal(err)
			}
		}
	}
	on, limit, wait := Setting{Name: "e", Value: 1}, Setting{Name: "b", Value: 8192}, Setting{Name: "backlog_wait_time"}
	start := change(boot, ByRun, on, limit, wait, Setting{Name: "f", Value: 1})
	with := func(edit func(*kaudit.Status)) kaudit.Status {
		st := fresh
		edit(&st)
		return st
	}
	tests := []struct {
		name  string
		steps []step
		want  kaudit.Status
		left  bool // the file stays
	}{
		{"one start", []step{start, back(ByRun)}, fresh, false},
		{"three starts", []step{start, start, start, back(ByRun)}, fresh, false},
		{"another limit at the second start", []step{start, change(boot, ByRun, Setting{Name: "b", Value: 500}), back(ByRun)}, fresh, false},
		{"no change", []step{change(boot, ByRun, Setting{Name: "f", Value: 1})}, fresh, false},
		{"another boot's", []step{change("that", ByRun, limit), admin(Setting{Name: "b", Value: 64}), change(boot, ByRun, on), back(ByRun)}, fresh, false},
		{
			"somebody else changed the limit",
			[]step{start, admin(Setting{Name: "b", Value: 300}), back(ByRun)},
			with(func(st *kaudit.Status) { st.BacklogLimit = 300 }), false,
		},
		{
			"somebody else changed the limit between two starts",
			[]step{start, admin(Setting{Name: "b", Value: 300}), start, back(ByRun)},
			with(func(st *kaudit.Status) { st.BacklogLimit = 300 }), false,
		},
		{
			"the boot had switched auditing on",
			[]step{change(boot, ByApply, on), start, back(ByRun)},
			with(func(st *kaudit.Status) { st.Enabled = 1 }), true,
		},
		{"the boot had switched auditing on, and all is removed", []step{change(boot, ByApply, on), start, back(ByRun), back("")}, fresh, false},
		{
			"a person changed what the daemon had set",
			[]step{start, change(boot, ByApply, Setting{Name: "b", Value: 300}), back(ByRun)},
			with(func(st *kaudit.Status) { st.BacklogLimit = 300 }), true,
		},
		{"a person changed what the daemon had set, and all is removed", []step{start, change(boot, ByApply, Setting{Name: "b", Value: 300}), back(ByRun), back("")}, fresh, false},
		{
			"locked in the meantime",
			[]step{start, admin(Setting{Name: "e", Value: 2}), back("")},
			kaudit.Status{Enabled: 2, Failure: 1, BacklogLimit: 8192},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, dir := &fakeKernel{status: fresh}, t.TempDir()
			for _, s := range tt.steps {
				s(t, k, dir)
			}
			if k.status != tt.want {
				t.Errorf("got  %+v\nwant %+v", k.status, tt.want)
			}
			if _, err := os.Stat(filepath.Join(dir, foundName)); (err == nil) != tt.left {
				t.Errorf("the file: %v, want it to be there: %v", err, tt.left)
			}
		})
	}
}
