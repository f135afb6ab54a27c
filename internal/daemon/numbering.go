package daemon

import (
	"fmt"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A numbering checks the kernel serials of one host's lines in auditd's log. Serials
// count within one boot. auditd may have been away within a boot: then its next start
// is followed by a hole.
//
// The receive loop owns it.
type numbering struct {
	*account
	boot int64 // of this host, Unix milliseconds; 0 for another host

	restarted bool // auditd was started since the last serial

	// Serials that are missing behind a start of auditd. A record of a boot may
	// still prove that another numbering has begun.
	between missing
	turns   int

	// Lines were cut off the file, and it is not known whether all were read.
	cutAt    time.Time // zero for none
	cutAfter uint64    // the highest serial then
	reboot   bool      // a boot came since

	used uint64 // of relay.count
}

// Record types, linux/audit.h.
const (
	recordDaemonStart event.Type = 1200
	recordSystemBoot  event.Type = 1127
)

// see notes a record's serial.
func (n *numbering) see(typ event.Type, text []byte) {
	switch {
	case typ == recordDaemonStart:
		n.restarted = true
		return
	case typ >= firstDaemon && typ <= lastDaemon, typ.IsNote(), typ.IsForeign(), typ.Continues():
		return
	}
	id, _, err := event.ParseHeader(text)
	if err != nil || id.Serial == 0 {
		return
	}
	s := n.serials
	switch {
	case s.High == 0:
	case n.isBoot(id):
		n.reboot = true
		s.settle()
		s.EarlyRuns = [16]run{} // of the boot before
		s.High, s.Mark, s.Settled, s.Latest = id.Serial, id.Serial, id.Serial, id.UnixMilli()
	case n.restarted && id.Serial > s.High:
		n.between.Count += id.Serial - s.High - 1
		n.between.widen(s.Latest, max(s.Latest, id.UnixMilli()))
		n.turns = 0
		s.settle()
		s.High, s.Mark, s.Settled = id.Serial, id.Serial, id.Serial
	case id.Serial <= s.High:
		s.see(id)
		return
	}
	n.restarted = false
	if typ == recordSystemBoot && id.UnixMilli() < n.knownSince() {
		n.between = missing{}
	}
	s.see(id)
	n.unsettled.Store(true)
}

// knownSince is from when on no record is needed to tell a boot: any program with
// CAP_AUDIT_WRITE can write one.
func (n *numbering) knownSince() int64 {
	if n.boot == 0 {
		return 1<<63 - 1
	}
	return n.boot
}

// isBoot reports whether an event is the first of another boot.
func (n *numbering) isBoot(id event.ID) bool {
	const (
		late  = 64   // serials by which records of different processors come out of order, generously
		apart = 2000 // ms, less than any boot takes
	)
	s, at := n.serials, id.UnixMilli()
	if s.Latest < n.boot && at >= n.boot {
		return true
	}
	if id.Serial > s.High {
		return false
	}
	below, later := s.High-id.Serial, at > s.Latest+apart
	return below >= window || below > late && (later || n.restarted) || later && n.restarted
}

// settle makes due tell of all that is missing so far.
func (s *serialState) settle() {
	left := s.runs(s.High)
	s.Early.Count += serialsOf(left)
	s.keepRuns(left)
	s.Early.widen(s.Stale.From, s.Stale.To)
	s.Early.widen(s.Fresh.From, s.Fresh.To)
	s.Stale, s.Fresh, s.Mark, s.Settled = missing{}, missing{}, s.High, s.High
}

// cut notes that lines were cut off the file. The next serial tells whether any of
// them was not read.
func (n *numbering) cut() {
	n.cutAt, n.cutAfter, n.reboot = n.now(), n.serials.High, false
}

// ripen makes due tell of what had time to explain itself, or of all at the end.
func (n *numbering) ripen(end bool) {
	s := n.serials
	if n.between.Count > 0 {
		if n.turns++; end || n.turns >= 2 {
			s.Early.Count += n.between.Count
			s.Early.widen(n.between.From, n.between.To)
			n.between = missing{}
		}
	}
	switch {
	case n.cutAt.IsZero():
		return
	case end && s.High == n.cutAfter, n.reboot, n.cutAfter == 0:
		n.suspect(causeOverrun, n.last(), false)
	case s.High == n.cutAfter, s.Settled != s.High && s.due().Count == 0 && !end:
		return // nothing came since, or it may come yet
	}
	n.cutAt, n.reboot = time.Time{}, false
}

// A relay checks the serials of lines that another daemon wrote, host by host.
type relay struct {
	file   string
	host   string
	own    *numbering
	others map[string]*numbering
	count  uint64
	notes  *notes
}

// see notes the serials of records.
func (r *relay) see(recs [][]byte) {
	for _, rec := range recs {
		typ, text, _, node := event.SplitNode(rec)
		if typ.Continues() {
			continue
		}
		r.of(string(node)).see(typ, text)
	}
}

// of returns the numbering of a host.
func (r *relay) of(node string) *numbering {
	if isHost(node, r.host) {
		return r.own
	}
	n := r.others[node]
	if n == nil {
		if len(r.others) >= maxOrigins {
			r.forgetOne()
		}
		now := r.own.now
		n = &numbering{account: &account{serials: new(serialState), away: new(absence), usual: r.own.usual, now: now, turned: now()}}
		r.others[node] = n
	}
	r.count++
	n.used = r.count
	return n
}

// forgetOne forgets the host of which nothing came for the longest time.
func (r *relay) forgetOne() {
	var oldest string
	for node, n := range r.others {
		if o := r.others[oldest]; o == nil || n.used < o.used {
			oldest = node
		}
	}
	r.reckonOf(oldest, true)
	delete(r.others, oldest)
}

// cut notes that lines were cut off the file.
func (r *relay) cut() {
	r.own.cut()
	for _, n := range r.others {
		n.cut()
	}
}

// reckon tells what is missing of other hosts. Of this one the receiver does.
func (r *relay) reckon(end bool) {
	for node, n := range r.others {
		if end || n.ready() {
			r.reckonOf(node, end)
		}
	}
}

func (r *relay) reckonOf(node string, end bool) {
	n := r.others[node]
	n.ripen(end)
	g, missing := n.due(end, 0)
	if missing {
		g.detail = fmt.Sprintf("records of %s are missing in %s", node, r.file)
		r.notes.gap(g)
	}
	n.turn(missing)
}
