package host

import (
	"sync"
	"time"
)

// A crew looks at what may hang, so that whoever asks does not. Each look has a
// goroutine of its own and a deadline. One that hangs is left behind and counted; as
// long as too many hang, there are no answers.
//
// Everybody's looks wait in turn, so nobody may make them long: what a look takes
// beyond a moment is paid from a credit that grows slowly. Without credit a look gets
// only the moment, which is plenty where nobody is in the way.
type crew struct {
	most     int           // looks under way at a time
	each     int           // of them, how many may hang that were for the same key
	patience time.Duration // how long one is waited for

	// hangs is called when a look for a key hangs and none did before.
	hangs func(key uint64)

	mu      sync.Mutex
	busy    int
	hung    map[uint64]int // by key
	nhung   int
	refused uint64 // looks that were not even begun
	late    uint64 // looks that were left behind

	credit time.Duration
	at     time.Time // of the credit
}

const (
	moment      = 5 * time.Millisecond
	mostCredit  = time.Second
	creditShare = 5 // of the time that passes, one part is credit
)

func newCrew(most, each int, patience time.Duration, hangs func(uint64)) *crew {
	return &crew{most: most, each: each, patience: patience, hangs: hangs, hung: map[uint64]int{}, credit: mostCredit, at: time.Now()}
}

// ask returns what look says, or false if that takes too long. What look writes to
// must not be read after false.
func ask[T any](c *crew, key func() uint64, look func() T) (T, bool) {
	var none T
	wait, ok := c.enter(key)
	if !ok {
		return none, false
	}
	answer := make(chan T, 1)
	j := &job{}
	began := time.Now()
	go func() {
		got := look()
		answer <- got
		c.leave(j)
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case got := <-answer:
		c.pay(time.Since(began))
		return got, true
	case <-timer.C:
		c.pay(wait)
		c.abandon(j, key())
		return none, false
	}
}

// A job is one look under way. Its fields are the crew's.
type job struct {
	done, left bool
	key        uint64
}

// enter makes room for a look, and says how long to wait for it.
func (c *crew) enter(key func() uint64) (wait time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy >= c.most || c.nhung > 0 && c.hung[key()] >= c.each {
		c.refused++
		return 0, false
	}
	c.busy++
	now := time.Now()
	c.credit = min(c.credit+now.Sub(c.at)/creditShare, mostCredit)
	c.at = now
	return max(min(c.patience, c.credit), moment), true
}

// pay takes what a look cost beyond a moment from the credit.
func (c *crew) pay(spent time.Duration) {
	if spent < moment/2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credit = max(c.credit-spent, 0)
}

// abandon leaves a look behind.
func (c *crew) abandon(j *job, key uint64) {
	c.mu.Lock()
	first := false
	if !j.done {
		j.left, j.key = true, key
		first = c.hung[key] == 0
		c.hung[key]++
		c.nhung++
		c.late++
	}
	c.mu.Unlock()
	if first && c.hangs != nil {
		c.hangs(key)
	}
}

// leave ends a look, whether it was waited for or not.
func (c *crew) leave(j *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.done = true
	c.busy--
	if !j.left {
		return
	}
	c.nhung--
	if c.hung[j.key]--; c.hung[j.key] == 0 {
		delete(c.hung, j.key)
	}
}

// CrewStats says how looks fare.
type CrewStats struct {
	Hung    int    // that hang now
	Late    uint64 // that were not waited for any longer, since the start
	Refused uint64 // that were not begun since too many hang
}

func (c *crew) stats() CrewStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CrewStats{c.nhung, c.late, c.refused}
}
