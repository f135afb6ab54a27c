//go:build linux && amd64

// Loadgen deletes and renames files at a steady pace, or as fast as it can, and
// knows exactly what it did: the load of the benchmarks and the truth for tests.
//
//	loadgen -dir DIR [-n EVENTS] [-rate PER_SECOND] [-procs N] [-truth FILE]
//
// The same flags do the same operations on the same names. When it is done it
// prints one line of JSON: the number of audited calls, how many records an
// x86_64 kernel makes of them if every one is audited, and how long they took.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// A Result is what loadgen prints.
type Result struct {
	Events  int     `json:"events"`
	Records int     `json:"records"`
	Seconds float64 `json:"seconds"`
}

type options struct {
	dir    string
	n      int
	rate   float64
	procs  int
	slice  time.Duration
	truth  string
	worker int
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "scratch directory; what it works on is made below it")
	flag.IntVar(&o.n, "n", 9000, "audited calls, all processes together")
	flag.Float64Var(&o.rate, "rate", 0, "audited calls a second, all processes together; 0 is flat out")
	flag.IntVar(&o.procs, "procs", 1, "processes that share the work")
	flag.DurationVar(&o.slice, "slice", 2*time.Millisecond, "the pace is kept in slices of this length")
	flag.StringVar(&o.truth, "truth", "", "write a line of JSON for every call to this file")
	flag.IntVar(&o.worker, "worker", -1, "internal: which of the processes this is")
	flag.Parse()
	run := all
	if o.worker >= 0 {
		run = work
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

// share is how many of n calls process i of procs makes.
func share(n, i, procs int) int { return n*(i+1)/procs - n*i/procs }

// all has the work done by the processes, waits for them and tells the truth.
func all(o options) error {
	if o.dir == "" {
		return errors.New("-dir is missing")
	}
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	r := Result{}
	for i := range o.procs {
		n := share(o.n, i, o.procs)
		r.Events += n
		r.Records += records(n)
		if err := prepare(o.dir, i); err != nil {
			return err
		}
	}
	start := time.Now()
	if err := spawn(o); err != nil {
		return err
	}
	r.Seconds = time.Since(start).Seconds()
	if o.truth != "" {
		if err := writeTruth(o); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func spawn(o options) error {
	cmds := make([]*exec.Cmd, o.procs)
	for i := range cmds {
		cmds[i] = exec.Command("/proc/self/exe", "-worker", fmt.Sprint(i), "-dir", o.dir, "-n", fmt.Sprint(o.n),
			"-rate", fmt.Sprint(o.rate), "-procs", fmt.Sprint(o.procs), "-slice", o.slice.String())
		cmds[i].Stderr = os.Stderr
		cmds[i].SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
		if err := cmds[i].Start(); err != nil {
			return err
		}
	}
	var errs []error
	for i, c := range cmds {
		if err := c.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("process %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// work makes one process's share of the calls.
func work(o options) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // nothing is allocated in the loop
	w, err := openWorker(o.dir, o.worker)
	if err != nil {
		return err
	}
	n := share(o.n, o.worker, o.procs)
	pace := pacer{start: time.Now(), perSecond: o.rate / float64(o.procs), slice: o.slice}
	for i := 0; i < n; {
		for due := min(pace.due(), n); i < due; i++ {
			if err := w.do(i); err != nil {
				return fmt.Errorf("call %d, %s: %w", i, cycle[i%len(cycle)].name, err)
			}
		}
		if i < n {
			pace.wait()
		}
	}
	return nil
}

// A pacer tells how much is due by now. It never gives up what it is behind, so
// a load that the machine can carry on average comes to its full count.
type pacer struct {
	start     time.Time
	perSecond float64
	slice     time.Duration
}

func (p *pacer) due() int {
	if p.perSecond == 0 {
		return 1 << 62
	}
	return int(time.Since(p.start).Seconds()*p.perSecond) + 1
}

// wait sleeps to the start of the next slice, in the kernel: the runtime's
// timers are coarser.
func (p *pacer) wait() {
	rest := p.slice - time.Since(p.start)%p.slice
	ts := unix.NsecToTimespec(int64(rest))
	_ = unix.Nanosleep(&ts, nil) // an early end is harmless
}

func writeTruth(o options) error {
	f, err := os.Create(o.truth)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	enc := json.NewEncoder(out)
	for i := range o.procs {
		w := worker{base: base(o.dir, i)}
		for call := range share(o.n, i, o.procs) {
			if err := enc.Encode(w.deed(call)); err != nil {
				return err
			}
		}
	}
	return errors.Join(out.Flush(), f.Close())
}
