//go:build amd64

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// TestKernelFlood stops the daemon in the middle of a flood, so that the kernel
// must drop events: what does not arrive whole lies within the span of a gap.
// Beside another daemon the serials tell how many exactly; where the kernel's
// own queue was full they cannot, and the gap says so.
func TestKernelFlood(t *testing.T) {
	for _, tt := range []struct{ name, extra string }{
		{"socket", "source: {mode: multicast, receive_buffer: 64KiB}\n"},
		{"queue", "source: {receive_buffer: 64KiB}\nkernel: {backlog_limit: 64}\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kerneltest.Need(t)
			r := newRig(t, tt.extra)
			r.start()
			end := r.begin(spec{Count: 6000, Rate: 3000, Seed: 3})
			r.eventually(5*time.Second, "the flood", func() bool { return len(r.ours()) > 100 })
			r.signal(unix.SIGSTOP)
			pid, deeds := end()
			r.signal(unix.SIGCONT)
			r.eventually(10*time.Second, "a gap", func() bool { return len(r.gaps()) > 0 })
			r.stop()

			arrived, partial := map[deed]bool{}, 0
			for _, e := range r.ours() {
				switch {
				case e.Partial, e.PathFrom == "unresolved": // it arrived, without what tells which it is
					partial++
				case e.PID != pid:
					t.Errorf("arrived but not ours: %+v", e)
				default:
					arrived[deed{Syscall: e.Syscall, Action: e.Action, Path: e.Path, Dest: e.Dest}] = true
				}
			}
			missing, gaps := 0, r.gaps()
			for _, d := range deeds {
				at := time.UnixMilli(d.Millis)
				d.Millis = 0
				if arrived[d] {
					continue
				}
				if missing++; !covers(gaps, at) {
					t.Fatalf("missing without a gap: %+v at %v; gaps %+v", d, at, gaps)
				}
			}
			var told uint64
			atLeast := false
			for _, g := range gaps {
				told, atLeast = told+g.Count, atLeast || g.AtLeast
			}
			t.Logf("%d of %d missing, %d partial, gaps tell of %d, at least %t", missing, len(deeds), partial, told, atLeast)
			if missing == 0 {
				t.Fatal("nothing was dropped: the test proves nothing")
			}
			if exact := uint64(missing - partial); told > uint64(missing) || !atLeast && told < exact {
				t.Errorf("gaps tell of %d (at least: %t), %d are missing and %d partial", told, atLeast, missing, partial)
			}
		})
	}
}

// gaps returns the gap events that arrived.
func (r *rig) gaps() []shipped {
	var gaps []shipped
	for _, e := range r.arrived() {
		if e.Action == "gap" {
			gaps = append(gaps, e)
		}
	}
	return gaps
}

// covers reports whether a moment lies in the span of a gap.
func covers(gaps []shipped, at time.Time) bool {
	for _, g := range gaps {
		if !at.Before(g.From) && !at.After(g.To) {
			return true
		}
	}
	return false
}

func (r *rig) signal(sig unix.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// TestKernelDowntime kills a daemon whose socket nobody keeps: the events that
// the kernel made meanwhile are counted.
func TestKernelDowntime(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	_, before := r.work(spec{Count: 50, Seed: 4})
	r.eventually(10*time.Second, "all events", func() bool { return len(r.ours()) >= len(before) })
	r.kill()
	_, unseen := r.work(spec{Count: 300, Seed: 5})
	r.start()
	r.eventually(10*time.Second, "a gap", func() bool { return len(r.gaps()) > 0 })
	r.stop()
	gaps := r.gaps()
	if len(gaps) != 1 || gaps[0].Cause != "downtime" || gaps[0].Count != uint64(len(unseen)) || gaps[0].AtLeast {
		t.Errorf("gaps %+v, want one of downtime with %d events", gaps, len(unseen))
	}
	for _, d := range unseen {
		if !covers(gaps, time.UnixMilli(d.Millis)) {
			t.Fatalf("%+v is not covered by %+v", d, gaps)
		}
	}
}

// TestKernelAbsence kills daemons whose socket nobody keeps while directories change
// places, and their inodes are given to the next ones. What happened meanwhile is not
// known, and no event of before or after may bear a path because of that.
func TestKernelAbsence(t *testing.T) {
	kerneltest.Need(t)
	r := newRig(t, "")
	r.start()
	const rounds = 600
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(`
		deploy() {
			mkdir -p W/$1/src W/$1/dst/deep W/$1/build/out-$1 W/$1/build.new; touch W/$1/src/a-$1 W/$1/build/file-$1 W/$1/build/left-$1
			cd W/$1/src; mv a-$1 ../dst/deep/; cd ../build
			mv out-$1 file-$1 ../build.new/; cd ..
			mv build build.old; mv build.new build
			rm build.old/left-$1; rm -r build build.old
		}
		for of in 1 2 3; do for i in $(seq $of 3 600); do deploy $i; done & all="$all $!"; done
		for one in $all; do wait $one; done`, "W", r.watched))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	kills := 0
	for more := true; more; kills++ {
		wait := time.NewTimer(400 * time.Millisecond)
		select {
		case <-wait.C:
			r.kill()
			absence := time.NewTimer(50 * time.Millisecond)
			<-absence.C
			r.start()
		case err := <-ended:
			if more = false; err != nil {
				t.Fatal(err)
			}
		}
	}
	r.stop() // and delivers what is left
	names, unresolved := 0, 0
	judge := func(e shipped, got, dir string) {
		last := filepath.Base(got)
		_, round, ok := strings.Cut(last, "-")
		if !ok {
			return // of a directory that each round has
		}
		switch names++; {
		case got == last:
			unresolved++
		case got != filepath.Join(r.watched, round, dir, last):
			t.Errorf("%s, truly in %s/%s: %+v", got, round, dir, e)
		}
	}
	for _, e := range r.ours() {
		switch {
		case e.Action == "rename" && strings.HasPrefix(filepath.Base(e.Path), "a-"):
			judge(e, e.Path, "src")
			judge(e, e.Dest, "dst/deep")
		case e.Action == "rename":
			judge(e, e.Path, "build")
			judge(e, e.Dest, "build.new")
		case strings.HasPrefix(filepath.Base(e.Path), "left-"):
			judge(e, e.Path, "build.old")
		default:
			judge(e, e.Path, "build")
		}
	}
	t.Logf("%d kills, %d names, %d unresolved", kills, names, unresolved)
	if names < rounds || kills < 3 {
		t.Errorf("%d names of %d rounds, and %d kills: the test shows nothing", names, rounds, kills)
	}
}
