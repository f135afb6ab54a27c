package host

import (
	"bytes"
	"path/filepath"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// Homes says where processes run: in which container and systemd unit, from their cgroups,
// and in which session of Session Manager, from their ancestors. What it said of a process
// holds for a moment, since most processes that delete delete a lot; a process's number is
// not given anew so soon.
type Homes struct {
	look     func(pid uint32) (home, bool)
	now      func() time.Time
	seen     map[uint32]home       // at most mostHomes
	sessions map[uint32]ssmSession // of those that are in one; at most mostHomes
}

// A home is what was seen of a process.
type home struct {
	container, unit string

	alive  bool
	began  int64  // when it began, in Unix milliseconds, a little too early
	ticks  int64  // likewise, in hundredths of a second since boot; tells processes of one number apart
	parent uint32 // 0 for none
	worker string // the session that it serves, empty if it is no worker of Session Manager's

	session string // in which it runs, empty for none or if climbed is false
	climbed bool   // its ancestors were asked for the session

	until time.Time // it holds so long
}

// An ssmSession is that of a process, for as long as the process lives.
type ssmSession struct {
	ticks int64
	id    string
}

const (
	homeHolds = 500 * time.Millisecond
	mostHomes = 1024

	// rough is by how much the clock of events may be behind that of processes, in milliseconds.
	rough = 10

	// mostAncestors is more than any login has between the service and a command.
	mostAncestors = 64
)

// NewHomes returns a Homes that knows nobody yet.
func NewHomes(l *System) *Homes { return &Homes{look: l.home, now: time.Now} }

// Of returns where a process ran at a time, in Unix milliseconds. A process of that number
// that began later is another one.
func (h *Homes) Of(pid, parent uint32, at int64) (s event.Surroundings) {
	p := h.home(pid)
	if p.alive && p.began > at+rough {
		p = home{}
	}
	s.Container, s.Unit = p.container, p.unit
	if !p.alive { // short-lived: its parent may still be there
		if pid, p = parent, h.home(parent); p.began > at+rough {
			return s
		}
	}
	if !p.climbed {
		p.session, p.climbed = h.session(pid, p), true
		h.seen[pid] = p
	}
	s.SSMSession = p.session
	return s
}

// home looks at a process, unless that was done just now.
func (h *Homes) home(pid uint32) home {
	now := h.now()
	if known, ok := h.seen[pid]; ok && now.Before(known.until) {
		return known
	}
	if len(h.seen) >= mostHomes || h.seen == nil {
		h.seen = map[uint32]home{}
	}
	found, _ := h.look(pid)
	found.until = now.Add(homeHolds)
	h.seen[pid] = found
	return found
}

// session finds the session that a process descends from.
//
// Whoever ends on the way leaves its children to another parent. So the session of a process
// is remembered as long as the process lives, and that of each on the way.
func (h *Homes) session(pid uint32, p home) (id string) {
	var way [mostAncestors]struct {
		pid   uint32
		ticks int64
	}
	n := 0
	for p.alive && n < len(way) {
		if known, ok := h.sessions[pid]; ok && known.ticks == p.ticks {
			id = known.id
			break
		}
		way[n].pid, way[n].ticks = pid, p.ticks
		n++
		if id = p.worker; id != "" {
			break
		}
		pid, p = p.parent, h.home(p.parent)
	}
	if id == "" {
		return ""
	}
	for _, w := range way[:n] {
		if len(h.sessions) >= mostHomes || h.sessions == nil {
			h.sessions = map[uint32]ssmSession{}
		}
		h.sessions[w.pid] = ssmSession{w.ticks, id}
	}
	return id
}

// home reads what tells where a process runs.
func (l *System) home(pid uint32) (home, bool) {
	if pid == 0 {
		return home{}, false
	}
	return askProcess(l, pid, func() (home, bool) {
		cgroup, err := readStart(procPath(pid)+"/cgroup", mostCgroup)
		if err != nil {
			return home{}, false
		}
		stat, err := readStart(procPath(pid)+"/stat", 1<<10)
		if err != nil {
			return home{}, false
		}
		var h home
		h.container, h.unit = parseCgroup(cgroup)
		h.parent, h.ticks, h.alive = parseStat(stat)
		h.began = sinceBoot(h.ticks)
		if bytes.Contains(stat, []byte("("+workerComm+")")) {
			h.worker = sessionOf(pid)
		}
		return h, h.alive
	})
}

// The program that amazon-ssm-agent starts for each session, with the session's id as first
// argument, and its name as the kernel has it, which keeps 15 bytes.
const (
	workerName = "ssm-session-worker"
	workerComm = "ssm-session-wor"
)

// mostSession bounds an id: a user's name of 128 bytes at most, and 17 hexadecimal digits.
const mostSession = 256

// sessionOf reads the session that a worker serves from its arguments. Anybody may give a
// process that name, so only root's count: from root nobody on the host is safe.
func sessionOf(pid uint32) string {
	if !isRoots(pid) {
		return ""
	}
	text, err := readStart(procPath(pid)+"/cmdline", 4<<10)
	if err != nil {
		return ""
	}
	words := bytes.Split(text, []byte{0})
	for i, w := range words[:len(words)-1] {
		if id := words[i+1]; filepath.Base(string(w)) == workerName && isSession(id) {
			return string(id)
		}
	}
	return ""
}

func isSession(id []byte) bool {
	for _, c := range id {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return len(id) > 0 && len(id) <= mostSession
}

// isRoots says whether all four of a process's users are root.
func isRoots(pid uint32) bool {
	text, err := readStart(procPath(pid)+"/status", 4<<10)
	if err != nil {
		return false
	}
	_, rest, ok := bytes.Cut(text, []byte("\nUid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return ok && string(bytes.Join(bytes.Fields(line), []byte(" "))) == "0 0 0 0"
}
