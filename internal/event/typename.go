package event

import (
	"strings"
	"sync"
)

// A log may have a type by a name that this program does not know: auditd is newer. Such
// a name gets a number of this process. The journal has the name itself (see AppendRecord).
const (
	typeNamedFirst Type = 60000
	typeNamedLast  Type = 60999 // bounds how many names a log can make this process keep
	maxTypeName         = 64
)

var unknown struct {
	sync.RWMutex
	names []string
	types map[string]Type
}

// namedType is the type of a name that nobody knows. Names beyond the bound are all type
// 0, whose events keep everything else.
func namedType(name string) (Type, bool) {
	if !isTypeName(name) {
		return 0, false
	}
	u := &unknown
	u.Lock()
	defer u.Unlock()
	if t, ok := u.types[name]; ok {
		return t, true
	}
	if len(u.names) > int(typeNamedLast-typeNamedFirst) {
		return 0, true
	}
	if u.types == nil {
		u.types = map[string]Type{}
	}
	t := typeNamedFirst + Type(len(u.names))
	u.names, u.types[name] = append(u.names, name), t
	return t, true
}

// isTypeName reports whether a name looks like those of auditd.
func isTypeName(name string) bool {
	return name != "" && len(name) <= maxTypeName && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && name[0] >= 'A'
}

// IsNamed says whether only the log's name for the type is known.
func (t Type) IsNamed() bool { return t >= typeNamedFirst && t <= typeNamedLast }

// unknownName is the name of such a type, empty if it was given to none.
func (t Type) unknownName() string {
	u := &unknown
	u.RLock()
	defer u.RUnlock()
	if i := int(t) - int(typeNamedFirst); t.IsNamed() && i < len(u.names) {
		return u.names[i]
	}
	return ""
}
