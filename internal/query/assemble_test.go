package query

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// kindsOf lists the events of a log as "node serial: types", the types of the
// records joined by spaces, with the path if facts are wanted.
func kindsOf(t *testing.T, text []byte, opt Options) (events []string) {
	t.Helper()
	each(t, OpenReader(bytes.NewReader(text), opt), func(e *Event) {
		var types []string
		for _, r := range e.Records {
			types = append(types, r.Type.String())
		}
		text := fmt.Sprintf("%d: %s", e.ID.Serial, strings.Join(types, " "))
		if e.Node != "" {
			text = e.Node + " " + text
		}
		if e.Facts != nil {
			text += " " + e.Facts.Path
		}
		events = append(events, text)
	})
	return events
}

func caseFile(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/cases/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSlowCall reads a call whose records begin 3.3 s before those around them:
// no event is torn, each is found by its true path, and they come as the kernel numbered
// them.
func TestSlowCall(t *testing.T) {
	const records = "SYSCALL CWD PATH PATH PROCTITLE /mnt/efs/"
	var want []string
	for _, call := range []string{"44607 a", "44608 c", "44609 b", "44610 d"} {
		serial, name, _ := strings.Cut(call, " ")
		want = append(want, serial+": "+records+name+".log")
	}
	if got := kindsOf(t, caseFile(t, "slow-call.log"), Options{Facts: true}); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestNodesOutOfStep reads two nodes, one of which is 3 s behind: each deletion
// comes once, whole.
func TestNodesOutOfStep(t *testing.T) {
	got := kindsOf(t, caseFile(t, "two-nodes.log"), Options{Facts: true})
	if len(got) != 20 {
		t.Errorf("%d events, want 20", len(got))
	}
	for i := range 10 {
		for _, want := range []string{
			fmt.Sprintf("web1 %d: SYSCALL CWD PATH PATH PROCTITLE /mnt/efs/a%d.txt", 100+i, i),
			fmt.Sprintf("web2 %d: SYSCALL CWD PATH PATH PROCTITLE /mnt/efs/b%d.txt", 500+i, i),
		} {
			if !slices.Contains(got, want) {
				t.Errorf("%q is missing in\n%s", want, strings.Join(got, "\n"))
			}
		}
	}
}

// TestOneEventPerID joins records that may stand alone with the system call of
// their id, and leaves alone what has no call.
func TestOneEventPerID(t *testing.T) {
	for _, name := range []string{"pair.log", "refused-link.log", "new-types.log", "tty.log", "same-id-two-nodes.log"} {
		text := caseFile(t, name)
		want := map[string]int{} // records by id
		for line := range bytes.Lines(text) {
			parsed := lineOf(t, line)
			want[string(parsed.node)+" "+parsed.id.String()]++
		}
		got := map[string]int{}
		each(t, OpenReader(bytes.NewReader(text), Options{}), func(e *Event) {
			id := e.Node + " " + e.ID.String()
			if got[id] > 0 {
				t.Errorf("%s: %s comes twice", name, id)
			}
			got[id] = len(e.Records)
		})
		for id, n := range want {
			if got[id] != n {
				t.Errorf("%s: %s has %d records, want %d", name, id, got[id], n)
			}
		}
	}
}

func lineOf(t *testing.T, text []byte) line {
	t.Helper()
	l := line{bytes: bytes.TrimSuffix(text, []byte("\n"))}
	if !l.parse(&typeNames{}) {
		t.Fatalf("no record: %s", text)
	}
	return l
}

// TestAnyOrder reads whole events of which the records are mixed at random, as
// processors write them, those of one event in their order: all come back whole.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var queues [][]string
		for n := range 50 {
			id := fmt.Sprintf("%d.%03d:%d", 1700000000+rnd.IntN(40), rnd.IntN(1000), n)
			first := []string{"SYSCALL", "LOGIN", "ANOM_LINK", "INTEGRITY_DATA", "MAC_UNLBL_STCADD"}[rnd.IntN(5)]
			q := []string{fmt.Sprintf("type=%s msg=audit(%s): pid=1 auid=0 res=1\n", first, id)}
			for _, typ := range []string{"SYSCALL", "CWD", "PROCTITLE"} {
				if typ != first {
					q = append(q, fmt.Sprintf("type=%s msg=audit(%s): a0=1\n", typ, id))
				}
			}
			queues = append(queues, q)
		}
		var log bytes.Buffer
		want := map[string]int{}
		for _, q := range queues {
			want[q[0][strings.Index(q[0], "audit("):strings.Index(q[0], "):")]] = len(q)
		}
		for len(queues) > 0 {
			i := rnd.IntN(len(queues))
			log.WriteString(queues[i][0])
			if queues[i] = queues[i][1:]; len(queues[i]) == 0 {
				queues = slices.Delete(queues, i, i+1)
			}
		}
		each(t, OpenReader(&log, Options{}), func(e *Event) {
			id := "audit(" + e.ID.String()
			if want[id] != len(e.Records) {
				t.Errorf("seed %d: %s has %d records, want %d", seed, id, len(e.Records), want[id])
			}
			delete(want, id)
		})
		if len(want) > 0 {
			t.Errorf("seed %d: %d events did not come", seed, len(want))
		}
	}
}

// TestGivenUp reads an event without an end before more later ones than are
// held: it leaves as it is, that is said, and all others come.
func TestGivenUp(t *testing.T) {
	var log bytes.Buffer
	log.WriteString("type=SYSCALL msg=audit(1700000000.000:1): arch=c000003e syscall=87 success=yes exit=0 a0=0 a1=0 items=2 pid=1\n")
	pad := strings.Repeat("x", 8000)
	const others = 6000
	for i := range others {
		fmt.Fprintf(&log, "type=USER_CMD msg=audit(1700000000.001:%d): %s\n", i+2, pad)
	}
	log.WriteString("type=PROCTITLE msg=audit(1700000000.000:1): proctitle=726D\n")
	var left Left
	n, given := 0, 0
	each(t, OpenReader(&log, Options{Warn: func(l Left) { left = l }}), func(e *Event) {
		n++
		if e.GivenUp {
			given++
		}
	})
	if n != others+2 || given != 1 || left.GivenUp != 1 {
		t.Errorf("%d events, %d given up, said %+v; want %d, 1 and 1", n, given, left, others+2)
	}
	if words := left.Words(); len(words) != 1 || !strings.HasPrefix(words[0], "1 events were given up") {
		t.Errorf("said %q", words)
	}
}

// TestTruncated reads an event with more records than are kept: the first ones
// come back as one event that says so.
func TestTruncated(t *testing.T) {
	var log bytes.Buffer
	for i := range 1 << 17 {
		fmt.Fprintf(&log, "type=PATH msg=audit(1700000000.000:1): item=%d name=\"x\"\n", i)
	}
	var left Left
	n := 0
	each(t, OpenReader(&log, Options{Warn: func(l Left) { left = l }}), func(e *Event) {
		n++
		if !e.Truncated || len(e.Records) != maxEventRecords {
			t.Errorf("truncated %v, %d records", e.Truncated, len(e.Records))
		}
	})
	if n != 1 || left.Truncated != 1 {
		t.Errorf("%d events, said %+v", n, left)
	}
}

// TestNodesBound reads a record each of more nodes than are remembered: none is lost.
func TestNodesBound(t *testing.T) {
	var log bytes.Buffer
	const nodes = 3 * maxClocks
	for i := range nodes {
		fmt.Fprintf(&log, "node=n%d type=USER_CMD msg=audit(1700000000.000:%d): pid=1\n", i, i)
	}
	n := 0
	each(t, OpenReader(&log, Options{Facts: true}), func(e *Event) {
		if n++; e.Facts == nil || e.Facts.Action == "" {
			t.Errorf("no facts of %s", e.ID)
		}
	})
	if n != nodes {
		t.Errorf("%d events, want %d", n, nodes)
	}
}
