package rules

import (
	"slices"
	"strings"
)

// needed are the record types that make up our events, and CONFIG_CHANGE, which
// tells of changes of the rules.
var needed = []uint32{1300, 1302, 1305, 1307, 1320, 1327, 1336}

// Excludes returns which record types of our events the kernel leaves out because of r,
// a rule of the exclude list, if only of some processes (see chosen). There the action
// makes no difference: the kernel leaves out what matches.
func (r *Rule) Excludes() (types []uint32) {
	if r.List != Exclude {
		return nil
	}
	for _, typ := range needed {
		if r.excludes(typ) {
			types = append(types, typ)
		}
	}
	return types
}

func (r *Rule) excludes(typ uint32) bool {
	for _, f := range r.Fields {
		if f.ID == fieldMsgType && !f.Op.compare(typ, f.Value) {
			return false
		}
	}
	return true
}

// chosen prints the fields by which a rule of the exclude list chooses processes; empty if
// it takes all.
func (r *Rule) chosen() string {
	var others Rule
	for _, f := range r.Fields {
		if f.ID != fieldMsgType && f.ID != fieldKey {
			others.Fields = append(others.Fields, f)
		}
	}
	_, fields, _ := strings.Cut(others.AddLine(), " -F ")
	return strings.ReplaceAll(fields, " -F ", " and ")
}

// ignoresFiles says whether r is of the filesystem list and lets the kernel leave out the
// PATH records of files that may be watched. Nobody watches the kernel's own file systems.
func (r *Rule) ignoresFiles() bool {
	return r.List == Filesystem && r.Action == Never && !slices.ContainsFunc(r.Fields, func(f Field) bool {
		return f.ID == fieldFSType && f.Op == Equal && (f.Value == debugfsMagic || f.Value == tracefsMagic)
	})
}

// From linux/magic.h.
const (
	debugfsMagic = 0x64626720
	tracefsMagic = 0x74726163
)

// compare is the kernel's audit_comparator.
func (o Op) compare(left, right uint32) bool {
	switch o {
	case Equal:
		return left == right
	case NotEqual:
		return left != right
	case Less:
		return left < right
	case LessEqual:
		return left <= right
	case Greater:
		return left > right
	case GreaterEqual:
		return left >= right
	case BitMask:
		return left&right != 0
	case BitTest:
		return left&right == right
	}
	return false
}
