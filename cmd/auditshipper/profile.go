package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// profiled runs f and writes cpu.pprof and heap.pprof into dir, unless that is
// empty. The heap's is of the moment when f returns. See make profile.
func profiled(dir string, f func() error) (err error) {
	if dir == "" {
		return f()
	}
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	err = f()
	pprof.StopCPUProfile()
	heap, errHeap := os.Create(filepath.Join(dir, "heap.pprof"))
	if errHeap != nil {
		return errors.Join(err, errHeap)
	}
	return errors.Join(err, pprof.Lookup("heap").WriteTo(heap, 0), heap.Close())
}
