//go:build amd64

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// TestKernelRateLimit has the kernel drop what is beyond one record a second. Each
// missing deletion is told once, no more are told than are missing, and status says
// why.
func TestKernelRateLimit(t *testing.T) {
	c := kerneltest.Need(t)
	t.Cleanup(func() { failIf(t, c.SetRateLimit(0)) })
	r := newRig(t, "")
	r.start()
	const files = 40
	failIf(t, c.SetRateLimit(1))
	r.eventually(10*time.Second, "status to tell of the limit", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.State == "degraded"
	})
	remove := func(name string) string {
		path := filepath.Join(r.watched, name)
		failIf(t, os.WriteFile(path, nil, 0o600))
		failIf(t, os.Remove(path))
		return path
	}
	for i := range files {
		remove(fmt.Sprint(i))
	}
	failIf(t, c.SetRateLimit(0))
	last := remove("last")
	r.eventually(20*time.Second, "the last deletion", func() bool {
		return slices.ContainsFunc(r.ours(), func(e shipped) bool { return e.Path == last && e.Action == "delete" })
	})
	r.stop()
	whole := map[string]bool{}
	for _, e := range r.arrived() {
		if e.Action == "delete" && !e.Partial {
			whole[e.ID] = true
		}
	}
	var told uint64
	for _, g := range r.gaps() {
		told += g.Count
	}
	// Settings of the limit are events, too, and the kernel may drop those.
	const settings = 2
	if missing := uint64(files + 1 - len(whole)); told < missing || told > missing+settings {
		t.Errorf("%d deletions are missing, gaps tell of %d: %+v", missing, told, r.gaps())
	}
}
