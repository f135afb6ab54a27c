package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// String prints the rule as auditctl -l does when it is the only one loaded. That
// loses what AddLine keeps.
func (r *Rule) String() string { return r.print(listed) }

// AddLine prints the rule as a line of a rule file that adds it on this machine.
func (r *Rule) AddLine() string { return r.AddLineOn(HostArch()) }

// AddLineOn prints the rule as a line that adds it on a machine of an
// architecture.
func (r *Rule) AddLineOn(arch string) string {
	line := r.print(style{native: arch})
	if rest, ok := strings.CutPrefix(line, "-a "); ok && r.First {
		return "-A " + rest
	}
	return line
}

// A style is one of the ways to print a rule: as auditctl -l does, where texts
// have no operator but =, and types of files no name; or as a rule file has to
// say it.
type style struct{ native string } // architecture for which b64 and b32 stand; empty for a listing

var listed style

func (s style) op(f Field) string {
	switch f.ID {
	case fieldPath, fieldDir, fieldExe, fieldKey:
		if s == listed {
			return "="
		}
	}
	return opNames[f.Op&allOps]
}

func (s style) text(t string) string {
	if s == listed {
		return t
	}
	return escaped(t)
}

// arch names an architecture: b64 and b32 are the machine's own.
func (s style) arch(elf uint32) string {
	m, known := machineOf(elf)
	own, _ := machineNamed(s.native)
	narrow, hasNarrow := b32(s.native)
	switch {
	case !known:
		return fmt.Sprintf("0x%X", elf)
	case s != listed && m.elf != own.elf && (!hasNarrow || elf != narrow):
		return m.name
	case elf&arch64 != 0:
		return "b64"
	}
	return "b32"
}

func (r *Rule) print(s style) string {
	var b strings.Builder
	watch := r.Watch
	if s == listed {
		watch = r.isWatch()
	}
	if !watch {
		fmt.Fprintf(&b, "-a %s,%s", r.actionName(), r.listName())
		for _, f := range r.Fields {
			if f.ID == fieldArch {
				b.WriteString(" -F arch" + s.op(f) + s.arch(f.Value))
			}
		}
		r.printCalls(&b)
	}
	for i, f := range r.Fields {
		switch {
		case f.ID == fieldArch && !watch:
		case f.ID == fieldCompare && s != listed && (r.List != Exit || !isComparison(f.Value)):
			fmt.Fprintf(&b, " -F field_compare%s%d", s.op(f), f.Value)
		case f.ID == fieldKey && s != listed && i < len(r.Fields)-1:
			b.WriteString(" -F KEY" + s.op(f) + s.text(f.Text)) // key= would move it to the end
		default:
			printField(&b, f, watch && (i < 2 || f.ID == fieldKey || s == listed), s)
		}
	}
	return b.String()
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

func printField(b *strings.Builder, f Field, watch bool, s style) {
	op := s.op(f)
	name, ok := fieldNames[f.ID]
	switch {
	case !ok:
		fmt.Fprintf(b, " f%d%s%d", f.ID, op, int32(f.Value))
	case watch && (f.ID == fieldPath || f.ID == fieldDir):
		b.WriteString("-w " + s.text(f.Text))
	case watch && f.ID == fieldPerm:
		b.WriteString(" -p " + permString(f.Value))
	case f.ID == fieldKey:
		printKeys(b, f.Text, op, watch, s)
	case f.ID == fieldCompare:
		printComparison(b, f.Value, op)
	default:
		b.WriteString(" -F " + name + op + valueString(f, s))
	}
}

func printKeys(b *strings.Builder, text, op string, watch bool, s style) {
	keys := strings.Split(text, "\x01")
	if s != listed && slices.Contains(keys, "") {
		keys = []string{text} // only whole it reads back
	}
	for _, key := range keys {
		switch {
		case key == "":
		case watch:
			b.WriteString(" -k " + s.text(key))
		default:
			b.WriteString(" -F key" + op + s.text(key))
		}
	}
}

func isComparison(value uint32) bool {
	return slices.ContainsFunc(comparisons, func(c struct{ value, a, b uint32 }) bool { return c.value == value })
}

func printComparison(b *strings.Builder, value uint32, op string) {
	for _, c := range comparisons {
		if c.value == value {
			b.WriteString(" -C " + fieldNames[c.a] + op + fieldNames[c.b])
		}
	}
}

func valueString(f Field, s style) string {
	signed, unsigned := strconv.Itoa(int(int32(f.Value))), strconv.FormatUint(uint64(f.Value), 10)
	switch {
	case isText(f.ID):
		return s.text(f.Text)
	case f.ID == fieldMsgType && (s == listed || listedType(f.Value)):
		return typeName(f.Value)
	case f.ID == fieldPerm:
		return permString(f.Value)
	case f.ID == fieldInode:
		return unsigned
	case f.ID == fieldFileType:
		if s == listed {
			return signed
		}
		return named(fileTypeNames, f.Value, signed)
	case f.ID == fieldFSType:
		if s == listed {
			return named(fsTypeNames, f.Value, signed)
		}
		return named(fsTypeNames, f.Value, unsigned)
	case f.ID >= fieldA0 && f.ID <= fieldA3:
		return fmt.Sprintf("0x%X", f.Value)
	case f.ID == fieldExit:
		return exitString(int32(f.Value))
	case s != listed && !isUID(f.ID) && f.ID != fieldSessionID:
		return unsigned
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
