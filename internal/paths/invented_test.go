package paths

import (
	"bytes"
	"os"
	"strconv"
	"testing"

	"github.com/auditshipper/auditshipper/internal/event"
)

// TestNoPathInvented lets processes delete and rename at random, in sight of the
// kernel, in a file system that gives inodes to the next one at once. No event
// may carry a path that was not true when it happened.
func TestNoPathInvented(t *testing.T) {
	for kind, name := range []string{plain: "plain", same: "overlay", apart: "overlay with its own numbers", mixed: "mixed", asked: "asked"} {
		t.Run(name, func(t *testing.T) { noPathInvented(t, kind) })
	}
}

func noPathInvented(t *testing.T, kind int) {
	seeds := 1500
	if many := os.Getenv("AUDITSHIPPER_WORLDS"); many != "" {
		var err error
		if seeds, err = strconv.Atoi(many); err != nil {
			t.Fatal(err)
		}
	}
	if testing.Short() {
		seeds = 150
	}
	names, unresolved, claimed := 0, 0, 0
	all := []int{5146, 6717, 9044, 45354, 70548, 120352} // were wrong once
	for seed := range seeds {
		all = append(all, seed)
	}
	for _, seed := range all {
		w := newWorld(t, uint64(seed), kind)
		for range 60 {
			w.step()
			w.follow()
			if w.restarts {
				w.killReader(seed)
			}
			if err := w.s.Check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		w.catchUp()
		w.read(len(w.behind))
		w.s.Flush()
		w.take(seed)
		names, unresolved, claimed = names+w.names, unresolved+w.unresolved, claimed+w.claimed
		if err := w.s.Check(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d names, %d unresolved, %d lies that are claimed", names, unresolved, claimed)
	if unresolved*10 > names*6 {
		t.Errorf("%d of %d names unresolved: the test shows little", unresolved, names)
	}
}

// take takes the events that are ready, and compares them with the truth.
func (w *world) take(seed int) {
	for e, ok := w.s.Next(); ok; e, ok = w.s.Next() {
		for i, n := range []*event.Name{&e.Path, &e.Dest} {
			want := w.truth[e.ID.Serial][i]
			if want == "" {
				continue
			}
			w.names++
			switch {
			case n.From == event.FromUnresolved:
				w.unresolved++
			case n.From == event.FromClaimed && e.PID == attacker:
				w.claimed++
			case string(n.Path) != want:
				for i, line := range w.lines {
					w.t.Log(i+1, line)
				}
				w.t.Fatalf("seed %d, event %d: %s %q (%v), truly %q", seed, e.ID.Serial, e.Action, n.Path, n.From, want)
			}
		}
		w.s.Free(e)
	}
}

// killReader lets the reader note at times where to go on and what it knows, and at other
// times puts another one in its place, who goes on from there.
func (w *world) killReader(seed int) {
	switch w.rnd.IntN(40) {
	case 0, 1:
		w.take(seed)
		w.mark = w.s.AppendMark(w.mark[:0])
	case 2, 3:
		var memory bytes.Buffer
		if err := w.s.Save(&memory); err != nil {
			w.t.Fatal(err)
		}
		w.memory = memory.Bytes()
	case 4:
		w.s = NewStream(w.options)
		low := uint64(1)
		if len(w.memory) > 0 {
			if err := w.s.Load(bytes.NewReader(w.memory), 1, w.seq+1); err != nil {
				w.t.Fatal(err)
			}
		}
		if len(w.mark) > 0 {
			var err error
			if low, err = w.s.Resume(w.mark); err != nil {
				w.t.Fatal(err)
			}
		}
		w.behind = nil
		for seq := low; seq <= w.seq; seq++ {
			r := w.journal[seq-1]
			w.behind = append(w.behind, sequenced{seq, r.typ, r.text})
		}
	}
}

// follow reads some of what is in the journal, and lets the stream know the time.
func (w *world) follow() {
	if !w.lags {
		return
	}
	if w.rnd.IntN(3) == 0 {
		w.read(w.rnd.IntN(40))
	}
	if w.rnd.IntN(w.pace) == 0 {
		w.read(len(w.behind))
		w.s.Tick(w.now)
	}
	if w.rnd.IntN(10) == 0 {
		w.s.Meet(uint32(100 + w.rnd.IntN(3)))
	}
}
