package query

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/journal"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// A Follower returns events of a journal as they come. They have Facts and, if
// the options ask for it, JSON, but no records.
type Follower struct {
	view   *journal.View
	stream *paths.Stream
	opt    Options
	encode encode.Encoder
	old    uint64 // what the journal had when it was opened
	event  Event
}

// FollowJournal follows the journal in dir, beginning with what was appended at
// from or later.
func FollowJournal(dir string, from time.Time, opt Options) (*Follower, error) {
	v, err := journal.OpenReadOnly(dir)
	if err != nil {
		return nil, err
	}
	st, err := v.Stat()
	if err == nil {
		err = v.SeekTime(from)
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return &Follower{
		view: v, stream: paths.NewStream(paths.Offline()), opt: opt, old: st.Newest,
		encode: encode.Encoder{Host: opt.Host, Names: opt.Names},
	}, nil
}

// Close stops following.
func (f *Follower) Close() error { return f.view.Close() }

// Next waits for the next event. old says that it was there when f was opened.
// The error is ctx's when that is done.
func (f *Follower) Next(ctx context.Context) (e *Event, old bool, err error) {
	for {
		if v, ok := f.stream.Next(); ok {
			return f.fill(v), v.First <= f.old, nil
		}
		seq, rec, err := f.view.Next()
		_, damaged := errors.AsType[*journal.Damage](err)
		switch {
		case damaged:
		case errors.Is(err, io.EOF):
			if err := f.wait(ctx); err != nil {
				return nil, false, err
			}
		case err != nil:
			return nil, false, err
		case len(rec) >= 2:
			typ, text, extra := event.SplitRecord(rec)
			f.stream.PushEnriched(seq, typ, text, extra)
		}
	}
}

// tick is how often an event is looked at that waits for its directory's name.
const tick = 250 * time.Millisecond

func (f *Follower) wait(ctx context.Context) error {
	f.stream.Tick(time.Now())
	short, cancel := context.WithTimeout(ctx, tick)
	defer cancel()
	if err := f.view.Wait(short); err != nil && ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return ctx.Err()
}

func (f *Follower) fill(v *event.Event) *Event {
	e := &f.event
	json := e.JSON[:0]
	*e = Event{ID: v.ID, Node: f.opt.otherHost(v.First), Facts: factsOf(v, f.opt.Names)}
	f.encode.Host = cmp.Or(e.Node, f.opt.Host)
	e.first = typeOf(jsonEvent{Action: v.Action, Syscall: v.Syscall})
	if f.opt.JSON {
		e.JSON = f.encode.AppendJSON(json, v)
	}
	f.stream.Free(v)
	return e
}

// SafeWord is Safe for a word among others: what means something to a shell has
// a backslash in front.
func SafeWord(text string) string { return Safe(string(appendEscaped(nil, []byte(text), "shell"))) }
