package daemon

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/paths"
)

// An origin is where records come from, as far as that decides what they are
// believed and asked.
type origin struct {
	node string // the host's name, where the line has one
	past bool   // of a log that nobody writes any more: /proc and mounts are of another time or host
}

// nodeStreams put records together to events, for each origin by itself: hosts
// have ids, inodes and processes of the same numbers. Only events of this host
// as it is now are asked about its processes and mounts. The zero origin's
// stream takes what the kernel hands over.
type nodeStreams struct {
	*paths.Stream        // the zero origin's
	relayed       bool   // records are lines of a log
	host          string // this host's name
	now           func() time.Time
	options       paths.Options // of the others' streams

	others map[origin]*paths.Stream
	used   map[origin]uint64 // sequence of the last record
	past   bool              // lines without a node are of the past
	read   uint64            // sequence of the last record of any origin
}

const (
	// maxOrigins bounds the streams besides the zero origin's.
	maxOrigins = 64

	// freshFor is how far a record's time may be from now for it to be of the
	// present.
	freshFor = time.Minute
)

func newNodeStreams(own *paths.Stream) *nodeStreams {
	return &nodeStreams{Stream: own, now: time.Now, others: map[origin]*paths.Stream{}, used: map[origin]uint64{}}
}

// push takes a record of the journal.
func (s *nodeStreams) push(seq uint64, rec []byte) {
	typ, text, extra, node := event.SplitNode(rec)
	s.read = seq
	if typ == event.TypeGap || typ == event.TypeSeam {
		for _, st := range s.others {
			st.Forget() // the very rename may be missing that makes untrue what is known
		}
	}
	s.of(s.originOf(typ, text, string(node)), seq).PushEnriched(seq, typ, text, extra)
}

// originOf tells the origin of a record. A stream of which something is pending
// goes on, so that no event is torn.
func (s *nodeStreams) originOf(typ event.Type, text []byte, node string) origin {
	if !s.relayed || typ.IsNote() && typ != event.TypeCut {
		return origin{}
	}
	if !isHost(node, s.host) {
		return origin{node: node, past: true}
	}
	o := origin{node: node, past: s.past}
	if id, _, err := event.ParseHeader(text); err == nil {
		past := s.now().Sub(id.Time()).Abs() > freshFor
		if at := s.at(o); past != s.past && (at == nil || at.Pending() == 0) {
			s.past, o.past = past, past
		}
	}
	if !o.past {
		o.node = "" // it is this host
	}
	return o
}

// isHost reports whether the name that a line has for its host, if any, is this host's.
func isHost(node, host string) bool {
	return node == "" || node == host || strings.HasPrefix(node, host+".")
}

// at returns the stream of an origin, nil if there is none.
func (s *nodeStreams) at(o origin) *paths.Stream {
	if !o.past {
		return s.Stream
	}
	return s.others[o]
}

// of returns the stream of an origin, and makes it if need be.
func (s *nodeStreams) of(o origin, seq uint64) *paths.Stream {
	if !o.past {
		return s.Stream
	}
	s.used[o] = seq
	if st := s.others[o]; st != nil {
		return st
	}
	if len(s.others) >= maxOrigins {
		s.forgetOne()
	}
	st := paths.NewStream(s.options)
	s.others[o] = st
	return st
}

// forgetOne forgets the origin of which nothing came for the longest time and
// nothing is pending. If all have something pending, none is forgotten.
func (s *nodeStreams) forgetOne() {
	var oldest origin
	found := false
	for o, st := range s.others {
		if st.Pending() == 0 && (!found || s.used[o] < s.used[oldest]) {
			oldest, found = o, true
		}
	}
	if found {
		delete(s.others, oldest)
		delete(s.used, oldest)
	}
}

// speakFor makes an output tell an event of host, or of the origin that its lines
// name. Only of this host as it is now the users and the file systems are known;
// of a log without a name that nobody writes any more at least the users.
func (out *output) speakFor(host string, of origin) {
	enc := out.encoder
	enc.Host, enc.Names = host, out.names
	if of.node != "" {
		enc.Host = of.node
	}
	switch {
	case of.past && of.node != "":
		enc.Names = nil
	case of.past && out.names != nil:
		enc.Names = out.users
	}
}

// users are names without those of file systems.
type users struct{ encode.Names }

// FileSystem knows none.
func (users) FileSystem(event.Dev) (id, accessPoint string) { return "", "" }

// next returns the next event that is complete, whose it is, and the stream to
// give it back to.
func (s *nodeStreams) next() (e *event.Event, of origin, from *paths.Stream, ok bool) {
	if e, ok := s.Stream.Next(); ok {
		return e, origin{}, s.Stream, true
	}
	for o, st := range s.others {
		if e, ok := st.Next(); ok {
			return e, o, st, true
		}
	}
	return nil, origin{}, nil, false
}

// Pending is how many events have begun and were not returned yet.
func (s *nodeStreams) Pending() int {
	n := s.Stream.Pending()
	for _, st := range s.others {
		n += st.Pending()
	}
	return n
}

// Tick lets time pass.
func (s *nodeStreams) Tick(now time.Time) {
	s.Stream.Tick(now)
	for _, st := range s.others {
		st.Tick(now)
	}
}

// Forget forgets what was learnt of directories.
func (s *nodeStreams) Forget() {
	s.Stream.Forget()
	for _, st := range s.others {
		st.Forget()
	}
}

// Read is the sequence of the last record.
func (s *nodeStreams) Read() uint64 { return max(s.read, s.Stream.Read()) }

// Low is the oldest sequence still needed if all events returned so far are
// delivered.
func (s *nodeStreams) Low() uint64 {
	low := s.Read() + 1
	if s.Stream.Pending() > 0 {
		low = min(low, s.Stream.Low())
	}
	for _, st := range s.others {
		if st.Pending() > 0 {
			low = min(low, st.Low())
		}
	}
	return low
}

// nodesVersion begins a mark of several streams; that of one begins with 1.
const nodesVersion = 2

// AppendMark appends what Resume needs. With one stream it is that one's mark.
func (s *nodeStreams) AppendMark(dst []byte) []byte {
	if len(s.others) == 0 {
		return s.Stream.AppendMark(dst)
	}
	dst = append(dst, nodesVersion)
	dst = binary.AppendUvarint(dst, s.Low())
	dst = appendPart(dst, origin{}, s.Stream)
	for o, st := range s.others {
		dst = appendPart(dst, o, st)
	}
	return dst
}

func appendPart(dst []byte, o origin, st *paths.Stream) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(o.node)))
	dst = append(dst, o.node...)
	past := byte(0)
	if o.past {
		past = 1
	}
	dst = append(dst, past)
	mark := st.AppendMark(nil)
	dst = binary.AppendUvarint(dst, uint64(len(mark)))
	return append(dst, mark...)
}

var errNodesMark = errors.New("damaged mark of several hosts")

// Resume lets new streams go on from a mark. It returns the sequence of the
// first record to push.
func (s *nodeStreams) Resume(mark []byte) (low uint64, err error) {
	if len(mark) == 0 || mark[0] != nodesVersion {
		low, err := s.Stream.Resume(mark)
		s.read = max(low, 1) - 1
		return low, err
	}
	d := markReader(mark[1:])
	low = d.number()
	s.read = max(low, 1) - 1
	for len(d) > 0 {
		node := string(d.take(d.number()))
		past := d.take(1)
		part := d.take(d.number())
		if past == nil || part == nil {
			return 0, errNodesMark
		}
		st := s.of(origin{node, past[0] == 1}, 0)
		if _, err := st.Resume(part); err != nil {
			return 0, err
		}
	}
	return low, nil
}

// A markReader takes a mark apart. Behind its end everything is empty.
type markReader []byte

func (d *markReader) number() uint64 {
	v, n := binary.Uvarint(*d)
	if n <= 0 {
		*d = nil
		return 0
	}
	*d = (*d)[n:]
	return v
}

// take returns the next n bytes, nil if there are less.
func (d *markReader) take(n uint64) []byte {
	if n > uint64(len(*d)) {
		*d = nil
		return nil
	}
	b := (*d)[:n:n]
	*d = (*d)[n:]
	return b
}
