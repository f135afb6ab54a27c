package daemon

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A writer appends numbered records to a log as auditd does, in pieces that end
// anywhere, and rotates it.
type writer struct {
	t       *testing.T
	path    string
	pending []byte // of a line begun
	wrote   int
	keep    int // rotated files
}

func (w *writer) write(random *rand.Rand) {
	for range random.IntN(20) {
		w.pending = fmt.Appendf(w.pending, "type=USER_CMD msg=audit(1.000:%d): pid=1\x1dUID=\"root\"\n", w.wrote)
		w.wrote++
	}
	w.flush(random.IntN(len(w.pending) + 1))
}

func (w *writer) flush(n int) {
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := f.Write(w.pending[:n]); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.pending = w.pending[n:]
}

// rotate finishes the line, as auditd does, and begins a new file.
func (w *writer) rotate() {
	w.flush(len(w.pending))
	for n := w.keep - 1; n >= 0; n-- {
		from, to := fmt.Sprintf("%s.%d", w.path, n), fmt.Sprintf("%s.%d", w.path, n+1)
		if n == 0 {
			from = w.path
		}
		if err := os.Rename(from, to); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
	}
	w.flush(0)
}

// A reader is a follower and the journal it fills.
type reader struct {
	t       *testing.T
	f       *follower
	dir     string
	journal []string
	gaps    int
	cuts    int
}

func (r *reader) start() {
	r.t.Helper()
	var err error
	r.f, err = openFollower(filepath.Join(r.dir, "audit.log"), filepath.Join(r.dir, "state"), uint64(len(r.journal)+1),
		lines{log: zap.NewNop()}, func(string) { r.gaps++ }, func() { r.cuts++ })
	if err != nil {
		r.t.Fatal(err)
	}
}

// read puts what there is into the journal; at most that many batches, and of
// the last only a part if the reader is killed meanwhile.
func (r *reader) read(batches int, random *rand.Rand) {
	r.t.Helper()
	for range batches {
		recs, err := r.f.read(uint64(len(r.journal) + 1))
		if err != nil {
			r.t.Fatal(err)
		}
		killed := random != nil && random.IntN(4) == 0
		if killed {
			recs = recs[:random.IntN(len(recs)+1)]
		}
		for _, rec := range recs {
			r.journal = append(r.journal, string(rec[2:]))
		}
		if killed {
			r.restart()
		}
	}
}

func (r *reader) restart() {
	r.t.Helper()
	if err := r.f.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.start()
}

// TestFollow follows a log that is written in pieces and rotated, with readers
// that are killed in the middle of a batch: each record is in the journal once,
// in order.
func TestFollow(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		w := &writer{t: t, path: filepath.Join(dir, "audit.log"), keep: 1000}
		w.flush(0)
		r := &reader{t: t, dir: dir}
		r.start()
		for range 30 {
			switch random.IntN(6) {
			case 0:
				w.rotate()
			case 1:
				r.restart()
			case 2, 3:
				r.read(random.IntN(3), random)
			default:
				w.write(random)
			}
		}
		w.flush(len(w.pending))
		for r.f.isRotated() {
			r.read(1, nil)
		}
		r.read(2, nil)
		var want []string
		for i := range w.wrote {
			want = append(want, fmt.Sprintf("audit(1.000:%d): pid=1\x1dUID=\"root\"", i))
		}
		if !slices.Equal(r.journal, want) {
			t.Fatalf("seed %d: the journal has %d records, %d were written\n%q", seed, len(r.journal), len(want), r.journal)
		}
		if r.gaps > 0 {
			t.Errorf("seed %d: %d gaps", seed, r.gaps)
		}
		if err := r.f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollowLost says that lines were lost when the file that was read last is
// not there any more, and reads what is.
func TestFollowLost(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	dir := t.TempDir()
	w := &writer{t: t, path: filepath.Join(dir, "audit.log"), keep: 2}
	w.flush(0)
	r := &reader{t: t, dir: dir}
	r.start()
	w.write(random)
	r.read(1, nil)
	if err := r.f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		w.write(random)
		w.rotate()
	}
	r.start()
	if r.gaps != 1 {
		t.Errorf("%d gaps, want 1", r.gaps)
	}
	before := len(r.journal)
	r.read(10, nil)
	if len(r.journal) == before {
		t.Error("nothing of what is left was read")
	}
	if err := r.f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestFollowCut reads a file from its beginning after it was emptied in place.
func TestFollowCut(t *testing.T) {
	dir := t.TempDir()
	w := &writer{t: t, path: filepath.Join(dir, "audit.log")}
	w.flush(0)
	r := &reader{t: t, dir: dir}
	r.start()
	line := func(n int) {
		w.pending = fmt.Appendf(nil, "type=USER_CMD msg=audit(1.000:%d): pid=1\n", n)
		w.flush(len(w.pending))
	}
	line(1)
	line(2)
	r.read(2, nil)
	if err := os.Truncate(w.path, 0); err != nil {
		t.Fatal(err)
	}
	line(3)
	r.read(3, nil)
	if want := "audit(1.000:3): pid=1"; len(r.journal) != 3 || r.journal[2] != want {
		t.Errorf("the journal is %q", r.journal)
	}
	if err := r.f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestPiped reads lines from a pipe in whatever pieces they come, what is no
// record left out, to the pipe's end.
func TestPiped(t *testing.T) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	text := "type=USER_CMD msg=audit(1.000:1): pid=1\nnonsense\n\nnode=h type=EOE msg=audit(1.000:2): \ntype=USER_CMD msg=audit(1.000:3): pid=3"
	go func() {
		for _, c := range []byte(text) {
			_, _ = unix.Write(fds[1], []byte{c}) // what is missing shows below
		}
		unix.Close(fds[1])
	}()
	p, err := openPiped(fds[0], lines{log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var got []string
	for {
		recs, err := p.Receive(0)
		if errors.Is(err, errEnded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range recs {
			_, text, _, node := event.SplitNode(rec)
			got = append(got, string(node)+" "+string(text))
		}
	}
	want := []string{" audit(1.000:1): pid=1", "h audit(1.000:2): ", " audit(1.000:3): pid=3"}
	if !slices.Equal(got, want) || p.strange != 1 {
		t.Errorf("got %q and %d strange lines", got, p.strange)
	}
}
