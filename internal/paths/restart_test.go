package paths

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A scripted is one record of a made-up journal.
type scripted struct {
	typ  event.Type
	text string
}

// TestRestartAnywhere interleaves the records of many events at random, kills
// the reader at random, again and again, and lets it go on from the last mark
// that was saved. Every event must arrive whole, and be acknowledged exactly once.
func TestRestartAnywhere(t *testing.T) {
	seeds := 3000
	if testing.Short() {
		seeds = 300
	}
	for seed := range seeds {
		if err := restartAnywhere(uint64(seed)); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func restartAnywhere(seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 1))
	journal, want := scriptJournal(rnd)
	got := map[event.ID]int{}
	var mark []byte

	for try := 0; ; try++ {
		if try > 10000 {
			return fmt.Errorf("no progress: %d of %d events", len(got), len(want))
		}
		s := NewStream(Options{ResolveWait: 200 * time.Millisecond, Held: 1 + rnd.IntN(20)})
		low := uint64(1)
		if mark != nil {
			var err error
			if low, err = s.Resume(mark); err != nil {
				return fmt.Errorf("resume: %w", err)
			}
		}
		dies := int(low) + rnd.IntN(len(journal))
		for seq := low; seq <= uint64(len(journal)); seq++ {
			r := journal[seq-1]
			s.Push(seq, r.typ, []byte(r.text))
			s.Tick(time.UnixMilli(int64(try)*1e6 + int64(seq)))
			if seq == uint64(len(journal)) {
				s.Tick(time.UnixMilli(int64(try)*1e6 + 1e5)) // quiet: what is held goes
			}
			var late []*event.Event // returned, but not in the batch that is acknowledged
			for e, ok := s.Next(); ok; e, ok = s.Next() {
				if len(late) > 0 || rnd.IntN(4) == 0 {
					late = append(late, e)
					continue
				}
				if err := acknowledge(got, want, e); err != nil {
					return err
				}
				mark = s.AppendMark(mark[:0])
			}
			for i, e := range late {
				if rnd.IntN(8) == 0 {
					dies = int(seq) // with this one and those after it in flight
					break
				}
				if err := acknowledge(got, want, e); err != nil {
					return err
				}
				mark = s.AppendMark(mark[:0], late[i+1:]...)
			}
			if int(seq) == dies {
				break
			}
		}
		if len(got) == len(want) {
			return nil
		}
	}
}

// acknowledge checks that an event came whole, and counts it.
func acknowledge(got map[event.ID]int, want map[event.ID]int, e *event.Event) error {
	got[e.ID]++
	if got[e.ID] > 1 {
		return fmt.Errorf("event %v was acknowledged twice", e.ID)
	}
	if _, ok := want[e.ID]; !ok {
		return fmt.Errorf("event %v was never sent", e.ID)
	}
	if e.Records() != want[e.ID] {
		return fmt.Errorf("event %v has %d records, want %d", e.ID, e.Records(), want[e.ID])
	}
	return nil
}

// scriptJournal makes events of all kinds, some of which wait for the name of
// their directory, and interleaves their records. It returns the journal and
// how many records each event has.
func scriptJournal(rnd *rand.Rand) (journal []scripted, want map[event.ID]int) {
	want = map[event.ID]int{}
	var running [][]scripted
	events := 3 + rnd.IntN(40)
	serial := uint64(100)
	for begun := 0; begun < events || len(running) > 0; {
		if begun < events && (len(running) == 0 || rnd.IntN(6) == 0) {
			begun++
			serial++
			id := event.ID{Sec: 1000 + int64(begun)/4, Milli: uint16(begun % 4 * 250), Serial: serial}
			recs, n := scriptEvent(rnd, id)
			if n == 0 {
				seq := uint64(len(journal) + 1)
				want[event.ID{Sec: id.Sec, Milli: id.Milli, Serial: event.NoteSerial + seq}] = 1
				journal = append(journal, recs...)
				continue
			}
			want[id] = n
			running = append(running, recs)
			continue
		}
		i := rnd.IntN(len(running))
		journal = append(journal, running[i][0])
		if running[i] = running[i][1:]; len(running[i]) == 0 {
			running = append(running[:i], running[i+1:]...)
		}
	}
	return journal, want
}

// scriptEvent makes the records of one event and says how many an event.Event of it
// has; 0 stands for a note of our own.
func scriptEvent(rnd *rand.Rand, id event.ID) ([]scripted, int) {
	head := "audit(" + id.String() + "): "
	dir := 1 + rnd.IntN(5)
	switch rnd.IntN(8) {
	case 0:
		return []scripted{{1112, head + "pid=1 uid=0 msg='op=login res=success'"}}, 1
	case 1:
		text := event.AppendNote(nil, event.Note{Time: id.Time(), Fields: []event.NoteField{{Key: "cause", Value: "overrun"}}})
		return []scripted{{event.TypeGap, string(text)}}, 0
	case 2: // names its directory
		return script(head, "a0=ffffff9c", fmt.Sprintf("/d/%d/", dir), fmt.Sprintf("/d/%d/f", dir), dir), 5
	default:
		return script(head, "a0=3", "/home", "f", dir), 5
	}
}

func script(head, args, parent, name string, dir int) []scripted {
	return []scripted{
		{event.TypeSyscall, head + "arch=c000003e syscall=263 success=yes exit=0 " + args + " items=2 ppid=1 pid=2 uid=0"},
		{event.TypeCWD, head + `cwd="/home"`},
		{event.TypePath, head + fmt.Sprintf(`item=0 name="%s" inode=%d dev=fe:00 mode=040755 nametype=PARENT`, parent, dir)},
		{event.TypePath, head + fmt.Sprintf(`item=1 name="%s" inode=99 dev=fe:00 mode=0100644 nametype=DELETE`, name)},
		{event.TypeProctitle, head + "proctitle=726D"},
		{event.TypeEOE, strings.TrimSpace(head)},
	}
}

func TestResumeRefusesDamage(t *testing.T) {
	s := NewStream(Options{})
	s.Push(1, event.TypeSyscall, []byte("audit(1.000:1): arch=c000003e"))
	mark := s.AppendMark(nil)
	if _, err := NewStream(Options{}).Resume(mark); err != nil {
		t.Fatal(err)
	}
	for cut := range len(mark) {
		if _, err := NewStream(Options{}).Resume(mark[:cut]); err == nil {
			t.Errorf("a mark cut at %d of %d bytes was accepted", cut, len(mark))
		}
	}
	if _, err := NewStream(Options{}).Resume(append(mark, 0)); err == nil {
		t.Error("a mark with a byte too many was accepted")
	}
}

// TestMarkAtOnce restarts twice with nothing read in between: what was pending
// at first is delivered, and nothing that was before.
func TestMarkAtOnce(t *testing.T) {
	text := func(serial int) []byte {
		return fmt.Appendf(nil, "audit(1.000:%d): arch=c000003e syscall=87 success=yes exit=0 a0=1 a1=1 a2=0 a3=0 items=0 ppid=1 pid=7 auid=1 uid=0 comm=\"rm\" exe=\"/bin/rm\"", serial)
	}
	push := func(s *Stream, from, to uint64) (got []uint64) {
		for seq := from; seq <= to; seq++ {
			typ, serial := event.TypeSyscall, int(seq)
			switch {
			case seq == 9: // when nobody waits for 2 and 4 any more
				s.Push(seq, event.Type(1100), []byte("audit(2.000:6): pid=1"))
				continue
			case seq > 9:
				typ, serial = event.TypeEOE, []int{2, 4}[seq-10]
			case seq > 5:
				typ, serial = event.TypeEOE, []int{1, 3, 5}[seq-6]
			}
			s.Push(seq, typ, text(serial))
		}
		for e, ok := s.Next(); ok; e, ok = s.Next() {
			got = append(got, e.ID.Serial)
		}
		return got
	}
	a := NewStream(Offline())
	if got := push(a, 1, 9); !slices.Equal(got, []uint64{1, 3, 5, 6}) {
		t.Fatalf("delivered %v", got)
	}
	b := NewStream(Offline())
	low, err := b.Resume(a.AppendMark(nil))
	if err != nil {
		t.Fatal(err)
	}
	for read := range uint64(4) { // of what has to be read again
		c := NewStream(Offline())
		again, err := c.Resume(b.AppendMark(nil))
		if err != nil || again != low {
			t.Fatalf("after %d records: begins at %d, want %d, %v", read, again, low, err)
		}
		if got := push(c, again, 11); !slices.Equal(got, []uint64{2, 4}) {
			t.Errorf("after %d records: delivered %v, want 2 and 4", read, got)
		}
		push(b, low+read, low+read)
	}
}

// TestRestartKnowsMoves restarts between a rename that was delivered and the record
// that names, by its new path, the directory of an event that waited before it.
func TestRestartKnowsMoves(t *testing.T) {
	k := newFakeKernel(t, Options{})
	k.unlinkat(83, "f") // in /srv/p/c
	k.rename(1, "/srv/p", 1, "/srv/q", 8)
	for e, ok := k.s.Next(); ok; e, ok = k.s.Next() {
		if e.Action != "rename" {
			t.Fatalf("delivered before the restart: %s", e.Action)
		}
		k.s.Free(e)
	}
	again := NewStream(Options{})
	low, err := again.Resume(k.s.AppendMark(nil))
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range k.journal[low-1:] {
		again.Push(low+uint64(i), rec.typ, []byte(rec.text))
	}
	k.s = again
	k.rmdir(8, "/srv/q/c", 83)
	k.s.Flush()
	var got []string
	for e, ok := k.s.Next(); ok; e, ok = k.s.Next() {
		got = append(got, e.Action+" "+string(e.Path.Path))
	}
	if want := []string{"delete /srv/p/c/f", "delete /srv/q/c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
