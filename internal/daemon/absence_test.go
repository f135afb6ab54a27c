package daemon

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// reboot makes the landing one of an earlier boot.
func (w *backfillWorld) reboot() {
	w.t.Helper()
	if err := w.landing.Close(); err != nil {
		w.t.Fatal(err)
	}
	f, err := os.OpenFile(w.landed, os.O_RDWR, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	const bootAt = 16
	if _, err := f.WriteAt([]byte("an earlier boot!"), bootAt); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *backfillWorld) reopen() {
	w.t.Helper()
	if err := w.landing.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// gaps returns the texts of all gaps told.
func (w *backfillWorld) gaps() (texts []string) {
	for _, rec := range w.journal.recs {
		if typ, text := splitRecord([]byte(rec)); typ.String() == "AUDITSHIPPER_GAP" {
			texts = append(texts, string(text))
		}
	}
	return texts
}

// TestAbsence lets the daemon stop or be killed and start again, beside an auditd
// that logs all events, its own among them by its own numbering, over restarts of
// auditd and reboots. Each event is there once in the end. A gap is told of reboots
// and of the time without our rules only, planned after a clean stop.
func TestAbsence(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 17))
		w := newBackfillWorld(t)
		booted, serial, own := w.now, 0, 7000
		var want []string
		happen := func(n int, here bool) {
			for range n {
				w.now = w.now.Add(time.Duration(1+random.IntN(300)) * time.Millisecond)
				serial++
				recs, lines := w.records(serial)
				w.write(w.log, lines)
				if here {
					w.receive(recs)
				}
				header, _, _ := strings.Cut(lines, ")")
				want = append(want, header[strings.Index(header, "audit("):])
			}
		}
		auditd := func(typ string) {
			own += 1 + random.IntN(3)
			w.now = w.now.Add(time.Second)
			w.write(w.log, fmt.Sprintf("type=DAEMON_%s msg=audit(%d.%03d:%d): op=x\n", typ, w.now.Unix(), w.now.Nanosecond()/1e6, own))
		}
		var planned, unplanned int
		happen(20, true)
		w.turns(5)
		for range 6 {
			clean, kept, rebooted := random.IntN(2) == 0, random.IntN(3) > 0, false
			w.landing.SetSeen(kaudit.Seen{At: uint64(w.now.UnixNano())})
			if clean {
				if err := w.landing.SetStopped(uint64(w.now.UnixNano())); err != nil {
					t.Fatal(err)
				}
			}
			for range 1 + random.IntN(3) {
				happen(random.IntN(15), false)
				auditd("END")
				if random.IntN(2) == 0 {
					w.now = w.now.Add(20 * time.Second)
					booted, serial, rebooted = w.now, 0, true
				}
				auditd("START")
			}
			happen(random.IntN(15), false)
			w.now = w.now.Add(time.Second)
			w.reopen()
			if rebooted {
				w.reboot()
			}
			w.start()
			w.r.account.beAway(absenceOf(w.landing, time.Time{}, booted, w.now))
			if err := w.landing.SetStopped(0); err != nil {
				t.Fatal(err)
			}
			if random.IntN(3) == 0 { // killed before anything is told
				happen(random.IntN(5), true)
				clean = false
				w.reopen()
				w.start()
				w.r.account.beAway(absenceOf(w.landing, time.Time{}, booted, w.now))
			}
			w.r.account.judge(kept)
			happen(1+random.IntN(10), true)
			switch {
			case kept && !rebooted:
			case clean:
				planned++
			default:
				unplanned++
			}
			w.turns(12)
			happen(5, true)
			w.turns(3)
		}
		w.check(seed, want, planned, unplanned)
	}
}

// check requires that all events came once, and so many gaps, of which none counts.
func (w *backfillWorld) check(seed uint64, want []string, planned, unplanned int) {
	w.t.Helper()
	came := map[string]int{}
	for _, rec := range w.journal.recs {
		if typ, text := splitRecord([]byte(rec)); typ == 1300 {
			header, _, _ := strings.Cut(string(text), ")")
			came[header]++
		}
	}
	for _, id := range want {
		if came[id] != 1 {
			w.t.Errorf("seed %d: %s) came %d times", seed, id, came[id])
		}
	}
	for _, text := range w.gaps() {
		if strings.Contains(text, "planned=true") {
			planned--
		} else {
			unplanned--
		}
		if strings.Contains(text, " count=") && !strings.Contains(text, " count=0 ") || !strings.Contains(text, "cause=\"downtime\"") {
			w.t.Errorf("seed %d: a gap that did not happen: %s", seed, text)
		}
	}
	if planned != 0 || unplanned != 0 {
		w.t.Errorf("seed %d: %d planned and %d other gaps lack in\n%s", seed, planned, unplanned, strings.Join(w.gaps(), "\n"))
	}
}

// TestHoleOfAnAbsence receives after an absence without a clean stop, with our rules in
// effect: a hole in the serials is the downtime's, and without one there is no gap.
func TestHoleOfAnAbsence(t *testing.T) {
	for first, want := range map[int]string{11: "", 311: "downtime 300"} {
		now := time.Unix(2000, 0)
		a := &account{serials: new(serialState), away: new(absence), usual: func() string { return causeKernelLost }, now: func() time.Time { return now }}
		see := func(serial int) {
			a.see([][]byte{fmt.Appendf(binary.LittleEndian.AppendUint16(nil, 1305), "audit(%d.000:%d): x", now.Unix(), serial)})
		}
		turn := func() (told string) {
			now = now.Add(turnEvery)
			g, ok := a.due(false, 0)
			if ok {
				told = fmt.Sprint(g.cause, " ", g.count)
			}
			a.turn(ok)
			return told
		}
		see(10)
		turn()
		turn()
		a.beAway(absence{From: 1_999_000, To: now.UnixMilli(), Serial: 10, Latest: 1_999_000})
		a.judge(true)
		see(first)
		if got := turn() + turn() + turn(); got != want {
			t.Errorf("serials go on with %d: told %q, want %q", first, got, want)
		}
	}
}
