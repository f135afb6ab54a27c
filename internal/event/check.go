package event

import "fmt"

// Check returns the first invariant of the queues that does not hold:
//
//  1. Every event in a queue has one of that queue's states; see [State].
//  2. Every open event is under its ID, and nothing else is there.
//  3. live, young and stale are in the order in which their events began.
//  4. An event that was not returned yet is live, unless it is silent.
//  5. The bytes on account are the sum of the weights of what is young, stale and held.
func (a *Assembler) Check() error {
	bytes, open, live := 0, 0, 0
	for _, q := range []struct {
		name   string
		list   *List
		states [2]State
		sorted bool
	}{
		{"young", &a.young, [2]State{Open, Ended}, true},
		{"stale", &a.stale, [2]State{Late, Late}, true},
		{"held", &a.held, [2]State{Held, Held}, false},
		{"ready", &a.ready, [2]State{Ready, Ready}, false},
	} {
		n, last := 0, uint64(0)
		for e := q.list.Head; e != nil; e = q.list.Next(e) {
			switch {
			case e.state != q.states[0] && e.state != q.states[1]:
				return fmt.Errorf("event %v in %s has state %d", e.ID, q.name, e.state)
			case q.sorted && e.First < last:
				return fmt.Errorf("event %v in %s is before the one before", e.ID, q.name)
			case e.state == Ready && e.weight != 0:
				return fmt.Errorf("event %v is ready and on account", e.ID)
			case (e.state == Open || e.state == Late) && a.open[e.ID] != e:
				return fmt.Errorf("event %v is open and not under its ID", e.ID)
			}
			if e.state == Open || e.state == Late {
				open++
			}
			if !e.Silent {
				live++
			}
			n, last, bytes = n+1, e.First, bytes+e.weight
		}
		if n != q.list.Len {
			return fmt.Errorf("%s has %d events and counts %d", q.name, n, q.list.Len)
		}
	}
	switch {
	case open != len(a.open):
		return fmt.Errorf("%d events are open, %d under their IDs", open, len(a.open))
	case live != a.live.Len:
		return fmt.Errorf("%d events are not returned, %d are live", live, a.live.Len)
	case bytes != a.bytes:
		return fmt.Errorf("%d bytes counted, the events have %d", a.bytes, bytes)
	}
	return nil
}
