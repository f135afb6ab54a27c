package daemon

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/kaudit"
)

// splitRecord takes apart what the journal holds, but for what auditd appended.
func splitRecord(rec []byte) (event.Type, []byte) {
	typ, text, _ := event.SplitRecord(rec)
	return typ, text
}

// A source is where records come from.
type source interface {
	// Receive waits for records and returns them, as kaudit.Listener does.
	Receive(base uint64) ([][]byte, error)
	Wake()
	Stop()
	Close() error
}

// An appender is the part of the journal that the receive loop uses.
type appender interface {
	Append(recs [][]byte) (int, error)
	Next() uint64
}

// A receiver moves records from the kernel to the journal.
type receiver struct {
	src     source
	journal appender
	refused *refusals
	ration  *ration // nil where records wait for us
	notes   *notes
	account *account
	forged  *forgeries
	relayed bool   // by another daemon, which may have left some out
	relay   *relay // of a file's lines, nil otherwise

	backfill *backfiller // nil where there is no other log to look in

	// configChanged is poked when somebody changed the rules. The record's type
	// and first word are all that is parsed here.
	configChanged chan struct{}
	ruleChanges   *atomic.Uint64 // those by processes, see loadWatch

	beat     atomic.Uint64 // turns of the loop, for the watchdog
	records  atomic.Uint64
	overruns atomic.Uint64

	backfilled atomic.Uint64 // events that came from auditd's log
}

// receive runs until the source is stopped.
//
// It must keep up with the kernel, so it waits for nothing else: it does not
// parse, does not sync the disk, and does not know that a network exists.
func (r *receiver) receive() error {
	for {
		recs, err := r.src.Receive(r.journal.Next())
		r.beat.Add(1)
		switch {
		case errors.Is(err, os.ErrClosed):
			if r.relay != nil {
				r.relay.reckon(true)
			}
			return errors.Join(r.reckon(true), r.tellFloods(true), r.append(r.notes.take()), r.tellForged(true))
		case errors.Is(err, errEnded):
			return errors.Join(err, r.reckon(true), r.append(r.notes.take()))
		case errors.Is(err, kaudit.ErrOverrun):
			r.overruns.Add(1)
			r.account.suspect(causeOverrun, r.account.last(), false)
		case err != nil:
			return err
		}
		r.records.Add(uint64(len(recs)))
		r.look(recs)
		switch {
		case !r.relayed:
			r.account.see(recs)
		case r.relay != nil:
			r.relay.see(recs)
			r.relay.reckon(false)
		}
		if err := r.appendLanded(recs); err != nil {
			return err
		}
		if err := r.append(r.notes.take()); err != nil {
			return err
		}
		if err := r.tellFloods(false); err != nil {
			return err
		}
		if err := r.reckon(false); err != nil {
			return err
		}
		if err := r.tellForged(false); err != nil {
			return err
		}
	}
}

// reckon puts a gap of what the kernel dropped, and auditd's log does not have,
// into the journal, about once a second. What the journal has no room for is told
// later.
func (r *receiver) reckon(end bool) error {
	a := r.account
	if !end {
		if !a.ready() {
			return nil
		}
		if more, err := r.fill(); more || err != nil {
			return err
		}
	}
	if r.relay != nil {
		r.relay.own.ripen(end)
	}
	found := r.backfill.found()
	g, missing := a.due(end, found)
	if told, err := r.tell(g, missing, found); !told || err != nil {
		return err
	}
	a.turn(missing)
	return nil
}

// tell puts a gap into the journal if something is missing, or that what was
// missing is there now. It reports whether there was room.
func (r *receiver) tell(g gap, missing bool, found uint64) (bool, error) {
	healed := found > 0 && (!missing || g.count == 0 && g.cause == causeOverrun)
	var note []byte
	switch {
	case healed:
		note = encodeNote(event.TypeDaemon, r.account.now(), []event.NoteField{{Key: "op", Value: "backfill"}, {Key: "count", Value: found}})
	case missing:
		note = encodeNote(event.TypeGap, r.account.now(), g.fields())
	default:
		return true, nil
	}
	_, err := r.journal.Append([][]byte{note})
	if errors.Is(err, journal.ErrFull) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("append to journal: %w", err)
	}
	if !healed && !g.planned {
		r.notes.count(g.cause)
	}
	r.backfill.finish()
	return true, nil
}

// look pokes whoever keeps the rules when one of recs says they changed.
func (r *receiver) look(recs [][]byte) {
	const configChange = 1305 // AUDIT_CONFIG_CHANGE, linux/audit.h
	for _, rec := range recs {
		typ, text := splitRecord(rec)
		if typ != configChange {
			continue
		}
		if changedByProcess(text) {
			r.ruleChanges.Add(1)
		}
		select {
		case r.configChanged <- struct{}{}:
		default: // poked already
		}
	}
}

// appendLanded puts records into the journal that have landed, but for those of whoever
// fills it at the cost of others. What is left out may have been the rename of a
// directory, hence the seam before what comes next.
func (r *receiver) appendLanded(recs [][]byte) error {
	if r.ration != nil {
		recs = r.ration.keep(recs)
	}
	if len(recs) == 0 {
		return nil
	}
	if err := r.tellRefused(r.ahead); err != nil {
		return err
	}
	if r.ration != nil && r.ration.seam {
		_, err := r.ahead(encodeNote(event.TypeSeam, r.account.now(), nil))
		if err != nil {
			return err
		}
		r.ration.seam = false
	}
	return r.put(recs)
}

// ahead appends a note in front of records that have landed, and reports whether there
// was room. The landing knows beforehand which sequence the first of them will get:
// should a kill come before, the journal's next one is less, and it has none of them.
func (r *receiver) ahead(note []byte) (bool, error) {
	next := r.journal.Next()
	r.refused.landing.SetBase(next + 1)
	told, err := r.note(note)
	if !told {
		r.refused.landing.SetBase(next)
	}
	return told, err
}

// note appends a note and reports whether there was room.
func (r *receiver) note(note []byte) (bool, error) {
	n, err := r.journal.Append([][]byte{note})
	if err != nil && !errors.Is(err, journal.ErrFull) {
		return false, fmt.Errorf("append to journal: %w", err)
	}
	return n == 1, nil
}

// tellRefused appends, by a function, the gap of what was refused, as soon as there
// is room.
func (r *receiver) tellRefused(note func([]byte) (bool, error)) error {
	gap := r.refused.note()
	if gap == nil {
		return nil
	}
	told, err := note(gap)
	if told {
		r.refused.clear()
	}
	return err
}

// isUntold says whether the ration left out records that no gap tells of yet. There is no
// ration where records wait for us.
func (r *receiver) isUntold() bool { return r.ration != nil && r.ration.untold.Load() }

// tellFloods puts a gap into the journal for each of those whose events were counted
// instead of kept, once their flood is over or has lasted.
func (r *receiver) tellFloods(end bool) error {
	if !r.isUntold() {
		return nil
	}
	state := r.ration.state
	for f := state.due(r.account.now(), end); f != nil; f = state.due(r.account.now(), end) {
		g := f.gap()
		f.told = r.journal.Next()
		told, err := r.note(encodeNote(event.TypeGap, r.account.now(), g.fields()))
		if !told {
			f.told = 0
			return err
		}
		*f = floodCount{}
		r.notes.count(g.cause)
	}
	r.ration.untold.Store(!r.ration.state.empty())
	return nil
}

// append puts records of our own into the journal, and without any what was refused
// before.
func (r *receiver) append(recs [][]byte) error {
	if err := r.tellRefused(r.note); err != nil || len(recs) == 0 {
		return err
	}
	return r.put(recs)
}

// put puts records into the journal. A full one refuses the newest: they are counted,
// and a gap says so as soon as there is room.
func (r *receiver) put(recs [][]byte) error {
	n, err := r.journal.Append(recs)
	if n > 0 && n < len(recs) {
		r.refused.saw(recs[n-1])
	}
	if errors.Is(err, journal.ErrFull) {
		r.refused.add(recs[n:])
		return nil
	}
	if err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	return nil
}
