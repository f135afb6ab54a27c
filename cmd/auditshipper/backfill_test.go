//go:build amd64

package main

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// TestKernelBackfill loses events beside an auditd that does not: those that the
// socket had no room for, and those of a time without us. They come from its log,
// once, and the gap of what is there after all is none.
func TestKernelBackfill(t *testing.T) {
	kerneltest.Need(t)
	log, stopAuditd := startAuditd(t)
	auditctl(t, "-b", "8192")
	r := newRig(t, fmt.Sprintf("source: {mode: multicast, receive_buffer: 64KiB, file: %s}\n", log))
	r.start()
	var all []deed
	t.Cleanup(func() {
		if t.Failed() {
			absent := r.absent(all)
			t.Logf("%d of %d absent, such as %+v; gaps %+v", len(absent), len(all), absent[:min(len(absent), 3)], r.gaps())
		}
	})
	end := r.begin(spec{Count: 6000, Rate: 3000, Seed: 3})
	r.eventually(5*time.Second, "the flood", func() bool { return len(r.ours()) > 100 })
	r.signal(unix.SIGSTOP)
	_, all = end()
	r.signal(unix.SIGCONT)
	r.eventually(20*time.Second, "that they were found", func() bool { return r.backfilled() > 0 })
	r.eventually(20*time.Second, "all events", func() bool { return len(r.absent(all)) == 0 })
	if gaps := r.gaps(); len(gaps) > 0 {
		t.Errorf("gaps %+v, although nothing is missing", gaps)
	}
	flood := r.backfilled()

	r.kill()
	_, unseen := r.work(spec{Dir: "again", Count: 300, Seed: 5})
	all = append(all, unseen...)
	r.start()
	r.eventually(30*time.Second, "that all were found", func() bool { return r.backfilled() >= flood+uint64(len(unseen)) })
	r.eventually(10*time.Second, "all events", func() bool { return len(r.absent(all)) == 0 })
	if gaps := r.gaps(); len(gaps) != 0 {
		t.Errorf("gaps %+v, although the serials tell that nothing is missing", gaps)
	}
	t.Logf("found: %d of the flood, %+v", flood, r.gaps())
	ids := map[string]bool{}
	for _, e := range r.ours() {
		if e.Partial {
			continue
		}
		if ids[e.ID] {
			t.Errorf("twice: %+v", e)
		}
		ids[e.ID] = true
	}
	r.stop()
	stopAuditd()
}

// backfilled is how many events were said to come from auditd's log, with nothing
// missing afterwards.
func (r *rig) backfilled() (n uint64) {
	for _, e := range r.arrived() {
		if e.Action == "daemon" && e.Op == "backfill" {
			n += e.Count
		}
	}
	return n
}

// absent returns the deeds that did not arrive whole. The process that did them
// may have ended before they were read, so a name may be all there is of a path;
// no two deeds have the same.
func (r *rig) absent(deeds []deed) (absent []deed) {
	whole := map[deed]bool{}
	for _, e := range r.ours() {
		if !e.Partial {
			whole[deed{Syscall: e.Syscall, Action: e.Action, Path: e.Path, Dest: e.Dest}] = true
		}
	}
	for _, d := range deeds {
		d.Millis = 0
		short := deed{Syscall: d.Syscall, Action: d.Action, Path: filepath.Base(d.Path)}
		if d.Dest != "" {
			short.Dest = filepath.Base(d.Dest)
		}
		if !whole[d] && !whole[short] {
			absent = append(absent, d)
		}
	}
	return absent
}
