package rules

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// String prints the rule as auditctl -l does when it is the only one loaded.
func (r *Rule) String() string {
	var b strings.Builder
	watch := r.isWatch()
	if !watch {
		fmt.Fprintf(&b, "-a %s,%s", r.actionName(), r.listName())
		for _, f := range r.Fields {
			if f.ID == fieldArch {
				b.WriteString(" -F arch" + opNames[f.Op&allOps] + archName(f.Value))
			}
		}
		r.printCalls(&b)
	}
	for _, f := range r.Fields {
		if f.ID != fieldArch {
			printField(&b, f, watch)
		}
	}
	return b.String()
}

// AddLine prints the rule as a line that adds it: String, which does not know of a
// rule that is to come first.
func (r *Rule) AddLine() string {
	line := r.String()
	if rest, ok := strings.CutPrefix(line, "-a "); ok && r.First {
		return "-A " + rest
	}
	return line
}

func (r *Rule) actionName() string {
	if n, ok := actionNames[r.Action]; ok {
		return n
	}
	return strconv.Itoa(int(r.Action))
}

func (r *Rule) listName() string {
	if n, ok := listNames[r.List]; ok {
		return n
	}
	return strconv.Itoa(int(r.List))
}

// takesCalls reports whether rules of the list are about system calls.
func (r *Rule) takesCalls() bool {
	return r.List != User && r.List != Task && r.List != Exclude && r.List != Filesystem
}

// isWatch reports whether auditctl prints the rule as a watch: every system
// call, a permission, and nothing but a path and keys.
func (r *Rule) isWatch() bool {
	perm := false
	for _, f := range r.Fields {
		switch f.ID {
		case fieldPerm:
			perm = true
		case fieldKey, fieldDir, fieldPath:
		default:
			return false
		}
	}
	return perm && (!r.takesCalls() || r.matchesAll())
}

func archName(elf uint32) string {
	if _, ok := machineOf(elf); !ok {
		return fmt.Sprintf("0x%X", elf)
	}
	if elf&arch64 != 0 {
		return "b64"
	}
	return "b32"
}

// machine is the one whose system calls the rule names: that of its last arch.
func (r *Rule) machine() (machine, bool) {
	m, ok := machineNamed(HostArch())
	for _, f := range r.Fields {
		if f.ID == fieldArch {
			m, ok = machineOf(f.Value)
		}
	}
	return m, ok
}

func (r *Rule) printCalls(b *strings.Builder) {
	if !r.takesCalls() {
		return
	}
	if r.matchesAll() {
		b.WriteString(" -S all")
		return
	}
	m, known := r.machine()
	sep := " -S "
	for nr := range 32 * maskWords {
		if !r.has(nr) {
			continue
		}
		b.WriteString(sep)
		switch {
		case r.List == IOUring:
			b.WriteString(uringName(nr))
		case known:
			b.WriteString(m.callName(nr))
		default:
			b.WriteString(strconv.Itoa(nr))
		}
		sep = ","
	}
}

func printField(b *strings.Builder, f Field, watch bool) {
	op := opNames[f.Op&allOps]
	name, ok := fieldNames[f.ID]
	switch {
	case !ok:
		fmt.Fprintf(b, " f%d%s%d", f.ID, op, int32(f.Value))
	case watch && (f.ID == fieldPath || f.ID == fieldDir):
		b.WriteString("-w " + f.Text)
	case watch && f.ID == fieldPerm:
		b.WriteString(" -p " + permString(f.Value))
	case f.ID == fieldPath || f.ID == fieldDir:
		b.WriteString(" -F " + name + op + f.Text)
	case f.ID == fieldKey:
		printKeys(b, f.Text, op, watch)
	case f.ID == fieldCompare:
		printComparison(b, f.Value, op)
	default:
		b.WriteString(" -F " + name + op + valueString(f))
	}
}

func printKeys(b *strings.Builder, keys, op string, watch bool) {
	for key := range strings.SplitSeq(keys, "\x01") {
		switch {
		case key == "":
		case watch:
			b.WriteString(" -k " + key)
		default:
			b.WriteString(" -F key" + op + key)
		}
	}
}

func printComparison(b *strings.Builder, value uint32, op string) {
	for _, c := range comparisons {
		if c.value == value {
			b.WriteString(" -C " + fieldNames[c.a] + op + fieldNames[c.b])
		}
	}
}

func valueString(f Field) string {
	signed := strconv.Itoa(int(int32(f.Value)))
	switch {
	case isText(f.ID):
		return f.Text
	case f.ID == fieldMsgType:
		return typeName(f.Value)
	case f.ID == fieldPerm:
		return permString(f.Value)
	case f.ID == fieldInode:
		return strconv.FormatUint(uint64(f.Value), 10)
	case f.ID == fieldFileType:
		return named(fileTypeNames, f.Value, signed)
	case f.ID == fieldFSType:
		return named(fsTypeNames, f.Value, fmt.Sprintf("0x%X", f.Value))
	case f.ID >= fieldA0 && f.ID <= fieldA3:
		return fmt.Sprintf("0x%X", f.Value)
	case f.ID == fieldExit:
		return exitString(int32(f.Value))
	}
	return signed
}

func named(names map[uint32]string, v uint32, otherwise string) string {
	if n, ok := names[v]; ok {
		return n
	}
	return otherwise
}

func exitString(v int32) string {
	if v < 0 {
		if name, ok := auparse.AuditErrnoToName[int(-v)]; ok {
			return "-" + name
		}
	}
	return strconv.Itoa(int(v))
}

func permString(bits uint32) string {
	s := ""
	for _, l := range permLetters {
		if bits&l.bit != 0 {
			s += string(l.letter)
		}
	}
	return s
}
