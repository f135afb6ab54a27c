package daemon

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// An absence is the time in which no process of ours received: from a stop or a
// kill, maybe over a boot, to the start. It lies in the landing until the gap of it
// is told or known to be none. Times are Unix milliseconds. The zero value is none.
type absence struct {
	From, To int64
	Planned  uint64 // 1 if a clean stop began it

	Boot   int64  // when the machine was booted in between, 0 if it was not
	Serial uint64 // the highest that came before, of the boot of that time
	Latest int64  // the latest time of an event before
	First  uint64 // if Boot is not 0: the lowest that came afterwards, 0 if none did
}

// absenceOf returns what a landing tells of the time without us, up to now. last is
// when the journal got its last record, which counts if the landing is new; booted
// is when the machine was. It is none on the first start of all.
func absenceOf(l *kaudit.Landing, last, booted, now time.Time) absence {
	was, boot := l, int64(0)
	switch {
	case l.Former != nil:
		was, boot = l.Former, booted.UnixMilli()
	case !last.IsZero() && last.Before(booted):
		boot = booted.UnixMilli()
	}
	state := landedStateIn(was.Room())
	x, s := state.away, &state.serials
	stopped := was.Stopped()
	if untold := x.From != 0; untold {
		if x.Planned &= min(stopped, 1); boot == 0 {
			x.To = now.UnixMilli()
			return x
		}
	} else {
		x = absence{From: int64(max(stopped, was.Seen().At)) / 1e6, Planned: min(stopped, 1), Serial: s.High, Latest: s.Latest}
	}
	if x.From == 0 && !last.IsZero() {
		x.From = last.UnixMilli()
	}
	x.To, x.Boot, x.First = now.UnixMilli(), boot, 0
	x.Latest = max(x.Latest, x.From)
	if x.From == 0 {
		return absence{}
	}
	return x
}

// bootTime is when the machine was booted.
func bootTime(now time.Time) time.Time {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		return time.Time{}
	}
	return now.Add(-time.Duration(up.Nano()))
}

// saw notes a serial that came after the absence.
func (x *absence) saw(serial uint64) {
	if x.Boot != 0 && (x.First == 0 || serial < x.First) {
		x.First = serial
	}
}

// before reports whether an event is of a boot before the present one.
func (x *absence) before(id event.ID) bool { return id.UnixMilli() < x.Boot }

// wants reports whether an event happened during the absence and did not come, as
// far as the serials of several boots tell.
func (x *absence) wants(id event.ID) bool {
	at := id.UnixMilli()
	switch {
	case x.Boot == 0 || at < x.From-slack.Milliseconds():
		return false
	case !x.before(id):
		return id.Serial < x.First || x.First == 0 && at <= x.To
	case at <= x.Latest+slack.Milliseconds():
		return id.Serial > x.Serial // of the boot of that time
	}
	return true
}

// beAway raises the suspicion that something is missing since an absence began. No
// gap is told before judge was called.
func (a *account) beAway(x absence) {
	if x.From == 0 {
		return
	}
	*a.away = x
	a.judged.Store(false)
	a.suspect(causeDowntime, time.UnixMilli(x.From), false)
}

// judge says whether our rules were in effect in the kernel all the time without us.
func (a *account) judge(kept bool) {
	a.kept.Store(kept)
	a.judged.Store(true)
}

// nothingMissed reports whether the serials prove that no event is missing since
// the absence began: our rules were there, one boot numbered on without a hole, and
// nothing else raised the suspicion.
func (a *account) nothingMissed() bool {
	x, s := a.away, &a.suspicion
	return x.From != 0 && x.Boot == 0 && a.kept.Load() && x.Serial != 0 && a.serials.High > x.Serial && !s.others && !s.uncount &&
		serialsOf(a.serials.runs(a.serials.High)) == 0 // those of a hole found just now may yet be missing
}
