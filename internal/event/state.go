package event

// A State is how far an event has come. Only the functions of this file change it, each
// together with the queue that the event is in:
//
//	             begin
//	               ▼
//	  ┌───────── Open ──────────┐
//	  │ overtake                │ end
//	  ▼                         ▼
//	Late                      Ended       young: Open, Ended
//	  │ end                     │ hand    stale: Late
//	  └──────► Deciding ◄───────┘
//	            │    │ Hold
//	      Yield │    ▼
//	            │   Held ──┐              held:  Held
//	            ▼          │ Yield
//	          Ready ◄──────┘              ready: Ready
//	            │ deliver
//	            ▼
//	         Returned ── Free ──► none
//
// A silent event goes from Deciding or Held to none.
type State uint8

// See State.
const (
	None     State = iota // it is in no queue, and nothing of it is true
	Open                  // records of it come; those that began later wait for it
	Late                  // records of it may come; nobody waits for it
	Ended                 // no more come; it waits for those that began before it
	Deciding              // its paths are looked for
	Held                  // it waits for a directory
	Ready                 // it has all it will have
	Returned              // the caller has it
)

// State is how far the event has come.
func (e *Event) State() State { return e.state }

func (a *Assembler) begin(id ID, seq uint64, silent bool) *Event {
	if a.young.Len+a.stale.Len >= a.opt.Limit {
		a.close(a.oldest())
	}
	e := a.alloc()
	e.ID, e.First, e.Last, e.born, e.bornAt = id, seq, seq, a.records, a.Elapsed()
	e.Silent, e.state = silent, Open
	a.open[id] = e
	if !silent {
		a.live.Push(e)
	}
	a.young.Push(e)
	return e
}

// overtake has nobody wait for an open event any more.
func (a *Assembler) overtake(e *Event) {
	a.young.Remove(e)
	a.stale.Push(e)
	e.state = Late
}

// end takes an event out of those that are open. One that is late is in no queue then.
func (a *Assembler) end(e *Event) {
	delete(a.open, e.ID)
	if a.last == e {
		a.last = nil
	}
	if e.state == Late {
		a.stale.Remove(e)
		e.state = Deciding
	} else {
		e.state = Ended
	}
}

// drop takes an open event out of all queues.
func (a *Assembler) drop(e *Event) {
	if a.end(e); e.state == Ended {
		a.young.Remove(e)
	}
	e.state = Deciding
}

// hand passes an event that has ended on.
func (a *Assembler) hand(e *Event) {
	if e.state == Ended {
		a.young.Remove(e)
		e.state = Deciding
	}
	a.opt.Ended(e)
}

// Hold has an event wait for a directory.
func (a *Assembler) Hold(e *Event) {
	e.state = Held
	a.held.Push(e)
	a.Weigh(e)
}

// Yield makes an event ready to be returned, but for one that was delivered before a
// restart.
func (a *Assembler) Yield(e *Event) {
	if e.state == Held {
		a.held.Remove(e)
	}
	if e.Silent {
		a.Free(e)
		return
	}
	a.unweigh(e)
	e.state = Ready
	a.ready.Push(e)
}

// deliver takes out the event that is returned.
func (a *Assembler) deliver(e *Event) {
	a.ready.Remove(e)
	a.live.Remove(e)
	e.state = Returned
}
