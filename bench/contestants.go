package main

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A contestant is somebody who reads audit events.
type contestant struct {
	name      string
	unaudited bool                 // auditing is off: the measure of slow-down
	start     func(e *entry) error // nil: nobody reads
	ours      bool                 // delivers to a service, and may be held up by it
	null      bool                 // throws everything away
	full      bool                 // has a large journal and many rules: only its cost is of interest
}

// Contestants that others are compared to.
const (
	noAudit    = "no audit"
	nullReader = "null reader"
	itself     = "itself" // when it has an empty journal and one rule
)

// full is how the name ends of one who has a full journal and many rules.
const full = " full"

// contestants are all that can take part here.
func contestants(o options) []contestant {
	list := []contestant{
		{name: noAudit, unaudited: true},
		{name: "rules only"},
		{name: nullReader, start: null("recvmsg", 256<<20), null: true},
		{name: "null batching", start: null("recvmmsg", 256<<20), null: true},
		{name: "null default buffer", start: null("recvmsg", 0), null: true},
	}
	for path := range strings.SplitSeq(o.programs, ",") {
		list = append(list, contestant{name: filepath.Base(path), start: ours(path), ours: true},
			contestant{name: filepath.Base(path) + full, start: ours(path), ours: true, full: true})
	}
	if installed("auditd") {
		list = append(list, contestant{name: "auditd raw", start: auditd("RAW", false)},
			contestant{name: "auditd enriched", start: auditd("ENRICHED", false)})
	}
	if installed("auditd") && installed("laurel") {
		list = append(list, contestant{name: "auditd + laurel", start: auditd("RAW", true)})
	}
	if o.goAudit != "" {
		list = append(list, contestant{name: "go-audit", start: goAudit(o.goAudit)})
	}
	if o.auditbeat != "" {
		list = append(list, contestant{name: "auditbeat", start: auditbeat(o.auditbeat)})
	}
	return list
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// file is the contestant's name as a file's.
func (c contestant) file() string {
	return strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return '-'
		}
		return r
	}, c.name)
}

// A tally is what a contestant has got of the measured rule's events.
type tally struct {
	Complete int // events that lack no record
	Bytes    int // of them, as kept or sent
}

// An entry is a contestant in a trial.
type entry struct {
	*bench
	contestant
	kernel *kernel
	dir    string // the contestant's own, empty at the start

	cmd   *exec.Cmd // what is measured, with its children
	count func() (tally, error)
	base  tally // what had been counted before the trial

	endpoint *endpoint // ours
	keeper   *keeper
}

// start starts the contestant, if there is one, and waits until it is the
// kernel's audit daemon.
func (e *entry) start() error {
	e.count = func() (tally, error) { return tally{}, nil }
	if e.contestant.start == nil {
		return nil
	}
	err := e.contestant.start(e)
	if err == nil {
		err = e.kernel.daemon(e.cmd.Process.Pid)
	}
	if err != nil {
		return err
	}
	return e.rest()
}

// rest waits until what the start has caused is over, and counts from there.
func (e *entry) rest() error {
	pause := 500 * time.Millisecond
	if e.full {
		pause = 3 * time.Second // to load the rules, and to deliver that they were
	}
	time.Sleep(pause)
	var err error
	e.base, err = e.count()
	return err
}

// run starts a command as the contestant.
func (e *entry) run(cmd *exec.Cmd) error {
	e.cmd = cmd
	return cmd.Start()
}

func (e *entry) stop() error {
	var errs []error
	if e.cmd != nil && e.cmd.Process != nil && e.cmd.ProcessState == nil {
		errs = append(errs, terminate(e.cmd))
	}
	return errors.Join(append(errs, e.keeper.close(), e.endpoint.close())...)
}

// pids are the processes that are measured.
func (e *entry) pids() ([]int, error) { return family(e.cmd.Process.Pid) }

// tally is what came since the last rest.
func (e *entry) tally() (tally, error) {
	t, err := e.count()
	return tally{Complete: t.Complete - e.base.Complete, Bytes: t.Bytes - e.base.Bytes}, err
}

// settle waits until n events have come, or no more do, and returns how many.
func (e *entry) settle(n int) (tally, error) {
	last, since := tally{Complete: -1}, time.Now()
	for {
		t, err := e.tally()
		if err != nil || t.Complete >= n {
			return t, err
		}
		s, err := e.kernel.Status()
		if err != nil {
			return t, err
		}
		if t.Complete > last.Complete || s.Backlog > 0 {
			last, since = t, time.Now()
		}
		if time.Since(since) > patience {
			return t, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// patience is how long nothing must come until nothing is expected to come any
// more. It is longer than any of the contestants gathers events.
const patience = 2500 * time.Millisecond
