package query

import (
	"io"
	"time"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

// A Source streams events.
type Source interface {
	// Next returns the next event, and io.EOF after the last.
	Next() (*Event, error)

	Close() error
}

// DefaultEOETimeout is how many seconds an event waits for others that happened
// before it and were written later. With Compat it is how much later another
// event must be for one without a sign of its end to be over, as auditd.conf's
// end_of_event_timeout.
const DefaultEOETimeout = 2

// Options say what is wanted of a source.
type Options struct {
	// From and To bound the events' times, to the second, both inclusive. Zero
	// is no bound.
	From, To time.Time

	// Keep says whether an event is wanted; nil: all are. Its facts are not
	// known yet. It is called once for each event, in order.
	Keep func(*Event) bool

	// Need is a text without which no event can be wanted, as Keep would say.
	// Events without it are passed over fast, and Keep does not see them.
	Need [][]byte

	Facts bool // find out what the records mean
	JSON  bool // encode what they mean; implies Facts

	// Explain is an event of which Event.Why tells how its paths came about; it implies
	// Facts. The zero ID stands for none.
	Explain event.ID

	Names encode.Names // gives users their names in Facts and JSON; nil: numbers only
	Host  string       // whose events these are, if a record does not say it

	// HostOf says under which host's name a journal's record was received, empty for
	// Host. nil: all were received by Host.
	HostOf func(seq uint64) string

	// Numbers lets a source of lines take what a search printed, too: records
	// that were interpreted, and those that stand the last first.
	Numbers *Numbers

	EOETimeout int64 // seconds; 0: DefaultEOETimeout

	Compat bool // records belong together as in ausearch, which takes some events apart

	// Warn is told at the end of the source what was left out; nil: nobody is.
	Warn func(Left)

	// Debug is given each line that is no record; nil: nobody is.
	Debug func(line []byte)

	// Unfinished leaves events that may not be whole yet at the end unread,
	// since a later search continues there.
	Unfinished bool
}

// around is how much before and after the bounds is read for the names of
// directories, in seconds: a tree's removal names them later than their files.
const around = 600

// within says whether an event of this second is in bounds, widened by slack.
func (o *Options) within(sec, slack int64) bool {
	return (o.From.IsZero() || sec >= o.From.Unix()-slack) && (o.To.IsZero() || sec <= o.To.Unix()+slack)
}

// A reader gives the lines of a source in the order in which they were written.
type reader interface {
	// next fills l with the next line, which is valid until the next call.
	// The error is io.EOF after the last.
	next(l *line) error

	Close() error
}

// A stream is a Source over lines.
type stream struct {
	opt    Options
	in     reader
	asm    *assembler
	solve  *resolver // nil if no facts are wanted
	seen   *seen     // nil if the source does not repeat events
	last   *Event    // what Next returned, to be used again
	slack  int64
	ended  bool
	parsed line
}

func newStream(in reader, opt Options) *stream {
	s := &stream{opt: opt, in: in, asm: newAssembler(&opt)}
	if opt.Facts || opt.JSON || opt.Explain != (event.ID{}) {
		s.solve, s.slack = newResolver(opt), around
	}
	return s
}

// Close implements Source.
func (s *stream) Close() error { return s.in.Close() }

// Next implements Source.
func (s *stream) Next() (*Event, error) {
	if s.last != nil {
		s.asm.free(s.last)
		s.last = nil
	}
	for {
		if s.solve != nil {
			if e := s.solve.next(); e != nil {
				s.last = e
				return e, nil
			}
		}
		e, err := s.whole()
		switch {
		case err == io.EOF && s.solve != nil && s.solve.flush():
			continue
		case err != nil:
			s.warn(err)
			return nil, err
		}
		if s.seen != nil && !s.seen.isNew(e, !e.GivenUp) {
			s.asm.free(e)
			continue
		}
		e.finish()
		if s.opt.Numbers != nil {
			e.turn()
		}
		keep := e.first != event.TypeSeam && s.opt.within(e.ID.Sec, 0) && (s.opt.Keep == nil || s.opt.Keep(e))
		if s.solve != nil {
			if !s.solve.add(e, keep) {
				s.asm.free(e)
			}
			continue
		}
		if keep {
			s.last = e
			return e, nil
		}
		s.asm.free(e)
	}
}

// warn tells at the end of the source what was left out.
func (s *stream) warn(err error) {
	if err != io.EOF || s.opt.Warn == nil {
		return
	}
	left := s.asm.left
	if s.solve != nil {
		left.Unsolved = s.solve.unsolved
	}
	if in, ok := s.in.(interface{ leave(*Left) }); ok {
		in.leave(&left)
	}
	s.opt.Warn(left)
}

// whole returns the next event that has all its records.
func (s *stream) whole() (*Event, error) {
	for {
		if e := s.asm.next(); e != nil {
			return e, nil
		}
		if s.ended && s.opt.Unfinished {
			return nil, io.EOF
		}
		if s.ended {
			if e := s.asm.flush(); e != nil {
				return e, nil
			}
			return nil, io.EOF
		}
		err := s.in.next(&s.parsed)
		switch {
		case err == io.EOF:
			s.ended = true
		case err != nil:
			return nil, err
		case s.opt.within(s.parsed.id.Sec, s.slack):
			s.asm.add(&s.parsed)
		}
	}
}
