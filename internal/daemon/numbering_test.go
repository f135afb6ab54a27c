package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// A numbered is a relay, its time, and what it told.
type numbered struct {
	relay *relay
	now   time.Time
	told  []string
}

func newNumbered(boot int64) *numbered {
	n := &numbered{now: time.Unix(10_000, 0)}
	a := &account{serials: new(serialState), away: new(absence), usual: func() string { return causeOverrun }, now: func() time.Time { return n.now }}
	n.relay = &relay{
		host: "here", own: &numbering{account: a, boot: boot}, others: map[string]*numbering{},
		notes: &notes{now: a.now, wake: func() {}, count: func(string) { n.told = append(n.told, "elsewhere") }},
	}
	return n
}

// turn lets a turn pass, or the end come.
func (n *numbered) turn(end bool) {
	n.now = n.now.Add(turnEvery)
	n.relay.reckon(end)
	n.relay.own.ripen(end)
	g, ok := n.relay.own.due(end, 0)
	if ok {
		n.told = append(n.told, fmt.Sprintf("%s %d", g.cause, g.count))
	}
	n.relay.own.turn(ok)
}

// TestNumbering reads logs with holes, of several boots, numberings and hosts, and
// requires the gaps that they tell of and no other. A line is SECOND:SERIAL, with a
// type or a host in front; "..." lets two turns pass, "cut" cuts the file.
func TestNumbering(t *testing.T) {
	const boot = 5000
	for _, tt := range []struct{ name, log, want string }{
		{"begin", "1:500 1:501 ...", ""},
		{"a hole", "1:500 1:504 1:505 ...", "overrun 3"},
		{"interleaved", "1:500 1:503 1:501 1:500 1:502 1:504 ...", ""},
		{"late by a turn", "1:500 1:502 1:501 ...", ""},
		{"auditd's own", "1:500 DAEMON_END=1:7300 DAEMON_START=2:7301 2:501 DAEMON_ROTATE=3:7302 3:502 ...", ""},
		{"auditd away", "1:500 DAEMON_END=1:7300 DAEMON_START=9:41 9:511 ...", "overrun 10"},
		{"auditd away, torn", "1:500 DAEMON_START=1:41 1:500 1:499 1:501 ...", ""},
		{"a boot", "1:500 1:501 60:3 60:4 ... 60:5", ""},
		{"a boot with higher serials", "1:500 DAEMON_START=60:41 60:700 SYSTEM_BOOT=60:701 60:702 ...", ""},
		{"this boot", "1:500 6000:700 6001:701 ...", ""},
		{"no boot can be made up", "6000:500 DAEMON_START=6001:41 6001:511 SYSTEM_BOOT=6001:512 ...", "overrun 10"},
		{"a boot with the clock set back", "60:500 DAEMON_START=1:41 1:3 1:4 ...", ""},
		{"a hole before a boot", "1:500 1:503 DAEMON_START=60:41 60:3 60:4 ...", "overrun 2"},
		{"a hole behind a boot", "1:500 60:3 60:6 ...", "overrun 2"},
		{"hosts", "1:500 a=1:70 b=1:900 1:501 a=1:71 here=1:502 here.example=1:503 b=1:901 ...", ""},
		{"a hole elsewhere", "1:500 a=1:70 a=1:75 1:501 ...", "elsewhere"},
		{"cut, all read", "1:500 1:501 cut ... 1:502 ...", ""},
		{"cut unread", "1:500 1:501 cut ... 1:505 ...", "overrun 3"},
		{"cut and a boot", "1:500 cut 60:3 ...", "overrun 0"},
		{"cut at the end", "1:500 cut ... ...", "overrun 0"},
		{"cut, nothing known", "cut 1:500 ...", "overrun 0"},
		{"several causes", "1:500 1:501 DAEMON_START=9:41 9:503 ... 60:3 60:5 ...", "overrun 1,overrun 1"},
	} {
		n := newNumbered(boot * 1000)
		for word := range strings.FieldsSeq(tt.log) {
			switch word {
			case "...":
				for range 3 {
					n.turn(false)
				}
				continue
			case "cut":
				n.relay.cut()
				continue
			}
			front, id, ok := strings.Cut(word, "=")
			if !ok {
				front, id = "", word
			}
			typ, node := "USER_CMD", ""
			if strings.ToUpper(front) == front && front != "" {
				typ = front
			} else if front != "" {
				node = "node=" + front + " "
			}
			second, serial, _ := strings.Cut(id, ":")
			l, err := event.ParseLine(fmt.Appendf(nil, "%stype=%s msg=audit(%s.000:%s): x=1", node, typ, second, serial))
			if err != nil {
				t.Fatal(err)
			}
			n.relay.see([][]byte{event.AppendRecord(nil, l)})
		}
		n.turn(true)
		if got := strings.Join(n.told, ","); got != tt.want {
			t.Errorf("%s: told %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestNumberingForgets bounds how many hosts are remembered, and tells what is
// missing of a forgotten one.
func TestNumberingForgets(t *testing.T) {
	n := newNumbered(0)
	for i := range maxOrigins + 1 {
		for serial := range 2 {
			l := event.Line{Node: fmt.Appendf(nil, "h%d", i), Type: 1105, Text: fmt.Appendf(nil, "audit(1.000:%d): x", 5*serial+1)}
			n.relay.see([][]byte{event.AppendRecord(nil, l)})
		}
	}
	if len(n.relay.others) != maxOrigins || len(n.told) != 1 {
		t.Errorf("%d hosts, told %q", len(n.relay.others), n.told)
	}
}

// TestFollowRegrown notices a file that was cut and has grown again, also while
// nobody read it.
func TestFollowRegrown(t *testing.T) {
	for _, running := range []bool{true, false} {
		dir := t.TempDir()
		w := &writer{t: t, path: filepath.Join(dir, "audit.log")}
		w.flush(0)
		r := &reader{t: t, dir: dir}
		r.start()
		line := func(from, to int) {
			for n := from; n < to; n++ {
				w.pending = fmt.Appendf(w.pending, "type=USER_CMD msg=audit(1.000:%d): pid=1\n", n)
			}
			w.flush(len(w.pending))
		}
		line(1, 3)
		r.read(2, nil)
		if !running {
			if err := r.f.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Truncate(w.path, 0); err != nil {
			t.Fatal(err)
		}
		line(5, 9)
		if !running {
			r.start()
		}
		r.read(3, nil)
		if len(r.journal) != 6 || r.journal[2] != "audit(1.000:5): pid=1" || r.cuts != 1 {
			t.Errorf("running %t: %d cuts, the journal is %q", running, r.cuts, r.journal)
		}
		if err := r.f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFollowedGaps follows a file that lacks records, or is cut, by the receive loop
// itself: the gaps are in the journal.
func TestFollowedGaps(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.log")
	w := &writer{t: t, path: path}
	w.flush(0)
	n := newNumbered(0)
	n.relay.notes.count = func(string) {}
	kept := &memoryJournal{}
	landing, err := kaudit.OpenLanding(filepath.Join(dir, "landing"))
	if err != nil {
		t.Fatal(err)
	}
	defer landing.Close()
	f, err := openFollower(path, filepath.Join(dir, "state"), 1, lines{log: zap.NewNop()}, func(string) {}, n.relay.cut)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rcv := &receiver{
		src: &oneRead{follower: f}, journal: kept, notes: n.relay.notes, account: n.relay.own.account, relayed: true, relay: n.relay,
		refused: &refusals{landing: landing, now: time.Now, count: func(string) {}}, forged: &forgeries{landing: landing, now: time.Now},
	}
	for _, serial := range []int{1, 2, 5} {
		w.pending = fmt.Appendf(w.pending, "type=USER_CMD msg=audit(1.000:%d): pid=1\n", serial)
	}
	w.flush(len(w.pending))
	if err := rcv.receive(); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(kept.recs, func(rec string) bool {
		return strings.Contains(rec, `cause="overrun" count=2 `)
	}) {
		t.Errorf("no gap of two events in %q", kept.recs)
	}
}

// A oneRead is a follower that stops after its first lines.
type oneRead struct {
	*follower
	done bool
}

func (o *oneRead) Receive(base uint64) ([][]byte, error) {
	if o.done {
		return nil, os.ErrClosed
	}
	o.done = true
	return o.read(base)
}
