package query

import (
	"github.com/auditshipper/auditshipper/internal/event"
)

// maxWaiting bounds the bytes of the events that wait for facts, their own or
// those of an event in front of them; maxHeld the events whose directory is
// not known yet.
const (
	maxWaiting = 64 << 20
	maxHeld    = 1 << 16
)

// A resolver finds out what events mean, and gives them back in the order in
// which they came: a path may be named by a later record only.
type resolver struct {
	opt    Options
	seq    uint64
	nodes  map[string]*nodeStream
	queue  []*Event // those to be given back
	bytes  int
	encode event.Encoder
}

// A nodeStream is what is known of one host's directories. Ids and inodes of
// different hosts have nothing to do with each other.
type nodeStream struct {
	stream *event.Stream
	wait   map[uint64]*Event // by the sequence of their first record
}

func newResolver(opt Options) *resolver {
	return &resolver{opt: opt, nodes: map[string]*nodeStream{}, encode: event.Encoder{Host: opt.Host, Names: opt.Names}}
}

func (r *resolver) node(name string) *nodeStream {
	n := r.nodes[name]
	if n == nil {
		opt := event.Offline()
		opt.Held = maxHeld
		n = &nodeStream{stream: event.NewStream(opt), wait: map[uint64]*Event{}}
		r.nodes[name] = n
	}
	return n
}

// add learns from an event, and takes it if it is to be given back; else it
// returns false.
func (r *resolver) add(e *Event, keep bool) bool {
	n := r.node(e.Node)
	first := r.seq + 1
	for i := range e.Records {
		rec := &e.Records[i]
		if e.backwards() {
			rec = &e.Records[len(e.Records)-1-i]
		}
		if rec.Type != typeEOE {
			r.seq++
			n.stream.PushEnriched(r.seq, rec.Type, rec.Text, rec.Extra)
		}
	}
	r.seq++
	n.stream.Push(r.seq, typeEOE, e.Records[0].Text)
	if keep {
		n.wait[first] = e
		r.queue = append(r.queue, e)
		r.bytes += len(e.buf)
	}
	n.drain(r)
	for r.bytes > maxWaiting && r.queue[0].Facts == nil {
		r.hurry(r.queue[0])
	}
	return keep
}

// backwards says whether the records stand in the order in which ausearch
// prints them when it is not told --raw, the last first.
func (e *Event) backwards() bool {
	last := e.Records[len(e.Records)-1].Type
	return len(e.Records) > 1 && (last == typeSyscall || last == typeUringop) && e.first != last
}

// hurry gives the event up that e waits for, which may be itself.
func (r *resolver) hurry(e *Event) {
	n := r.nodes[e.Node]
	if !n.stream.Hurry() {
		n.stream.Flush()
	}
	n.drain(r)
}

// drain takes what the stream has found out.
func (n *nodeStream) drain(r *resolver) {
	for v, ok := n.stream.Next(); ok; v, ok = n.stream.Next() {
		if e := n.wait[v.First]; e != nil {
			delete(n.wait, v.First)
			r.fill(e, v)
		}
		n.stream.Free(v)
	}
}

func (r *resolver) fill(e *Event, v *event.Event) {
	e.Facts = factsOf(v, r.opt.Names)
	if r.opt.JSON {
		r.encode.Host = r.opt.Host
		if e.Node != "" {
			r.encode.Host = e.Node
		}
		e.JSON = r.encode.AppendJSON(e.JSON[:0], v)
	}
}

// next returns the next event with its facts, nil if that is not known yet.
func (r *resolver) next() *Event {
	if len(r.queue) == 0 || r.queue[0].Facts == nil {
		return nil
	}
	e := r.queue[0]
	r.queue[0] = nil
	r.queue = r.queue[1:]
	r.bytes -= len(e.buf)
	return e
}

// flush gives all events up that still wait, and says whether there were any.
func (r *resolver) flush() bool {
	for _, n := range r.nodes {
		n.stream.Flush()
		n.drain(r)
	}
	for _, e := range r.queue {
		if e.Facts == nil {
			e.Facts = &Facts{Action: "unparsed", AUID: event.Unset, UID: event.Unset, Ses: event.Unset}
		}
	}
	return len(r.queue) > 0
}
