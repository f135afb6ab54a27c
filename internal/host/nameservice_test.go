package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A fakeDirectory is a name service that a test can slow down or break.
type fakeDirectory struct {
	mu    sync.Mutex
	names map[uint32]string
	takes time.Duration
	err   error
	asked []uint32
	busy  int
	most  int // who were being asked for at a time
}

func (d *fakeDirectory) ask(ctx context.Context, uid uint32) (string, error) {
	d.mu.Lock()
	d.asked = append(d.asked, uid)
	d.busy++
	d.most = max(d.most, d.busy)
	takes := d.takes
	d.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy--
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if d.err != nil {
		return "", d.err
	}
	return d.names[uid], nil
}

// becomes changes the directory.
func (d *fakeDirectory) becomes(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// times is how often it was asked until now, and when all is quiet.
func (d *fakeDirectory) times() int {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

// failures counts what a service could not tell.
type failures struct{ first, all int }

func (f *failures) note(_ uint32, first bool, _ error) {
	f.all++
	if first {
		f.first++
	}
}

// askDirectory runs f in a bubble with the names of a host whose passwd has only
// root, and ends the service after it.
func askDirectory(t *testing.T, failed *failures, d *fakeDirectory, f func(t *testing.T, n *Names)) {
	passwd := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(passwd, []byte("root:x:0:0::/root:/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s := NewNameService(d.ask, failed.note)
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		f(t, &Names{mounts: new(MountTable), path: passwd, service: s, now: time.Now})
		began := time.Now()
		stop()
		running.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("the service ended after %v", took)
		}
	})
}

// wantName requires an answer, at once.
func wantName(t *testing.T, n *Names, uid uint32, want string) {
	t.Helper()
	began := time.Now()
	if got := n.UserName(uid); got != want {
		t.Errorf("user %d is %q, want %q", uid, got, want)
	}
	if took := time.Since(began); took != 0 {
		t.Errorf("user %d: the loop waited for %v", uid, took)
	}
}

// TestNameServiceIsSlow requires that nobody waits for a slow service, that it is
// asked once for an id, and only for those that passwd lacks.
func TestNameServiceIsSlow(t *testing.T) {
	d := &fakeDirectory{names: map[uint32]string{1000: `CORP\ann`, 1001: "bob"}, takes: askTimeout - time.Second}
	askDirectory(t, new(failures), d, func(t *testing.T, n *Names) {
		for range 100 {
			wantName(t, n, 0, "root")
			wantName(t, n, event.Unset, "")
			wantName(t, n, 1000, "")
			wantName(t, n, 1001, "")
		}
		time.Sleep(2 * askTimeout)
		for range 100 {
			wantName(t, n, 1000, `CORP\ann`)
			wantName(t, n, 1001, "bob")
		}
		if got := d.times(); got != 2 || d.most != 1 {
			t.Errorf("asked %v, %d at a time", d.asked, d.most)
		}
	})
}

// TestNameServiceHangs requires that a question without an answer is given up, and
// the next is asked.
func TestNameServiceHangs(t *testing.T) {
	d := &fakeDirectory{names: map[uint32]string{1001: "bob"}, takes: 24 * time.Hour}
	askDirectory(t, new(failures), d, func(t *testing.T, n *Names) {
		wantName(t, n, 1000, "")
		synctest.Wait()
		wantName(t, n, 1001, "")
		d.becomes(func() { d.takes = 0 })
		time.Sleep(askTimeout - time.Second)
		wantName(t, n, 1001, "")
		time.Sleep(2 * time.Second)
		wantName(t, n, 1001, "bob")
		d.becomes(func() { d.takes = 24 * time.Hour })
		wantName(t, n, 1002, "")
		synctest.Wait() // and the service ends while it is asked
	})
}

// TestNameServiceFails requires that a failure is logged once for everybody, tried
// again after a minute and not before, and takes no name away.
func TestNameServiceFails(t *testing.T) {
	var failed failures
	d := &fakeDirectory{names: map[uint32]string{1000: "ann"}, err: errors.New("getent: permission denied")}
	askDirectory(t, &failed, d, func(t *testing.T, n *Names) {
		for range 10 * 60 {
			wantName(t, n, 1000, "")
			time.Sleep(time.Second)
		}
		if got := d.times(); got < 9 || got > 10 {
			t.Errorf("asked %d times in ten minutes, want once in each", got)
		}
		if failed.first != 1 || failed.all < 9 {
			t.Errorf("%d of %d failures are the first, want 1", failed.first, failed.all)
		}
		d.becomes(func() { d.err = nil })
		time.Sleep(2 * missedExpires)
		wantName(t, n, 1000, "")
		synctest.Wait()
		wantName(t, n, 1000, "ann")
		d.becomes(func() { d.err = errors.New("no route to host") })
		for range 60 {
			time.Sleep(time.Minute)
			wantName(t, n, 1000, "ann")
		}
	})
}

// TestNamesExpire requires that a name is asked for again after its time, that the
// old one is served meanwhile, and that a user who is not there is asked for each
// minute.
func TestNamesExpire(t *testing.T) {
	d := &fakeDirectory{names: map[uint32]string{1000: "ann"}, takes: time.Second}
	askDirectory(t, new(failures), d, func(t *testing.T, n *Names) {
		n.UserName(1000)
		time.Sleep(time.Second)
		synctest.Wait()
		d.becomes(func() { d.names[1000] = "anna" })
		time.Sleep(foundExpires)
		wantName(t, n, 1000, "ann")
		if got := d.times(); got != 1 {
			t.Errorf("asked %d times before the name expired, want 1", got)
		}
		time.Sleep(time.Millisecond)
		wantName(t, n, 1000, "ann")
		time.Sleep(2 * time.Second)
		wantName(t, n, 1000, "anna")

		d.becomes(func() { d.asked = nil })
		for range 60 {
			wantName(t, n, 1001, "")
			time.Sleep(time.Second)
		}
		if got := d.times(); got != 1 {
			t.Errorf("asked %d times for nobody in a minute, want 1", got)
		}
		d.becomes(func() { d.names[1001] = "bob" })
		time.Sleep(2 * time.Second)
		wantName(t, n, 1001, "")
		time.Sleep(2 * time.Second)
		wantName(t, n, 1001, "bob")
	})
}

// TestNameServiceIsBounded has more users come than can wait or be remembered, and
// requires that all get their name and nobody loses it to those who have none.
func TestNameServiceIsBounded(t *testing.T) {
	d := &fakeDirectory{names: map[uint32]string{1: "ann"}}
	for uid := range uint32(200) {
		d.names[1000+uid] = fmt.Sprint("user", uid)
	}
	askDirectory(t, new(failures), d, func(t *testing.T, n *Names) {
		d.becomes(func() { d.takes = time.Hour })
		wantName(t, n, 9_999, "")
		synctest.Wait() // until it is asked for
		for uid := range uint32(2 * mostAnswers) {
			wantName(t, n, 10_000+uid, "")
		}
		if got := len(n.service.waiting); got != mostWaiting || len(n.service.asked) != mostWaiting+1 {
			t.Errorf("%d wait and %d are asked for, want %d and one more", got, len(n.service.asked), mostWaiting)
		}
		d.becomes(func() { d.takes = 0 })
		time.Sleep(time.Minute)
		for range 200 {
			for uid := range uint32(200) {
				n.UserName(1000 + uid)
			}
			time.Sleep(askPause)
		}
		time.Sleep(time.Second)
		for uid := range uint32(200) {
			wantName(t, n, 1000+uid, fmt.Sprint("user", uid))
		}
		for uid := range uint32(2 * mostAnswers) { // all of them, in less than a name's time
			n.service.keep(10_000+uid, "")
		}
		for uid := range uint32(200) {
			wantName(t, n, 1000+uid, fmt.Sprint("user", uid))
		}
		if got := len(n.service.answers); got != mostAnswers {
			t.Errorf("%d are remembered, want %d", got, mostAnswers)
		}
	})
}

// TestNameServiceIsSpared requires that many users do not keep the host busy.
func TestNameServiceIsSpared(t *testing.T) {
	d := new(fakeDirectory)
	askDirectory(t, new(failures), d, func(t *testing.T, n *Names) {
		for turn := range uint32(60_000) {
			n.UserName(100_000 + turn)
			time.Sleep(time.Millisecond)
		}
		if got, most := d.times(), int(time.Minute/askPause)+1; got > most {
			t.Errorf("asked %d times in a minute, want at most %d", got, most)
		}
	})
}

// TestNoNameService requires that a host without one has nobody asked.
func TestNoNameService(t *testing.T) {
	n := &Names{mounts: new(MountTable), path: "/dev/null", now: time.Now}
	for range 10 {
		if got := n.UserName(1000); got != "" {
			t.Errorf("user 1000 is %q", got)
		}
	}
}

// TestKnownNamesAllocateNothing covers what is done twice for every event.
func TestKnownNamesAllocateNothing(t *testing.T) {
	s := NewNameService(func(context.Context, uint32) (string, error) { return "", nil }, nil)
	n := &Names{mounts: new(MountTable), path: "/dev/null", service: s, now: time.Now}
	s.keep(1000, "ann")
	s.keep(1001, "")
	if got := testing.AllocsPerRun(1000, func() { n.UserName(1000); n.UserName(1001) }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
