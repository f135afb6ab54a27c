package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/logstest"
	"github.com/auditshipper/auditshipper/internal/ship"
)

// A watched is an output that a test waits for.
type watched struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
	return w.text.Write(p)
}

func (w *watched) lines(part string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.text.String(), part)
}

// until waits for a number of lines.
func (w *watched) until(t *testing.T, part string, n int) {
	t.Helper()
	deadline := time.After(time.Minute)
	for w.lines(part) < n {
		select {
		case <-w.news:
		case <-deadline:
			t.Fatalf("%d lines of %q, want %d", w.lines(part), part, n)
		}
	}
}

// A tailTest is a tail of a group at a strict endpoint.
type tailTest struct {
	*testing.T
	s         *logstest.Server
	out, errs *watched
	serial    int
	stop      func() error
}

func newTailTest(t *testing.T, before int, faults ...logstest.Fault) *tailTest {
	tt := &tailTest{T: t, s: logstest.New(logstest.Options{}), out: &watched{news: make(chan struct{}, 1)}, errs: &watched{news: make(chan struct{}, 1)}}
	config := readsFrom(t, tt.s)
	tt.do("CreateLogGroup", map[string]any{"logGroupName": "/t"})
	tt.do("CreateLogStream", map[string]any{"logGroupName": "/t", "logStreamName": "s"})
	tt.say("old", before)
	for _, f := range faults {
		tt.s.Always(f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- execute(ctx, []string{"tail", "--config", config, "--log-group", "/t", "-n", "3", "--user", "bob"}, tt.out, tt.errs)
	}()
	tt.stop = func() error {
		cancel()
		if code := <-ended; code != 0 {
			return fmt.Errorf("exit %d: %s", code, tt.errs.text.String())
		}
		for range 1000 { // the endpoint sees a moment later that the client has gone
			if tt.s.LiveTails() == 0 {
				return nil
			}
			if err := ship.Pause(t.Context(), 10*time.Millisecond); err != nil {
				return err
			}
		}
		return errors.New("a live tail is left behind")
	}
	tt.out.until(t, "old", min(before, 3))
	return tt
}

func (tt *tailTest) do(op string, in any) {
	tt.Helper()
	text, err := json.Marshal(in)
	if err == nil {
		err = tt.s.Do(op, string(text))
	}
	if err != nil {
		tt.Fatal(op, err)
	}
}

// say puts events of bob's, and as many of eve's, into the group.
func (tt *tailTest) say(name string, n int) {
	tt.Helper()
	var batch []map[string]any
	for i := range 2 * n {
		tt.serial++
		at := time.Now()
		batch = append(batch, map[string]any{"timestamp": at.UnixMilli(), "message": fmt.Sprintf(
			`{"v":1,"id":"%d.%03d:%d","time":%q,"host":"h","action":"delete","syscall":"unlink","success":true,"path":"/%s/%d","auid":1,"auid_name":%q}`,
			at.Unix(), at.UnixMilli()%1000, tt.serial, at.UTC().Format(time.RFC3339Nano), name, i, []string{"bob", "eve"}[i%2])})
	}
	if n > 0 {
		tt.do("PutLogEvents", map[string]any{"logGroupName": "/t", "logStreamName": "s", "logEvents": batch})
	}
}

// TestTailLive prints the last lines, then what arrives through a live tail: each
// once, also what came before the live tail began, and asks for nothing else.
func TestTailLive(t *testing.T) {
	tt := newTailTest(t, 5)
	tt.say("between", 2)
	tt.out.until(t, "/between/", 2)
	for i := range 20 {
		tt.say(fmt.Sprint("new", i), 1)
	}
	tt.out.until(t, "/new", 20)
	calls := tt.s.Calls()
	if err := tt.stop(); err != nil {
		t.Fatal(err)
	}
	if calls["StartLiveTail"] != 1 || calls["FilterLogEvents"] > 3 || tt.out.lines("/old/") != 3 || tt.out.lines("/new") != 20 || tt.out.lines("/between/") != 2 || tt.out.lines("eve") != 0 {
		t.Errorf("%v\n%s%s", calls, tt.out.text.String(), tt.errs.text.String())
	}
	if v := tt.s.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

// TestTailRefused asks every few seconds where there may be no live tail.
func TestTailRefused(t *testing.T) {
	tt := newTailTest(t, 1, logstest.Denied("StartLiveTail", "no identity-based policy allows the logs:StartLiveTail action"))
	tt.errs.until(t, "no live tail", 1)
	tt.say("new", 2)
	tt.out.until(t, "/new/", 2)
	if err := tt.stop(); err != nil {
		t.Fatal(err)
	}
	if tt.out.lines("/new/") != 2 || tt.s.Calls()["StartLiveTail"] != 1 {
		t.Error(tt.s.Calls(), tt.out.text.String())
	}
}

// TestTailSampled reads what a live tail leaves out.
func TestTailSampled(t *testing.T) {
	s := logstest.New(logstest.Options{})
	tt := &tailTest{T: t, s: s}
	config := readsFrom(t, s)
	tt.do("CreateLogGroup", map[string]any{"logGroupName": "/t"})
	tt.do("CreateLogStream", map[string]any{"logGroupName": "/t", "logStreamName": "s"})
	tl := newTail()
	if err := tl.words().parse([]string{"--config", config, "--log-group", "/t", "--user", "bob"}); err != nil {
		t.Fatal(err)
	}
	cmd := tailCommand()
	cmd.SetContext(t.Context())
	cmd.SetErr(&watched{})
	q, err := tl.ask(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &watched{news: make(chan struct{}, 1)}
	g := &groupTail{tail: tl, q: q, out: out, seen: map[string]time.Time{}}
	g.lines = 0
	ended := make(chan error, 1)
	go func() { ended <- g.follow(ctx) }()
	for s.LiveTails() == 0 {
		if err := ship.Pause(ctx, 10*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	tt.say("many", 700)
	out.until(t, "/many/", 700)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) || out.lines("/many/") != 700 {
		t.Error(err, out.lines("/many/"))
	}
}
