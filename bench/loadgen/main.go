//go:build linux && amd64

// Loadgen deletes and renames files at a steady pace, or as fast as it can, and
// knows exactly what it did: the load of the benchmarks and the truth for tests.
//
//	loadgen -dir DIR [-n EVENTS] [-rate PER_SECOND] [-slice DURATION] [-procs N] [-truth FILE]
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
	Dir   string
	N     int
	Rate  float64
	Procs int
	Slice time.Duration
	Truth string

	Worker int // which of the processes this is
}

// workerEnv holds the options of a worker, as JSON: its command line stands in
// every event, so it is as short as that of rm.
const workerEnv = "LOADGEN_WORKER"

func main() {
	var o options
	run := all
	if spec := os.Getenv(workerEnv); spec != "" {
		run = func(o options) error {
			if err := json.Unmarshal([]byte(spec), &o); err != nil {
				return err
			}
			return work(o)
		}
	}
	flag.StringVar(&o.Dir, "dir", "", "scratch directory; what it works on is made below it")
	flag.IntVar(&o.N, "n", 9000, "audited calls, all processes together")
	flag.Float64Var(&o.Rate, "rate", 0, "audited calls a second, all processes together; 0 is flat out")
	flag.IntVar(&o.Procs, "procs", 1, "processes that share the work")
	flag.DurationVar(&o.Slice, "slice", 0, "make the calls of so long in one go; 0 makes each when it is due")
	flag.StringVar(&o.Truth, "truth", "", "write a line of JSON for every call to this file")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

// share is how many of n calls process i of procs makes.
func share(n, i, procs int) int { return n*(i+1)/procs - n*i/procs }

// all has the work done by the processes, waits for them and tells the truth.
func all(o options) error {
	if o.Dir == "" {
		return errors.New("-dir is missing")
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	r := Result{}
	for i := range o.Procs {
		n := share(o.N, i, o.Procs)
		r.Events += n
		r.Records += records(n)
		if err := prepare(o.Dir, i); err != nil {
			return err
		}
	}
	start := time.Now()
	if err := spawn(o); err != nil {
		return err
	}
	r.Seconds = time.Since(start).Seconds()
	if o.Truth != "" {
		if err := writeTruth(o); err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func spawn(o options) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmds := make([]*exec.Cmd, o.Procs)
	for i := range cmds {
		o.Worker = i
		spec, err := json.Marshal(o)
		if err != nil {
			return err
		}
		cmds[i] = exec.Command(program)
		cmds[i].Args = []string{"loadgen"}
		cmds[i].Env = append(os.Environ(), workerEnv+"="+string(spec))
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
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil { // 50 µs otherwise
		return fmt.Errorf("set timer slack: %w", err)
	}
	debug.SetGCPercent(-1) // nothing is allocated in the loop
	w, err := openWorker(o.Dir, o.Worker)
	if err != nil {
		return err
	}
	n := share(o.N, o.Worker, o.Procs)
	pace := pacer{start: time.Now(), perSecond: o.Rate / float64(o.Procs), slice: o.Slice}
	for i := 0; i < n; {
		for due := min(pace.due(), n); i < due; i++ {
			if err := w.do(i); err != nil {
				return fmt.Errorf("call %d, %s: %w", i, cycle[i%len(cycle)].name, err)
			}
		}
		if i < n {
			pace.wait(i)
		}
	}
	return nil
}

// A pacer tells how much is due by now. It never gives up what it is behind, so
// a load that the machine can carry on average comes to its full count.
type pacer struct {
	start     time.Time
	perSecond float64
	slice     time.Duration // calls of so long are made in one go; 0 has each made when it is due
}

func (p *pacer) due() int {
	if p.perSecond == 0 {
		return 1 << 62
	}
	return int(time.Since(p.start).Seconds()*p.perSecond) + 1
}

// wait sleeps until call i, counted from 0, or the next slice is due.
func (p *pacer) wait(i int) {
	spent := time.Since(p.start)
	rest := time.Duration(float64(i)/p.perSecond*float64(time.Second)) - spent
	if p.slice > 0 {
		rest = p.slice - spent%p.slice
	}
	if rest > 0 {
		ts := unix.NsecToTimespec(int64(rest))
		_ = unix.Nanosleep(&ts, nil) // in the kernel, the runtime's timers are coarser; an early end is harmless
	}
}

func writeTruth(o options) error {
	f, err := os.Create(o.Truth)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	enc := json.NewEncoder(out)
	for i := range o.Procs {
		w := worker{base: base(o.Dir, i)}
		for call := range share(o.N, i, o.Procs) {
			if err := enc.Encode(w.deed(call)); err != nil {
				return err
			}
		}
	}
	return errors.Join(out.Flush(), f.Close())
}
