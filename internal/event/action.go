package event

import (
	"strings"
	"sync"
)

// Open flags, from asm-generic/fcntl.h; the access mode is the same everywhere,
// and the others on all architectures but MIPS, Alpha, PA-RISC and SPARC.
const (
	openAccess  = 0o3
	OpenExcl    = 0o200
	openTrunc   = 0o1000
	OpenTmpfile = 0o20000000 // of O_TMPFILE; the rest of it is O_DIRECTORY
)

// openFlags are those that a call opens a file with, if its records tell.
func (e *Event) OpenFlags() (flags uint64, ok bool) {
	switch {
	case e.Call.Verb != VerbOpen:
	case e.Call.Name == "openat2":
		return e.Args[3], true
	case e.Call.FlagsArg >= 0:
		return e.Args[e.Call.FlagsArg], true
	}
	return 0, false
}

// describe says what an event was that is not about files; false if it is.
func (e *Event) Describe() bool {
	first := e.kind()
	switch {
	case first == TypeGap:
		e.Action = "gap"
	case first == TypeDaemon:
		e.Action = "daemon"
	case first == TypeRules || first == TypeConfig || first == typeFeature:
		e.Action = "rules"
	case first == TypeSyscall || first == TypeUringop || first == TypePath || first == TypeCWD || first == TypeProctitle:
		if e.Call.Verb != VerbOther || len(e.Items) > 0 {
			collector{e}.collectBeside()
			return false
		}
		e.Action = "syscall"
		if e.Syscall != "" {
			e.Action = e.Syscall
		}
	default:
		e.Action = actionOf(first)
	}
	return true
}

// kind is the type of the record that says what the event is about: the first
// that is not one of those that accompany a system call.
func (e *Event) kind() Type {
	kind := e.records[0].typ
	for _, r := range e.records {
		switch r.typ {
		case TypeSyscall, TypePath, TypeCWD, TypeProctitle, typeSockaddr, TypeExecve, TypeUringop, TypeOpenat2,
			typeIPC, typeSocketcall, TypeEOE, TypeCut:
		case TypeConfig, typeFeature, TypeGap, TypeDaemon, TypeRules:
			return r.typ
		default:
			if r.typ.alone() || !e.HasCall || r.typ.tells() && len(e.Items) == 0 {
				return r.typ
			}
		}
	}
	if e.HasCall {
		return TypeSyscall
	}
	return kind
}

var actions sync.Map // Type to string

// actionOf is a record type's name as an action: user_login.
func actionOf(t Type) string {
	if a, ok := actions.Load(t); ok {
		return a.(string)
	}
	name := strings.ToLower(t.String())
	if t.IsNamed() {
		name = "unknown_" + name // a log cannot name an action of ours
	}
	name = strings.NewReplacer("[", "_", "]", "").Replace(name)
	a, _ := actions.LoadOrStore(t, name)
	return a.(string)
}

// name says what a file event did, by what happened where the call leaves it open.
func (e *Event) SetAction() {
	switch e.Call.Verb {
	case VerbDelete:
		e.Action = "delete"
	case VerbRename:
		e.Action = "rename"
	case VerbCreate:
		e.Action = "create"
	case VerbOpen:
		e.Action = e.opened()
	case VerbWrite:
		e.Action = "write"
	case VerbAttr:
		e.Action = "attr"
	case VerbLink:
		e.Action = "link"
	case VerbSymlink:
		e.Action = "symlink"
	case VerbExec:
		e.Action = "exec"
	case VerbMount:
		e.Action = "mount"
	case VerbUnmount:
		e.Action = "unmount"
	default:
		e.Action = e.happened()
	}
}

// opened tells what opening a file came to.
func (e *Event) opened() string {
	flags, known := e.OpenFlags()
	switch {
	case e.Has(KindCreate):
		return "create"
	case e.Call.Name == "creat":
		return "write"
	case !known:
		return "open"
	case flags&(openAccess|openTrunc) != 0:
		return "write"
	}
	return "read"
}

// happened tells from the PATH records what an unknown call did.
func (e *Event) happened() string {
	del, created := e.Has(KindDelete), e.Has(KindCreate)
	switch {
	case del && created:
		return "rename"
	case del:
		return "delete"
	case created:
		return "create"
	case e.Syscall != "":
		return e.Syscall
	}
	return "access"
}

func (e *Event) Has(kind Kind) bool {
	for i := range e.Items {
		if e.Items[i].Kind == kind {
			return true
		}
	}
	return false
}
