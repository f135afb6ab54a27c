package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/auditshipper/auditshipper/internal/event"
	"github.com/auditshipper/auditshipper/internal/safefile"
)

// Types of the records in which login programs tell of a session (AUDIT_USER_LOGIN,
// AUDIT_USER_START of linux/audit.h and libaudit).
const (
	typeUserLogin event.Type = 1112
	typeUserStart event.Type = 1105
)

// A login is from where somebody began a session, and on which terminal.
type login struct {
	Addr string `json:"addr,omitempty"`
	Term string `json:"term,omitempty"`
}

// Logins remember from where the sessions of this boot came, as login programs have said in
// records that pass by. The deliver loop owns them.
//
// They are kept in the state directory: a session lasts longer than a daemon, and its
// login record is not read again. A session's number is given once a boot; those of
// another boot are forgotten when a note of the daemon says that another one began.
type logins struct {
	dir *safefile.Dir // nil: they are not kept
	log *zap.Logger

	known loginFile
	due   time.Time
	dirty bool
}

// A loginFile is what the file "logins" holds.
type loginFile struct {
	Boot     string           `json:"boot"`
	Sessions map[uint32]login `json:"sessions"` // at most maxLogins
}

const (
	// maxLogins bounds the sessions that are remembered; the oldest go.
	maxLogins = 1 << 12

	// loginsEvery is how often they are written at most.
	loginsEvery = time.Second

	// maxTerm is more than any terminal's name has.
	maxTerm = 64
)

// openLogins reads what an earlier process has kept.
func openLogins(stateDir string, log *zap.Logger) *logins {
	l := &logins{log: log}
	var err error
	if l.dir, err = safefile.Make(stateDir); err == nil {
		err = l.load()
	}
	if err != nil {
		log.Warn("sessions that began before have no address in events", zap.Error(err))
	}
	if l.known.Sessions == nil {
		l.known.Sessions = map[uint32]login{}
	}
	return l
}

func (l *logins) load() error {
	text, err := l.dir.ReadFile("logins")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &l.known); err != nil {
		return fmt.Errorf("%s/logins: %w", l.dir.Path(), err)
	}
	return nil
}

func (l *logins) close() error {
	if l == nil || l.dir == nil {
		return nil
	}
	l.save(time.Time{})
	return l.dir.Close()
}

// heed takes from an event what it says of its session.
//
// The kernel has written the session and the user before the program's words. Only root's
// count; with them it can lie about its own session, and about no other.
func (l *logins) heed(e *event.Event) {
	typ, _ := e.Record(0)
	switch {
	case typ.IsNote():
		if boot := e.Field("boot_id"); len(boot) > 0 && string(boot) != l.known.Boot {
			l.known, l.dirty = loginFile{string(boot), map[uint32]login{}}, true
		}
	case typ != typeUserLogin && typ != typeUserStart, e.Ses == event.Unset, e.UID != 0, string(e.Field("msg_res")) == "failed":
	default:
		said := login{addressIn(e.Field("msg_addr")), terminalIn(e.Field("msg_terminal"))}
		was, known := l.known.Sessions[e.Ses]
		if said.Addr == "" { // sudo or su within the session
			return
		}
		if typ == typeUserStart && known {
			return // the first word is the login's
		}
		if said != was {
			l.note(e.Ses, said)
		}
	}
}

// note remembers a session. The kernel counts sessions up, so the oldest has the lowest
// number.
func (l *logins) note(ses uint32, said login) {
	l.known.Sessions[ses], l.dirty = said, true
	if len(l.known.Sessions) > maxLogins {
		delete(l.known.Sessions, slices.Min(slices.Collect(maps.Keys(l.known.Sessions))))
	}
}

// tell says in an event from where its session came.
func (l *logins) tell(e *event.Event) {
	if e.Ses != event.Unset {
		from := l.known.Sessions[e.Ses]
		e.LoginAddr, e.LoginTerm = from.Addr, from.Term
	}
}

// save writes what is new, if it is time. The zero time is one for all that is new.
func (l *logins) save(now time.Time) {
	if l == nil || l.dir == nil || !l.dirty || !now.IsZero() && now.Before(l.due) {
		return
	}
	l.due = now.Add(loginsEvery)
	text, err := json.Marshal(l.known)
	if err == nil {
		err = l.dir.ReplaceText("logins", 0o600, text)
	}
	if err != nil {
		l.log.Warn("sessions not kept; after a restart their events have no address", zap.Error(err))
		return
	}
	l.dirty = false
}

// addressIn is the address that a login program names, empty for none: "?", or a name.
func addressIn(text []byte) string {
	addr, err := netip.ParseAddr(string(text))
	if err != nil {
		return ""
	}
	return addr.WithZone("").String()
}

// terminalIn is the terminal that a login program names, empty for none or for what is no
// name of one.
func terminalIn(text []byte) string {
	if len(text) > maxTerm || string(text) == "?" {
		return ""
	}
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return string(text)
}
