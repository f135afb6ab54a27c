package main

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/logstest"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// TestInterrupt sends this process what Ctrl-C sends while queries run: none is left
// running at the endpoint.
func TestInterrupt(t *testing.T) {
	s := logstest.New(logstest.Options{ScanRate: 1})
	fleetTruth(t, s, "/fleet", 2, 200)
	config := readsFrom(t, s)
	for _, words := range [][]string{{"search", "-k", "efs"}, {"report", "--by", "user"}} {
		ctx, stop := untilStopped(t.Context())
		ended := make(chan int, 1)
		var out, errs bytes.Buffer
		go func() {
			ended <- execute(ctx, append(words, "--config", config, "--log-group", "/fleet", "--engine", "insights", "--slices", "3"), &out, &errs)
		}()
		began, cancel := context.WithTimeout(ctx, time.Minute)
		for s.RunningQueries() == 0 {
			if err := ship.Pause(began, 5*time.Millisecond); err != nil {
				t.Fatal(err, errs.String())
			}
		}
		cancel()
		if err := unix.Kill(os.Getpid(), unix.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code := <-ended; code == 0 || s.RunningQueries() != 0 {
			t.Errorf("%q: exit %d, %d queries run on: %s", words, code, s.RunningQueries(), errs.String())
		}
		stop()
	}
}
