package daemon

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// A memoryJournal keeps what is appended.
type memoryJournal struct{ recs []string }

func (j *memoryJournal) Next() uint64 { return uint64(len(j.recs)) + 1 }
func (j *memoryJournal) Append(recs [][]byte) (int, error) {
	for _, r := range recs {
		j.recs = append(j.recs, string(r))
	}
	return len(recs), nil
}

// A backfillWorld is a kernel whose records auditd's log has all, but for some,
// and we have not.
type backfillWorld struct {
	t       *testing.T
	r       *receiver
	journal *memoryJournal
	landing *kaudit.Landing
	landed  string // its file
	log     string
	now     time.Time
	woken   chan struct{}
}

func newBackfillWorld(t *testing.T) *backfillWorld {
	dir := t.TempDir()
	w := &backfillWorld{t: t, landed: filepath.Join(dir, "landing"), journal: new(memoryJournal), log: filepath.Join(dir, "audit.log"), now: time.Now().Add(-time.Hour)}
	w.open()
	t.Cleanup(func() { w.landing.Close() })
	w.start()
	return w
}

func (w *backfillWorld) open() {
	w.t.Helper()
	var err error
	if w.landing, err = kaudit.OpenLanding(w.landed); err != nil {
		w.t.Fatal(err)
	}
}

// start makes a receiver as a new process does.
func (w *backfillWorld) start() {
	w.woken = make(chan struct{}, 100)
	now := func() time.Time { return w.now }
	w.r = &receiver{
		journal: w.journal, configChanged: make(chan struct{}, 1), ruleChanges: new(atomic.Uint64),
		refused:  &refusals{landing: w.landing, now: now, count: func(string) {}},
		forged:   &forgeries{landing: w.landing, now: now},
		notes:    &notes{now: now, wake: func() {}, count: func(string) {}},
		account:  &account{serials: &landedStateIn(w.landing.Room()).serials, away: &landedStateIn(w.landing.Room()).away, usual: func() string { return "usual" }, now: now, turned: w.now},
		backfill: &backfiller{path: w.log, wake: func() { w.woken <- struct{}{} }, log: zap.NewNop(), now: now},
	}
}

// records are an event's, as the kernel sends them and as auditd logs them.
func (w *backfillWorld) records(serial int) (recs [][]byte, lines string) {
	header := fmt.Sprintf("audit(%d.%03d:%d): ", w.now.Unix(), w.now.Nanosecond()/1e6, serial)
	for _, rec := range []struct {
		typ  event.Type
		text string
	}{{1300, "syscall=87"}, {1302, `name="/x"`}, {1327, `proctitle="x"`}, {recordEOE, ""}} {
		recs = append(recs, fmt.Appendf(binary.LittleEndian.AppendUint16(nil, uint16(rec.typ)), "%s%s", header, rec.text))
		if rec.typ != recordEOE {
			lines += fmt.Sprintf("type=%s msg=%s%s\n", rec.typ, header, rec.text)
		}
	}
	return recs, lines
}

func (w *backfillWorld) receive(recs [][]byte) {
	w.r.account.see(recs)
	if err := w.r.append(recs); err != nil {
		w.t.Fatal(err)
	}
}

func (w *backfillWorld) write(name, lines string) {
	w.t.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := f.WriteString(lines); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// turns lets seconds pass, and what is searched for be found.
func (w *backfillWorld) turns(n int) {
	w.t.Helper()
	for range n {
		w.now = w.now.Add(turnEvery)
		if err := w.r.reckon(false); err != nil {
			w.t.Fatal(err)
		}
		for w.r.backfill.searching != nil {
			<-w.woken
			if err := w.r.reckon(false); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// told counts what notes in the journal say: events missing, and found.
func (w *backfillWorld) told() (missing, found int) {
	for _, rec := range w.journal.recs {
		for key, sum := range map[string]*int{" count=": &missing, " backfilled=": &found} {
			typ, text := splitRecord([]byte(rec))
			_, after, ok := strings.Cut(string(text), key)
			if typ < event.TypeGap || !ok {
				continue
			}
			n := 0
			if _, err := fmt.Sscan(after, &n); err != nil {
				w.t.Fatal(err)
			}
			if typ == event.TypeDaemon {
				sum = &found
			}
			*sum += n
		}
	}
	return missing, found
}

// TestBackfill loses events at random, whole or in part, in overruns and while
// nobody was there; kills the process at random; and has auditd's log lack some
// of them, rotated now and then. In the end each event is there whole, or told as
// missing, and none that was whole comes twice.
func TestBackfill(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 7))
		w := newBackfillWorld(t)
		w.write(w.log, "type=PATH msg=audit(1.000:7): another boot's\nno record\n")
		missing, events := 0, 0
		lose := 0     // so many more are lost
		torn := false // one that a new process could not know of
		for serial := 1; serial < 1500; serial++ {
			w.now = w.now.Add(time.Millisecond)
			events++
			recs, lines := w.records(serial)
			logged := random.IntN(30) > 0
			if logged {
				w.write(w.log, lines)
			}
			switch {
			case lose > 0:
				lose--
				if !logged {
					missing++
				}
			case random.IntN(40) == 0 && serial > 1: // torn
				torn = true
				cut := 1 + random.IntN(2)
				if random.IntN(2) == 0 {
					w.receive(recs[cut:])
				} else {
					w.receive(recs[:cut])
				}
				if !logged {
					missing++
				}
			default:
				w.receive(recs)
			}
			switch random.IntN(120) {
			case 0:
				lose = random.IntN(50)
				w.r.account.suspect(causeOverrun, w.now, false)
			case 1:
				w.turns(1)
			case 3: // the process is killed
				if torn {
					w.turns(20)
					torn = false
				}
				w.start()
			case 2:
				if err := os.Rename(w.log, fmt.Sprintf("%s.%d", w.log, 100000-serial)); err != nil {
					t.Fatal(err)
				}
				w.write(w.log, "")
			}
		}
		recs, lines := w.records(1500)
		w.write(w.log, lines)
		w.receive(recs)
		w.turns(30)

		whole := map[string]int{}
		calls := map[string]bool{}
		for _, rec := range w.journal.recs {
			typ, text := splitRecord([]byte(rec))
			serial, _, _ := strings.Cut(string(text), ")")
			switch typ {
			case 1300:
				calls[serial] = true
			case 1327:
				if calls[serial] {
					whole[serial]++
				}
			}
		}
		told, found := w.told()
		if told != missing || events+1-len(whole) != missing {
			t.Errorf("seed %d: %d of %d are not there, %d missing from the log, too; told %d, found %d", seed, events+1-len(whole), events+1, missing, told, found)
		}
	}
}
