package daemon

import "time"

// patience keeps the keeper from fighting an administrator: after freely
// repairs of one rule within a minute it pauses, each time twice as long, until
// a minute passes in peace.
type patience struct {
	times []time.Time
	pause time.Duration
	until time.Time
}

const (
	freely     = 5
	peace      = time.Minute
	firstPause = 10 * time.Second
	mostPause  = time.Minute // somebody who takes rules away on purpose gains no more than that
)

// spend counts a repair.
func (p *patience) spend(now time.Time) {
	keep := p.times[:0]
	for _, t := range p.times {
		if now.Sub(t) < peace {
			keep = append(keep, t)
		}
	}
	p.times = append(keep, now)
	switch {
	case len(p.times) == 1:
		p.pause = 0
	case len(p.times) >= freely:
		p.pause = min(max(2*p.pause, firstPause), mostPause)
		p.until = now.Add(p.pause)
	}
}

// ready reports whether a repair may be made now.
func (p *patience) ready(now time.Time) bool {
	if now.Before(p.until) {
		return false
	}
	p.until = time.Time{}
	return true
}

// waiting reports whether repairs pause.
func (p *patience) waiting() bool { return !p.until.IsZero() }
