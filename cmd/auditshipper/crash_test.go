package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	roles["AUDITSHIPPER_TEST_CRASH"] = func(how string) error {
		dieBySignal()
		if how == "panic" {
			panic("no way on")
		}
		if err := unix.Kill(os.Getpid(), unix.SIGABRT); err != nil {
			return err
		}
		select {}
	}
}

// TestCrashIsNoFault requires that neither a panic nor the abort of a service manager
// ends with the status of a wrong configuration, after which nobody starts the daemon
// again, and that both leave what the program was at.
func TestCrashIsNoFault(t *testing.T) {
	for _, how := range []string{"panic", "abort"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), "AUDITSHIPPER_TEST_CRASH="+how)
		var said bytes.Buffer
		cmd.Stderr = &said
		err := cmd.Run()
		ended, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if err == nil || !ok || !ended.Signaled() || ended.Signal() != syscall.SIGABRT {
			t.Errorf("%s: ended with %v", how, fmt.Sprint(err))
		}
		if !strings.Contains(said.String(), "goroutine ") {
			t.Errorf("%s: left no trace: %s", how, said.String())
		}
	}
}
