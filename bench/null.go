package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// null returns the start of the null reader, which reads as how says with a
// receive buffer of so many bytes.
func null(how string, buffer int) func(*entry) error {
	return func(e *entry) error {
		counts := filepath.Join(e.dir, "counts")
		e.count = func() (tally, error) { return readCounts(counts) }
		cmd := exec.Command(e.bin("null"), counts, how, fmt.Sprint(buffer))
		cmd.Stderr = os.Stderr
		return e.run(cmd)
	}
}

// readCounts reads what null.c calls struct counts.
func readCounts(path string) (tally, error) {
	var c struct{ Records, Bytes, Complete, Overruns uint64 }
	f, err := os.Open(path)
	if err != nil {
		return tally{}, err
	}
	defer f.Close()
	err = binary.Read(f, binary.NativeEndian, &c)
	return tally{Complete: int(c.Complete), Bytes: int(c.Bytes)}, err
}
