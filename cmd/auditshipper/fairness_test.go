//go:build amd64

package main

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
	"github.com/auditshipper/auditshipper/internal/logstest"
)

// TestKernelFairness lets one user's two processes delete much more than the journal
// holds, while the endpoint is away, then another user delete a little, and kills the
// daemon. All that the other one did arrives, and of the first one a gap tells exactly
// how many events are missing.
func TestKernelFairness(t *testing.T) {
	kerneltest.Need(t)
	const heavy, light = 4711, 4712
	const heavily, lightly, recordsEach = 2 * 4000, 100, 6
	r := newRig(t, "journal: {max_bytes: 4MiB, keep_delivered: 0}\n")
	r.start()
	r.endpoint.Always(logstest.Unavailable)
	first, second := r.deleteAs(heavy, heavily/2), r.deleteAs(heavy, heavily/2)
	first()
	second()
	r.deleteAs(light, lightly)()
	r.eventually(20*time.Second, "all records", func() bool {
		st, err := askSocket(r.socket())
		return err == nil && st.Source.Records >= recordsEach*(heavily+lightly) && st.Journal.Flooded > 0 && st.Journal.FullSince == nil
	})
	r.kill()
	r.endpoint.Mend()
	r.start()
	told := func() (n int) {
		for _, g := range r.gaps() {
			if g.Cause == "flood" {
				if n += int(g.Count); g.UID == nil || *g.UID != heavy {
					t.Fatalf("another's flood: %+v", g)
				}
			}
		}
		return n
	}
	r.eventually(20*time.Second, "the gap", func() bool { return told() > 0 })
	r.stop()

	arrived := map[int]int{}
	for _, e := range r.ours() {
		if arrived[*e.UID]++; e.Partial {
			t.Errorf("in part: %+v", e)
		}
	}
	t.Logf("of user %d arrived %d events, and gaps tell of %d; of user %d arrived %d", heavy, arrived[heavy], told(), light, arrived[light])
	if arrived[light] != lightly || arrived[heavy]+told() != heavily {
		t.Errorf("want %d, and %d altogether", lightly, heavily)
	}
}

// deleteAs has a user make files in the watched directory and delete them, at a rate
// that the kernel's queue bears. It returns what waits for the end.
func (r *rig) deleteAs(uid, files int) (wait func()) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "perl", "-e", fmt.Sprintf(
		`$) = $( = %[1]d; $> = $< = %[1]d; for (1..%[2]d) { open F, ">$$.$_" or die $!; close F; unlink "$$.$_" or die $!; select undef, undef, undef, 0.002 unless $_ %% 5 }`, uid, files))
	cmd.Dir = r.watched
	if err := exec.Command("chmod", "1777", r.watched).Run(); err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	return func() {
		r.t.Helper()
		if err := cmd.Wait(); err != nil {
			r.t.Fatal(err)
		}
	}
}
