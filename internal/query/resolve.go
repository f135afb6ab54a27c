package query

import (
	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// Bounds of a resolver: of the bytes of all events that wait for facts, their
// own or those of an event in front of them; of the events of a node whose
// directory is not known yet; of the nodes whose directories are known.
const (
	maxWaiting = 40 << 20
	maxHeld    = 1 << 16
	maxNodes   = 16
)

// A resolver finds out what events mean, and gives them back in the order in
// which they came: a path may be named by a later record only.
type resolver struct {
	opt      Options
	seq      uint64
	nodes    map[string]*nodeStream
	queue    []*Event // those to be given back
	bytes    int      // of the queue, and of what the streams hold
	unsolved int      // events that were not waited for to the end
	encode   encode.Encoder
}

// A nodeStream is what is known of one host's directories. Ids and inodes of
// different hosts have nothing to do with each other.
type nodeStream struct {
	stream *paths.Stream
	wait   map[uint64]waiting // by the sequence of their first record
	used   uint64             // the resolver's seq when it was used last
}

// A waiting event is in a stream.
type waiting struct {
	event *Event // nil if it is not to be given back
	cost  int
}

func newResolver(opt Options) *resolver {
	return &resolver{opt: opt, nodes: map[string]*nodeStream{}, encode: encode.Encoder{Host: opt.Host, Names: opt.Names}}
}

func (r *resolver) node(name string) *nodeStream {
	n := r.nodes[name]
	if n == nil {
		if len(r.nodes) >= maxNodes {
			r.dropNode()
		}
		opt := paths.Offline()
		opt.Held, opt.Explain = maxHeld, r.opt.Explain
		n = &nodeStream{stream: paths.NewStream(opt), wait: map[uint64]waiting{}}
		r.nodes[name] = n
	}
	n.used = r.seq
	return n
}

// dropNode forgets the node that was used longest ago, and gives up what waits there.
func (r *resolver) dropNode() {
	oldest := ""
	for name, n := range r.nodes {
		if first := r.nodes[oldest]; first == nil || n.used < first.used {
			oldest = name
		}
	}
	n := r.nodes[oldest]
	r.unsolved += n.stream.Pending()
	n.stream.Flush()
	n.drain(r)
	n.abandon(r)
	delete(r.nodes, oldest)
}

// add learns from an event, and takes it if it is to be given back; else it
// returns false.
func (r *resolver) add(e *Event, keep bool) bool {
	n := r.node(e.source())
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
	w := waiting{cost: e.cost()}
	if keep {
		w.event = e
		r.queue = append(r.queue, e)
		r.bytes += e.cost()
	}
	if e.first != event.TypeSeam { // a stream returns none
		n.wait[first] = w
		r.bytes += w.cost
	}
	n.drain(r)
	for r.bytes > maxWaiting && r.hurry(n) {
		r.unsolved++
	}
	return keep
}

// backwards says whether the records stand in the order in which ausearch
// prints them when it is not told --raw, the last first.
func (e *Event) backwards() bool {
	last := e.Records[len(e.Records)-1].Type
	return len(e.Records) > 1 && (last == typeSyscall || last == typeUringop) && e.first != last
}

// hurry gives up the event that is first in the queue and waits, or if none
// does, the oldest one of n. It returns false if nobody waits any more.
func (r *resolver) hurry(n *nodeStream) bool {
	if len(r.queue) > 0 {
		if r.queue[0].Facts != nil {
			return false // the queue goes on by itself
		}
		if first := r.nodes[r.queue[0].source()]; first != nil {
			n = first
		}
	}
	if n.stream.Pending() == 0 {
		n.abandon(r)
		return false
	}
	if !n.stream.Hurry() {
		n.stream.Flush()
	}
	n.drain(r)
	return true
}

// drain takes what the stream has found out.
func (n *nodeStream) drain(r *resolver) {
	for v, ok := n.stream.Next(); ok; v, ok = n.stream.Next() {
		w := n.wait[v.First]
		delete(n.wait, v.First)
		r.bytes -= w.cost
		if w.event != nil {
			r.fill(w.event, v)
			if v.ID == r.opt.Explain {
				w.event.Why = explain(v, n.stream.Explained())
			}
		}
		n.stream.Free(v)
	}
}

// abandon gives the events that the stream did not return facts that say nothing.
func (n *nodeStream) abandon(r *resolver) {
	for _, w := range n.wait {
		r.bytes -= w.cost
		if w.event != nil {
			w.event.Facts = &Facts{Action: "unparsed", AUID: event.Unset, UID: event.Unset, Ses: event.Unset}
			r.bytes += w.event.told()
		}
	}
	clear(n.wait)
}

func (r *resolver) fill(e *Event, v *event.Event) {
	before := e.told()
	v.Partial = v.Partial || e.Truncated || e.GivenUp
	e.Facts = factsOf(v, r.opt.Names)
	if r.opt.JSON {
		r.encode.Host = r.opt.Host
		if e.Node != "" {
			r.encode.Host = e.Node
		}
		e.JSON = r.encode.AppendJSON(e.JSON[:0], v)
	}
	r.bytes += e.told() - before
}

// told is about how many bytes the facts of an event take.
func (e *Event) told() int {
	n := cap(e.JSON)
	if f := e.Facts; f != nil {
		n += 512 + len(f.Path) + len(f.Dest) + len(f.Parent) + len(f.Cwd) + len(f.Exe)
		for _, word := range f.Cmd {
			n += 16 + len(word)
		}
		for name, val := range f.Fields {
			n += 64 + len(name) + len(val)
		}
	}
	return n
}

// next returns the next event with its facts, nil if that is not known yet.
func (r *resolver) next() *Event {
	if len(r.queue) == 0 || r.queue[0].Facts == nil {
		return nil
	}
	e := r.queue[0]
	r.queue[0] = nil
	r.queue = r.queue[1:]
	r.bytes -= e.cost() + e.told()
	return e
}

// flush gives all events up that still wait, and says whether there were any.
func (r *resolver) flush() bool {
	for _, n := range r.nodes {
		n.stream.Flush()
		n.drain(r)
		n.abandon(r)
	}
	return len(r.queue) > 0
}
