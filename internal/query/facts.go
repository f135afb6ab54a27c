package query

import (
	"bytes"
	"strings"

	"github.com/auditshipper/auditshipper/internal/encode"
	"github.com/auditshipper/auditshipper/internal/event"
)

// Facts are what an event's records mean, with the paths that they name made
// true. Strings are empty and ids event.Unset where the event does not say.
type Facts struct {
	Action  string // delete, rename, create, write, exec, …
	Syscall string
	Success event.Tristate
	Errno   string // by name, of a failed call
	Key     string // several are joined by commas

	// Path is what the event was done to, absolute unless PathFrom is
	// "unresolved"; Dest is the new name that a rename or a link made. Where
	// only the directory is known, it is in Parent or DestParent.
	Path, PathFrom, Parent     string
	Dest, DestFrom, DestParent string

	// The inodes of the directories that hold Path and Dest, 0 if not known.
	PathUnder, DestUnder uint64

	PID, PPID            uint32
	AUID, UID, Ses       uint32
	AUIDName, UIDName    string
	TTY, Comm, Exe       string
	Cmd                  []string // the command line
	Cwd, Container, Unit string
	SSMSession           string // of Session Manager
	LoginAddr, LoginTerm string // from where the login session came, and its terminal

	Type    string // file, dir, symlink, …
	Inode   uint64
	Dev     string
	Partial bool // records are missing
	Stacked bool // records without a name tell of a layer below the file system

	// Fields are those of an event that is not about files, under readable
	// names; nil if there are none.
	Fields map[string]string
}

// factsOf copies what e says.
func factsOf(e *event.Event, names encode.Names) *Facts {
	f := &Facts{
		Action: e.Action, Syscall: e.Syscall, Success: e.Success, Errno: e.Errno, Key: string(e.Key),
		Path: string(e.Path.Path), PathFrom: e.Path.From.String(), Parent: string(e.Path.Dir),
		Dest: string(e.Dest.Path), DestFrom: e.Dest.From.String(), DestParent: string(e.Dest.Dir),
		PathUnder: e.Path.Under, DestUnder: e.Dest.Under,
		PID: e.PID, PPID: e.PPID, AUID: e.AUID, UID: e.UID, Ses: e.Ses,
		TTY: string(e.TTY), Comm: string(e.Comm), Exe: string(e.Exe), Cwd: string(e.Cwd),
		Type: e.Path.Type(), Container: e.Container, Unit: e.Unit, SSMSession: e.SSMSession, LoginAddr: e.LoginAddr, LoginTerm: e.LoginTerm, Inode: e.Path.Ino, Dev: string(e.Path.Dev), Partial: e.Partial, Stacked: e.Stacked,
	}
	if len(e.Title) > 0 {
		f.Cmd = strings.Split(string(bytes.TrimRight(e.Title, "\x00")), "\x00")
	}
	f.AUIDName, f.UIDName = userName(names, e.AUID, e.LogAUID), userName(names, e.UID, e.LogUID)
	e.EachField(func(key, val []byte) {
		if f.Fields == nil {
			f.Fields = map[string]string{}
		}
		f.Fields[string(key)] = string(val)
	})
	return f
}

// userName is what the log calls a user, or if it does not say, names.
func userName(names encode.Names, id uint32, log event.LogName) string {
	switch {
	case id == event.Unset:
		return ""
	case log.Known:
		return string(log.Name)
	case names == nil:
		return ""
	}
	return names.UserName(id)
}
