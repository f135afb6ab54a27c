//go:build amd64

package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// TestKernelDescriptors holds 600 idle connections to the metrics and the control
// socket, and then takes every free descriptor away from the daemon while its
// journal begins new segments. It must neither end nor lose an event.
func TestKernelDescriptors(t *testing.T) {
	kerneltest.Need(t)
	metrics := freePort(t)
	r := newRig(t, "metrics: {listen: "+metrics+"}\njournal: {max_bytes: 64MiB}\n")
	r.start()
	for _, at := range []struct {
		network, address string
		n                int
	}{{"tcp", metrics, 300}, {"unix", r.socket(), 300}} {
		for range at.n {
			c, err := net.Dial(at.network, at.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
	}
	r.eventually(20*time.Second, "idle connections to be bounded", func() bool { return len(r.descriptors()) < 100 })
	r.limit(r.highest() + 1)
	pid, deeds := r.work(spec{Count: 6000, Rate: 3000, Seed: 16}) // three segments
	r.limit(1024)
	var arrived int
	defer func() { t.Logf("%d of %d events arrived", arrived, len(deeds)) }()
	r.eventually(120*time.Second, "all events", func() bool { arrived = r.distinct(); return arrived >= len(deeds) })
	r.stop()
	r.check(pid, deeds)
	if gaps := r.gaps(); len(gaps) > 0 {
		t.Errorf("%d gaps, the first %+v", len(gaps), gaps[0])
	}
}

// freePort is an address on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// descriptors are the numbers of those that the daemon has open.
func (r *rig) descriptors() (all []int) {
	r.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.cmd.Process.Pid))
	if err != nil {
		r.t.Fatalf("%v\n%s", err, r.log)
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// highest is the lowest number such that all below it are taken.
func (r *rig) highest() int {
	taken := map[int]bool{}
	for _, n := range r.descriptors() {
		taken[n] = true
	}
	n := 0
	for taken[n] {
		n++
	}
	return n - 1
}

// limit says how many descriptors the daemon may have from now on.
func (r *rig) limit(n int) {
	r.t.Helper()
	if err := unix.Prlimit(r.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: 4096}, nil); err != nil {
		r.t.Fatal(err)
	}
	if strings.Contains(r.log.String(), "too many open files") {
		r.t.Logf("log:\n%s", r.log)
	}
}
