package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpu is the time that the processes have used so far, user and system, all
// threads, ended ones too.
func cpu(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		const sched = 2 // CPUCLOCK_SCHED, include/linux/posix-timers.h
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|sched), &ts); err != nil {
			return 0, fmt.Errorf("read the clock of process %d: %w", pid, err)
		}
		sum += time.Duration(ts.Nano())
	}
	return sum, nil
}

// resetPeaks makes the peak of resident memory begin anew.
func resetPeaks(pids []int) error {
	for _, pid := range pids {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
			return err
		}
	}
	return nil
}

// memory is the sum of a field of /proc/PID/status, such as VmHWM, in MiB.
func memory(pids []int, field string) (float64, error) {
	sum := 0.0
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := bytes.Cut(text, []byte("\n"+field+":"))
		line, _, _ := strings.Cut(string(rest), " kB")
		kib, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return 0, fmt.Errorf("%s of process %d: %w", field, pid, err)
		}
		sum += float64(kib) / 1024
	}
	return sum, nil
}

// family is pid and its children.
func family(pid int) ([]int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	pids := []int{pid}
	for _, word := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}

// kauditd finds the kernel's thread that hands records over.
func kauditd() (int, error) {
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if text, _ := os.ReadFile(name); string(text) == "kauditd\n" { // processes come and go
			return strconv.Atoi(strings.Split(name, "/")[2])
		}
	}
	return 0, errors.New("there is no kauditd")
}

// terminate ends a process that this program started, the hard way if it must.
func terminate(c *exec.Cmd) error {
	if err := c.Process.Signal(unix.SIGTERM); err != nil {
		return err
	}
	hard := time.AfterFunc(15*time.Second, func() { c.Process.Kill() }) // it may have ended
	defer hard.Stop()
	err := c.Wait()
	var status *exec.ExitError
	if errors.As(err, &status) && !status.Sys().(syscall.WaitStatus).Signaled() {
		return fmt.Errorf("%s: %w", c.Path, err)
	}
	return nil
}

// eventually waits for a condition.
func eventually(patience time.Duration, what string, ok func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for {
		yes, err := ok()
		if err != nil || yes {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v for %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
