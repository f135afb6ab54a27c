package kaudit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/kaudit"
	"github.com/auditshipper/auditshipper/internal/kerneltest"
)

// register returns a registered listener over landing.
func register(t *testing.T, c *kaudit.Control, landing *kaudit.Landing) *kaudit.Listener {
	t.Helper()
	if err := c.SetEnabled(kaudit.Enabled); err != nil { // else the kernel ignores what say says
		t.Fatal(err)
	}
	l, err := kaudit.Listen(-1, landing)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Register(); err != nil {
		t.Fatal(err)
	}
	s, err := c.Status()
	if err != nil {
		t.Fatal(err)
	}
	if int(s.PID) != os.Getpid() {
		t.Fatalf("registered pid %d, want %d", s.PID, os.Getpid())
	}
	return l
}

// say makes the kernel send one record of user space with text in it.
func say(t *testing.T, text string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	msg := kaudit.AppendMessage(nil, 1112, unix.NLM_F_REQUEST, 1, append([]byte(text), 0))
	if err := unix.Sendto(fd, msg, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
}

// receive returns records until one holds text.
func receive(t *testing.T, l *kaudit.Listener, base uint64, text string) [][]byte {
	t.Helper()
	var got [][]byte
	for {
		recs, err := l.Receive(base + uint64(len(got)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range recs {
			got = append(got, bytes.Clone(r))
			if bytes.Contains(r, []byte(text)) {
				return got
			}
		}
	}
}

func TestKernelReceive(t *testing.T) {
	c := kerneltest.Need(t)
	landing, err := kaudit.OpenLanding(filepath.Join(t.TempDir(), "landing"))
	if err != nil {
		t.Fatal(err)
	}
	if landing.Volatile != nil {
		t.Fatal(landing.Volatile)
	}
	l := register(t, c, landing)
	defer l.Close()

	say(t, "op=receive-test-1")
	recs := receive(t, l, 1, "receive-test-1")
	last := recs[len(recs)-1]
	if typ := int(last[0]) | int(last[1])<<8; typ != 1112 || !bytes.HasPrefix(last[2:], []byte("audit(")) {
		t.Errorf("record %q has type %d, want 1112 and a text that begins with audit(", last, typ)
	}

	l.Wake()
	if recs, err := l.Receive(2); len(recs) != 0 || err != nil {
		t.Errorf("woken: got %q, %v, want nothing", recs, err)
	}
	l.Stop()
	if _, err := l.Receive(2); !errors.Is(err, os.ErrClosed) {
		t.Errorf("stopped: got %v, want os.ErrClosed", err)
	}
	if err := l.Unregister(); err != nil {
		t.Fatal(err)
	}
	if s, _ := c.Status(); s.PID != 0 {
		t.Errorf("pid %d is registered after Unregister", s.PID)
	}
}

// TestKernelLanding abandons what it received, as a killed process would, and
// requires the next opening to find it, less what the journal has.
func TestKernelLanding(t *testing.T) {
	c := kerneltest.Need(t)
	path := filepath.Join(t.TempDir(), "landing")
	landing, err := kaudit.OpenLanding(path)
	if err != nil {
		t.Fatal(err)
	}
	l := register(t, c, landing)
	defer l.Close()

	say(t, "op=before")
	before := receive(t, l, 1, "op=before")
	next := uint64(1 + len(before))
	recs := batchOfThree(t, c, l, &next)
	want := [][]byte{bytes.Clone(recs[0]), bytes.Clone(recs[1]), bytes.Clone(recs[2])}

	for have := range uint64(5) { // how many of the three the journal has; more is possible after a crash
		again, err := kaudit.OpenLanding(path)
		if err != nil {
			t.Fatal(err)
		}
		left := again.Left(next + have)
		if wantLen := max(0, 3-int(have)); len(left) != wantLen {
			t.Fatalf("journal has %d: %d records left, want %d", have, len(left), wantLen)
		}
		for i, r := range left {
			if !bytes.Equal(r, want[int(have)+i]) {
				t.Errorf("journal has %d: left %q, want %q", have, r, want[int(have)+i])
			}
		}
		again.Close()
	}

	l.Wake()
	if _, err := l.Receive(next + 3); err != nil { // they are safe now
		t.Fatal(err)
	}
	again, err := kaudit.OpenLanding(path)
	if err != nil {
		t.Fatal(err)
	}
	if left := again.Left(0); len(left) != 0 {
		t.Errorf("after the next Receive %d records are left, want none: %q", len(left), left)
	}
}

// batchOfThree returns three records that arrived in one batch, of which the
// first has the sequence *next.
func batchOfThree(t *testing.T, c *kaudit.Control, l *kaudit.Listener, next *uint64) [][]byte {
	t.Helper()
	for range 50 {
		for _, text := range []string{"op=one", "op=two", "op=three"} {
			say(t, text)
		}
		for s, err := c.Status(); s.Backlog > 0; s, err = c.Status() { // on its way to the socket
			if err != nil {
				t.Fatal(err)
			}
		}
		for seen := 0; seen < 3; {
			recs, err := l.Receive(*next)
			if err != nil {
				t.Fatal(err)
			}
			if len(recs) == 3 {
				return recs
			}
			seen += len(recs)
			*next += uint64(len(recs))
		}
	}
	t.Fatal("the kernel never sent three records together")
	return nil
}

func TestKernelControl(t *testing.T) {
	c := kerneltest.Need(t)
	if err := c.SetBacklogLimit(321); err != nil {
		t.Fatal(err)
	}
	if err := c.SetBacklogWaitTime(7); err != nil {
		t.Fatal(err)
	}
	s, err := c.Status()
	if err != nil {
		t.Fatal(err)
	}
	if s.BacklogLimit != 321 || s.BacklogWaitTime != 7 {
		t.Errorf("backlog_limit %d, backlog_wait_time %d, want 321 and 7", s.BacklogLimit, s.BacklogWaitTime)
	}
	if _, err := c.ResetLost(); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Features(); err != nil {
		t.Error(err)
	}
	if err := c.AddRule(make([]byte, 3)); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a rule of three bytes: got %v, want EINVAL", err)
	}
	if err := c.MakeEquivalent("/nowhere-at-all", "/nowhere-at-all"); !errors.Is(err, unix.ENOENT) {
		t.Errorf("equivalence of nothing: got %v, want ENOENT", err)
	}
}

// A few records are soon followed by the rest of what a short-lived process
// does; many are left to gather, where there is room.
func TestPause(t *testing.T) {
	for _, c := range []struct {
		half, came int
		want       time.Duration
	}{
		{64 << 20, 1, 2 * time.Millisecond},
		{64 << 20, 63, 2 * time.Millisecond},
		{64 << 20, 64, 10 * time.Millisecond},
		{106496, 100_000, 2 * time.Millisecond}, // the kernel's default buffer holds 35 events
	} {
		if got := kaudit.Pause(c.half, c.came); got != c.want {
			t.Errorf("a pause of %v after %d records, half a buffer of %d, want %v", got, c.came, c.half, c.want)
		}
	}
}

func TestKernelQueued(t *testing.T) {
	c := kerneltest.Need(t)
	landing, err := kaudit.OpenLanding(filepath.Join(t.TempDir(), "landing"))
	if err != nil {
		t.Fatal(err)
	}
	l := register(t, c, landing)
	defer l.Close()
	if _, err := l.SetBuffer(16 << 20); err != nil {
		t.Fatal(err)
	}
	const said = 500
	for i := range said {
		say(t, fmt.Sprint("queued ", i))
	}
	// The kernel's audit thread sends them when it gets to it.
	for deadline := time.Now().Add(10 * time.Second); l.Queued() < said*500; {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes queued for %d records", l.Queued(), said)
		}
		runtime.Gosched()
	}
	receive(t, l, 1, fmt.Sprint("queued ", said-1))
	if n := l.Queued(); n != 0 {
		t.Errorf("%d bytes queued in an empty socket", n)
	}
}

// TestKernelControlShared asks one Control from several goroutines. None may take the
// answer that another waits for.
func TestKernelControlShared(t *testing.T) {
	c := kerneltest.Need(t)
	ask := func() error {
		for range 100 {
			_, err := c.Status()
			_, err2 := c.ListRules()
			if err := errors.Join(err, err2); err != nil {
				return err
			}
		}
		return nil
	}
	const askers = 4
	answers := make(chan error, askers)
	for range askers {
		go func() { answers <- ask() }()
	}
	for range askers {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}
