package event

import (
	"strings"
	"sync"
)

// Open flags, from asm-generic/fcntl.h; the access mode is the same everywhere,
// and the others on all architectures but MIPS, Alpha, PA-RISC and SPARC.
const (
	openAccess  = 0o3
	openExcl    = 0o200
	openTrunc   = 0o1000
	openTmpfile = 0o20000000 // of O_TMPFILE; the rest of it is O_DIRECTORY
)

// openFlags are those that a call opens a file with, if its records tell.
func (e *Event) openFlags() (flags uint64, ok bool) {
	switch {
	case e.call.verb != verbOpen:
	case e.call.name == "openat2":
		return e.args[3], true
	case e.call.flagsArg >= 0:
		return e.args[e.call.flagsArg], true
	}
	return 0, false
}

// describe says what an event was that is not about files; false if it is.
func (e *Event) describe() bool {
	first := e.kind()
	switch {
	case first == TypeGap:
		e.Action = "gap"
	case first == TypeDaemon:
		e.Action = "daemon"
	case first == TypeRules || first == typeConfig || first == typeFeature:
		e.Action = "rules"
	case first == typeSyscall || first == typeUringop || first == typePath || first == typeCWD || first == typeProctitle:
		if e.call.verb != verbOther || len(e.paths) > 0 {
			e.collectBeside()
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
		case typeSyscall, typePath, typeCWD, typeProctitle, typeSockaddr, TypeExecve, typeUringop, typeOpenat2,
			typeIPC, typeSocketcall, typeEOE, TypeCut:
		case typeConfig, typeFeature, TypeGap, TypeDaemon, TypeRules:
			return r.typ
		default:
			if r.typ.alone() || !e.HasCall || r.typ.tells() && len(e.paths) == 0 {
				return r.typ
			}
		}
	}
	if e.HasCall {
		return typeSyscall
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
func (e *Event) name() {
	switch e.call.verb {
	case verbDelete:
		e.Action = "delete"
	case verbRename:
		e.Action = "rename"
	case verbCreate:
		e.Action = "create"
	case verbOpen:
		e.Action = e.opened()
	case verbWrite:
		e.Action = "write"
	case verbAttr:
		e.Action = "attr"
	case verbLink:
		e.Action = "link"
	case verbSymlink:
		e.Action = "symlink"
	case verbExec:
		e.Action = "exec"
	case verbMount:
		e.Action = "mount"
	case verbUnmount:
		e.Action = "unmount"
	default:
		e.Action = e.happened()
	}
}

// opened tells what opening a file came to.
func (e *Event) opened() string {
	flags, known := e.openFlags()
	switch {
	case e.has(ntCreate):
		return "create"
	case e.call.name == "creat":
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
	del, created := e.has(ntDelete), e.has(ntCreate)
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

func (e *Event) has(kind nametype) bool {
	for i := range e.paths {
		if e.paths[i].kind == kind {
			return true
		}
	}
	return false
}
