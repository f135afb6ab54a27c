package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/pprof"

	"github.com/auditshipper/auditshipper/internal/safefile"
)

// profiled runs f and writes cpu.pprof and heap.pprof into dir, unless that is
// empty. The heap's is of the moment when f returns. See make profile.
func profiled(dir string, f func() error) (err error) {
	if dir == "" {
		return f()
	}
	into, err := safefile.Open(dir)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { err = errors.Join(err, into.Close()) }()
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	cpu, err := into.OpenFile("cpu.pprof", flags, 0o600)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	err = f()
	pprof.StopCPUProfile()
	heap, errHeap := into.OpenFile("heap.pprof", flags, 0o600)
	if errHeap != nil {
		return errors.Join(err, errHeap)
	}
	return errors.Join(err, pprof.Lookup("heap").WriteTo(heap, 0), heap.Close())
}
