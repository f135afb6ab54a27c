package query

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/auditshipper/auditshipper/internal/event"
)

// A Message is an event as a log group gives it back.
type Message struct {
	Stream string
	Text   string
}

// OpenMessages reads events from messages in order of time: JSON as the daemon
// encodes it, or lines of audit.log. raw says that it is lines. An event that
// came twice is returned once. The source's Next returns the error of a pair.
func OpenMessages(messages iter.Seq2[Message, error], opt Options, match func(*Event) bool) (src Source, raw bool, err error) {
	next, stop := iter.Pull2(messages)
	m := &messageSource{next: next, stop: stop, opt: opt, match: match, seen: newSeen()}
	m.first, m.firstErr, m.peeked = next()
	for m.peeked && m.firstErr == nil && strings.HasPrefix(m.first.Text, figures) {
		m.first, m.firstErr, m.peeked = next()
	}
	if m.peeked && m.firstErr == nil && !strings.HasPrefix(m.first.Text, "{") {
		return newStream(&messageLines{messageSource: m}, opt), true, nil
	}
	return m, false, nil
}

// figures is how the daemon's own begin (metrics.emf), in a group of lines, too.
const figures = `{"_aws":`

// A messageSource is a Source over JSON.
type messageSource struct {
	next  func() (Message, error, bool)
	stop  func()
	opt   Options
	match func(*Event) bool

	first    Message
	firstErr error
	peeked   bool

	seen  *seen
	event Event
	facts Facts
}

// Close implements Source.
func (m *messageSource) Close() error {
	m.stop()
	return nil
}

func (m *messageSource) pull() (Message, error) {
	msg, err, ok := m.first, m.firstErr, m.peeked
	if ok {
		m.first, m.peeked = Message{}, false
		m.firstErr = nil
	} else {
		msg, err, ok = m.next()
	}
	if !ok {
		return msg, io.EOF
	}
	return msg, err
}

// Next implements Source.
func (m *messageSource) Next() (*Event, error) {
	for {
		msg, err := m.pull()
		if err != nil {
			return nil, err
		}
		e := &m.event
		if err := e.fromJSON(msg, &m.facts); err != nil {
			continue // of somebody else, who writes to the same group
		}
		if m.opt.within(e.ID.Sec, 0) && m.isNew(e) && (m.match == nil || m.match(e)) {
			return e, nil
		}
	}
}

// isNew reports whether an event did not come yet: or, of one that came in part,
// the whole.
func (m *messageSource) isNew(e *Event) bool {
	return m.seen.isNew(e, !e.Facts.Partial)
}

// Identity tells an event of a log group from all others: names of hosts are
// given again, and a stream may have the events of several.
func (e *Event) Identity() string { return e.source() + " " + e.ID.String() }

// source tells the hosts of a source apart.
func (e *Event) source() string {
	if e.Stream == "" {
		return e.Node
	}
	return e.Stream + " " + e.Node
}

// messageLines are the lines in messages.
type messageLines struct {
	*messageSource
	text   string
	stream string // that text is from
	types  typeNames
}

func (m *messageLines) next(l *line) error {
	for {
		for m.text == "" {
			msg, err := m.pull()
			if err != nil {
				return err
			}
			m.text, m.stream = msg.Text, msg.Stream
		}
		var text string
		text, m.text, _ = strings.Cut(m.text, "\n")
		l.bytes = []byte(text)
		if l.parse(&m.types) {
			l.stream = m.stream
			l.typ = l.typ.Own() // the group is the daemon's
			return nil
		}
	}
}

// jsonEvent is the daemon's JSON, see docs/event.schema.json.
type jsonEvent struct {
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	Host       string    `json:"host"`
	Key        string    `json:"key"`
	Action     string    `json:"action"`
	Syscall    string    `json:"syscall"`
	Success    *bool     `json:"success"`
	Errno      string    `json:"errno"`
	Path       string    `json:"path"`
	PathFrom   string    `json:"path_from"`
	Parent     string    `json:"parent"`
	Dest       string    `json:"dest"`
	DestFrom   string    `json:"dest_from"`
	DestParent string    `json:"dest_parent"`
	Type       string    `json:"type"`
	Inode      string    `json:"inode"`
	Dev        string    `json:"dev"`
	AUID       *uint32   `json:"auid"`
	AUIDName   string    `json:"auid_name"`
	UID        *uint32   `json:"uid"`
	UIDName    string    `json:"uid_name"`
	Ses        *uint32   `json:"ses"`
	TTY        string    `json:"tty"`
	PID        uint32    `json:"pid"`
	PPID       uint32    `json:"ppid"`
	Comm       string    `json:"comm"`
	Exe        string    `json:"exe"`
	Cmd        string    `json:"cmd"`
	Cwd        string    `json:"cwd"`
	Container  string    `json:"container"`
	Unit       string    `json:"unit"`
	SSMSession string    `json:"ssm_session"`
	LoginAddr  string    `json:"login_addr"`
	LoginTerm  string    `json:"login_term"`
	Partial    bool      `json:"partial"`
}

// fromJSON makes e the event of a message. Its facts are in f.
func (e *Event) fromJSON(msg Message, f *Facts) error {
	j, isOCSF := fromOCSF(msg.Text)
	if !isOCSF {
		if err := json.Unmarshal([]byte(msg.Text), &j); err != nil {
			return err
		}
	}
	id, err := event.ParseID(j.ID)
	if err != nil {
		return fmt.Errorf("id %q: %w", j.ID, err)
	}
	*f = Facts{
		Action: j.Action, Syscall: j.Syscall, Errno: j.Errno, Key: j.Key,
		Path: j.Path, PathFrom: j.PathFrom, Parent: j.Parent, Dest: j.Dest, DestFrom: j.DestFrom, DestParent: j.DestParent,
		Type: j.Type, Dev: j.Dev, PID: j.PID, PPID: j.PPID,
		AUID: event.Unset, UID: event.Unset, Ses: event.Unset, AUIDName: j.AUIDName, UIDName: j.UIDName,
		TTY: j.TTY, Comm: j.Comm, Exe: j.Exe, Cwd: j.Cwd, Container: j.Container, Unit: j.Unit, SSMSession: j.SSMSession, LoginAddr: j.LoginAddr, LoginTerm: j.LoginTerm, Partial: j.Partial,
	}
	if j.Cmd != "" {
		f.Cmd = []string{j.Cmd}
	}
	if j.Success != nil {
		f.Success = event.No
		if *j.Success {
			f.Success = event.Yes
		}
	}
	for _, n := range []struct{ from, to *uint32 }{{j.AUID, &f.AUID}, {j.UID, &f.UID}, {j.Ses, &f.Ses}} {
		if n.from != nil {
			*n.to = *n.from
		}
	}
	f.Inode, _ = strconv.ParseUint(j.Inode, 10, 64) // 0 where there is none
	if j.Syscall == "" {
		f.Fields = otherFields(msg.Text)
	}
	*e = Event{ID: id, Node: j.Host, Stream: msg.Stream, Facts: f, JSON: []byte(msg.Text), first: typeOf(j)}
	return nil
}

// typeOf is the type of the record that an event began with, as far as its
// action tells.
func typeOf(j jsonEvent) event.Type {
	switch {
	case j.Action == "gap":
		return event.TypeGap
	case j.Action == "daemon":
		return event.TypeDaemon
	case j.Action == "rules" && j.Syscall == "":
		return typeConfig
	}
	return typeSyscall
}

// otherFields are those of an event that is not about a file.
func otherFields(text string) map[string]string {
	var all map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&all) != nil {
		return nil // it was decoded before
	}
	fields := map[string]string{}
	unmapped, _ := all["unmapped"].(map[string]any) // of OCSF
	for _, from := range []map[string]any{all, unmapped} {
		for key, val := range from {
			fields[key] = fmt.Sprint(val)
		}
	}
	return fields
}

// MatchFact says whether an event without records is wanted, as far as its
// facts tell: what they do not have does not match.
func (s *Search) MatchFact(e *Event) bool {
	f := e.Facts
	unknown := s.Machine != Any && s.SyscallName == "" || s.GID != Any || s.EGID != Any || s.VM != "" || s.UUID != "" ||
		s.Subject != "" || s.Object != "" || s.EUID.asked() && !s.AnyUID
	if unknown {
		return false
	}
	return (s.Event == Any || s.Event == int64(e.ID.Serial)) &&
		(len(s.Nodes) == 0 || slices.Contains(s.Nodes, e.Node)) &&
		(s.PID == Any || s.PID == int64(f.PID)) && (s.PPID == Any || s.PPID == int64(f.PPID)) &&
		(s.Session == Any || s.Session == int64(f.Ses)) &&
		(s.Syscall == Any || s.SyscallName != "" && s.SyscallName == f.Syscall) &&
		(s.Exit == Any || s.ErrnoName != "" && s.ErrnoName == f.Errno) &&
		(s.Success == event.Unknown || s.Success == f.result()) &&
		(len(s.Types) == 0 || slices.Contains(s.Types, e.Type())) &&
		s.matchAction(e) && s.matchPlain(e) && s.factUser(f) && s.factFile(f) &&
		s.fact(s.Term, f.orWord(f.TTY, "terminal")) && s.fact(s.Exe, f.orWord(f.Exe, "exe")) && s.fact(s.Comm, f.orWord(f.Comm, "comm")) &&
		s.matchHost(e, bytesOf(f.orWord(f.Fields["msg_hostname"], "addr"))) &&
		(s.Key == "" || slices.ContainsFunc(strings.Split(f.Key, ","), func(k string) bool { return s.fact(s.Key, k) }))
}

// orWord is a fact, or where there is none what a program's message says under a key:
// ausearch finds messages by their own words.
func (f *Facts) orWord(fact, key string) string {
	return cmp.Or(fact, f.Fields["msg_"+key])
}

// result is whether the call succeeded, or what a program's message says of it.
func (f *Facts) result() event.Tristate {
	switch word := f.Fields["msg_res"]; {
	case f.Success != event.Unknown || word == "":
		return f.Success
	case word == "success" || word == "yes" || word == "1":
		return event.Yes
	}
	return event.No
}

func (s *Search) fact(asked, got string) bool {
	return s.oneOf(asked, bytesOf(got))
}

// bytesOf is nil for a text that is missing.
func bytesOf(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

func (s *Search) factUser(f *Facts) bool {
	is := func(u User, id uint32, name string) bool {
		return u.Name != "" && u.Name == name || u.Name == "" && u.ID == int64(id)
	}
	if s.AnyUID {
		return is(s.UID, f.UID, f.UIDName) || is(s.AUID, f.AUID, f.AUIDName)
	}
	return (!s.UID.asked() || is(s.UID, f.UID, f.UIDName)) && (!s.AUID.asked() || is(s.AUID, f.AUID, f.AUIDName))
}

func (s *Search) factFile(f *Facts) bool {
	if s.File == "" {
		return true
	}
	return slices.ContainsFunc([]string{f.Path, f.Dest, f.Parent, f.DestParent, f.Cwd}, func(name string) bool {
		return name != "" && s.isFile([]byte(name))
	})
}

// IDOf returns the host and the id of an event in a message of a log group: JSON,
// or lines of audit.log, whose host is the given one if they do not say it. The
// id has the process besides: two hosts may have one name.
func IDOf(message, host string) (of, id string, ok bool) {
	if strings.HasPrefix(message, "{") {
		var j struct {
			ID   string `json:"id"`
			Host string `json:"host"`
			PID  uint32 `json:"pid"`
		}
		if json.Unmarshal([]byte(message), &j) != nil || j.ID == "" {
			return "", "", false
		}
		return j.Host, j.ID + " " + strconv.Itoa(int(j.PID)), true
	}
	first, _, _ := strings.Cut(message, "\n")
	l := line{bytes: []byte(first)}
	var types typeNames
	if !l.parse(&types) {
		return "", "", false
	}
	if l.node != nil {
		host = string(l.node)
	}
	_, pid, _ := strings.Cut(first, " pid=")
	pid, _, _ = strings.Cut(pid, " ")
	return host, l.id.String() + " " + pid, true
}
