package daemon

import "time"

// A repairBackoff keeps the keeper from fighting another program for one rule:
// after mostRepairs repairs within quietTime each further repair is followed by
// a pause, until quietTime passes without a repair.
//
// A load of all rules looks like such a fight, and whoever takes rules away on
// purpose gains the pause. So a pause is short: the rule is back mostPause after
// the last repair, plus the wait for a load's end.
type repairBackoff struct {
	repairs []time.Time   // of the last quietTime, oldest first
	pause   time.Duration // the last one, 0 for none
	until   time.Time     // the end of the pause
}

const (
	mostRepairs = 5
	quietTime   = time.Minute
	firstPause  = 5 * time.Second
	mostPause   = 15 * time.Second
)

// count counts at now the repair of a rule that the last look had seen. The repair
// at the end of a pause does not count: the look before it saw no rule.
func (b *repairBackoff) count(now time.Time) {
	recent := b.repairs[:0]
	for _, t := range b.repairs {
		if now.Sub(t) < quietTime {
			recent = append(recent, t)
		}
	}
	b.repairs = append(recent, now)
	if len(b.repairs) == 1 {
		b.pause = 0
	}
	if len(b.repairs) >= mostRepairs || b.pause > 0 {
		b.pause = min(max(2*b.pause, firstPause), mostPause)
		b.until = now.Add(b.pause)
	}
}

// pausing reports whether the rule is not to be repaired at now.
func (b *repairBackoff) pausing(now time.Time) bool {
	return b != nil && now.Before(b.until)
}
