package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/elastic/go-libaudit/v2/auparse"
)

// fieldOption takes -F FIELD OP VALUE.
func (p *parser) fieldOption(pair string, next []option) *ParseError {
	list, ok := p.list()
	if !ok && (!strings.Contains(pair, "arch=") || len(next) == 0 || next[0].name != "t") {
		return faultf("-F needs a list before it").hint("put -a always,exit first")
	}
	if key, found := strings.CutPrefix(pair, "key="); found {
		return p.key(key)
	}
	return p.fieldPair(pair, list)
}

// splitPair splits FIELD OP VALUE at the first operator, two-letter ones first
// wherever they stand.
func splitPair(pair string) (name string, op Op, value string, ok bool) {
	for _, o := range []Op{NotEqual, GreaterEqual, LessEqual, BitTest, Equal, Greater, Less, BitMask} {
		if name, value, ok = strings.Cut(pair, opNames[o]); ok {
			return name, o, value, true
		}
	}
	return pair, 0, "", false
}

func (p *parser) fieldPair(pair string, list List) *ParseError {
	if len(p.rule.Fields) >= maxFields-1 {
		return faultf("more than %d fields", maxFields-1)
	}
	name, op, value, ok := splitPair(pair)
	switch {
	case !ok:
		return faultf("-F %s: no operator", pair).hint("one of = != < > <= >= & &=, with a value behind it")
	case name == "":
		return faultf("-F %s: no field", pair)
	case value == "":
		return faultf("-F %s: no value", pair).hint("no space behind the operator")
	}
	id, ok := fieldIDs[strings.ToLower(name)]
	if strings.EqualFold(name, "loginuid") {
		id, ok = fieldAUID, true
	}
	if !ok {
		return unknownField(name, op, value)
	}
	if err := p.fieldFits(id, list); err != nil {
		return err
	}
	return p.value(id, op, value)
}

func unknownField(name string, op Op, value string) *ParseError {
	err := faultf("unknown field %q", name)
	if near := nearest(strings.ToLower(name), slices.Sorted(keysOf(fieldIDs))); near != "" {
		return err.hint("did you mean %s%s%s?", near, opNames[op], value)
	}
	return err
}

// fieldFits checks that a list takes a field.
func (p *parser) fieldFits(id uint32, list List) *ParseError {
	name := fieldNames[id]
	only := func(lists ...List) *ParseError {
		if slices.Contains(lists, list) {
			return nil
		}
		return faultf("the field %s is not for the %s list", name, listNames[list])
	}
	if list == Exclude && !excludable(id) {
		return faultf("the field %s is not for the exclude list", name).hint("it takes msgtype, pid, uid, gid, auid, exe and subj_*")
	}
	switch id {
	case fieldExit, fieldPerm, fieldPath, fieldDir, fieldDevMajor, fieldDevMinor, fieldInode, fieldSuccess,
		fieldFileType, fieldPPID, fieldObjUser, fieldObjRole, fieldObjType, fieldObjLevLow, fieldObjLevHigh:
		return only(Exit, IOUring)
	case fieldMsgType:
		return only(Exclude, User)
	case fieldFSType:
		return only(Filesystem)
	case fieldSessionID:
		return only(User, Exit, IOUring)
	}
	return nil
}

func excludable(id uint32) bool {
	switch id {
	case fieldPID, fieldUID, fieldGID, fieldAUID, fieldMsgType, fieldExe, fieldKey,
		fieldSubjUser, fieldSubjRole, fieldSubjType, fieldSubjSen, fieldSubjClr:
		return true
	}
	return false
}

// value adds a field after reading its value.
func (p *parser) value(id uint32, op Op, v string) *ParseError {
	switch {
	case isText(id):
		return p.text(id, op, v)
	case id == fieldArch:
		return p.arch(op, v)
	}
	n, err := p.number(id, op, v)
	if err != nil {
		return err
	}
	if id == fieldPerm {
		p.perm = true
	}
	if id == fieldFSType {
		p.fs = true
	}
	p.rule.add(id, op, n)
	return nil
}

func (p *parser) text(id uint32, op Op, v string) *ParseError {
	switch {
	case id == fieldExe && op != Equal && op != NotEqual:
		return faultf("exe takes only = and !=")
	case id == fieldKey && len(v) > maxKey:
		return faultf("key of %d bytes: at most %d", len(v), maxKey)
	case len(v) > pathMax:
		return faultf("value of %s has %d bytes: at most %d", fieldNames[id], len(v), pathMax)
	case id == fieldKey && !p.calls && !p.perm && !p.exe:
		return faultf("a key needs a system call, a file or a program in the rule before it")
	}
	p.exe = p.exe || id == fieldExe
	p.perm = p.perm || id == fieldPath || id == fieldDir
	p.rule.addText(id, op, v)
	return nil
}

// number reads the value of a field that is a number.
func (p *parser) number(id uint32, op Op, v string) (uint32, *ParseError) {
	digits, negative := startsWithDigit(v), startsNegative(v)
	switch {
	case id == fieldPerm && op != Equal:
		return 0, faultf("perm takes only =")
	case id == fieldInode && op != Equal && op != NotEqual:
		return 0, faultf("inode takes only = and !=")
	case id == fieldPerm:
		return permBits(v)
	case id == fieldFileType:
		return fromTable(fileTypes, "file type", strings.ToLower(v))
	case id == fieldFSType && !digits:
		return fromTable(fsTypes, "file system type", strings.ToLower(v))
	case isUID(id) && !digits && !negative:
		return p.userID(v)
	case isGID(id) && !digits:
		return p.groupID(v)
	case id == fieldExit && !digits && !negative:
		return errnoNumber(v)
	case id == fieldMsgType && !digits:
		return messageType(v)
	case id == fieldSessionID && v == "unset":
		return ^uint32(0), nil
	case id == fieldSaddrFam, id == fieldSessionID && !digits && !negative:
		return p.loose(id, v), nil
	case digits:
		return cNumber(v, isUID(id) || id == fieldSessionID || id == fieldInode || id >= fieldA0 && id <= fieldA3), nil
	case negative && (isUID(id) || id == fieldExit || id == fieldSessionID || id >= fieldA0 && id <= fieldA3):
		return cNumber(v, false), nil
	}
	return 0, faultf("value %q of %s is not a number", v, fieldNames[id])
}

// loose reads a number whose garbage auditctl takes for nothing: saddr_fam=inet
// and sessionid=x are 0 to it.
func (p *parser) loose(id uint32, v string) uint32 {
	n := uint32(0)
	if id == fieldSaddrFam {
		n = cNumber(v, true)
	}
	if !startsWithDigit(v) {
		p.warn("not-a-number", fmt.Sprintf("%s=%s is no number; the kernel gets %d, as from auditctl", fieldNames[id], v, n), "write the number")
	}
	return n
}

func fromTable(table map[string]uint32, what, v string) (uint32, *ParseError) {
	n, ok := table[v]
	if !ok {
		return 0, faultf("unknown %s %q", what, v).hint("one of %s", strings.Join(slices.Sorted(maps.Keys(table)), ", "))
	}
	return n, nil
}

func (p *parser) userID(v string) (uint32, *ParseError) {
	if v == "unset" {
		return ^uint32(0), nil
	}
	id, ok := p.o.User(v)
	if !ok {
		return 0, faultf("unknown user %q", v).hint("a number is taken without the account")
	}
	return id, nil
}

func (p *parser) groupID(v string) (uint32, *ParseError) {
	id, ok := p.o.Group(v)
	if !ok {
		return 0, faultf("unknown group %q", v).hint("a number is taken without the group")
	}
	return id, nil
}

func errnoNumber(v string) (uint32, *ParseError) {
	name, minus := strings.CutPrefix(v, "-")
	n, ok := auparse.AuditErrnoToNum[strings.ToUpper(name)]
	if !ok || n == 0 || name == "" {
		err := faultf("unknown error %q", v)
		if near := nearest(strings.ToUpper(name), slices.Sorted(keysOf(auparse.AuditErrnoToNum))); near != "" {
			return 0, err.hint("did you mean exit=-%s?", near)
		}
		return 0, err
	}
	if minus {
		n = -n
	}
	return uint32(int32(n)), nil
}

// arch takes -F arch=.
func (p *parser) arch(op Op, v string) *ParseError {
	if p.calls || len(p.unknown) > 0 {
		return faultf("arch must stand before the system calls").hint("put -F arch=%s before -S", v)
	}
	if op != Equal && op != NotEqual {
		return faultf("arch takes only = and !=")
	}
	elf, ok := p.elfOf(v)
	if !ok {
		return faultf("unknown architecture %q", v).hint("b64, b32, or a name such as x86_64")
	}
	p.elf, p.anyArch = elf, false
	p.rule.add(fieldArch, op, elf)
	return nil
}

func (p *parser) elfOf(v string) (uint32, bool) {
	if startsWithDigit(v) {
		m, ok := machineOf(cNumber(v, true))
		return m.elf, ok
	}
	switch strings.ToLower(v) {
	case "b64":
		m, ok := machineNamed(p.o.Arch)
		return m.elf, ok && m.only != 32
	case "b32":
		return b32(p.o.Arch)
	}
	if m, ok := machineNamed(v); ok {
		return m.elf, true
	}
	m, ok := machineOf(cNumber("0x"+v, true))
	return m.elf, ok
}

// b32 returns the architecture of 32-bit programs on a machine.
func b32(arch string) (uint32, bool) {
	m, ok := machineNamed(arch)
	if ok && m.b32 != "" {
		m, ok = machineNamed(m.b32)
		return m.elf, ok
	}
	return m.elf, ok && m.only == 32
}

// compare takes -C FIELD OP FIELD.
func (p *parser) compare(pair string) *ParseError {
	if len(p.rule.Fields) >= maxFields-1 {
		return faultf("more than %d fields", maxFields-1)
	}
	op := NotEqual
	a, b, ok := strings.Cut(pair, "!=")
	if !ok {
		op = Equal
		a, b, ok = strings.Cut(pair, "=")
	}
	if !ok {
		return faultf("-C %s: no = or !=", pair)
	}
	if list, ok := p.list(); !ok || list != Exit {
		return faultf("-C is for the exit list only").hint("put -a always,exit first")
	}
	value, ok := comparison(a, b)
	if !ok {
		return faultf("-C %s: these two cannot be compared", pair).
			hint("two of auid, uid, euid, suid, fsuid, obj_uid, or two of gid, egid, sgid, fsgid, obj_gid")
	}
	p.rule.add(fieldCompare, op, value)
	return nil
}

func comparison(a, b string) (uint32, bool) {
	idA, okA := fieldIDs[strings.ToLower(a)]
	idB, okB := fieldIDs[strings.ToLower(b)]
	for _, c := range comparisons {
		if okA && okB && (c.a == idA && c.b == idB || c.a == idB && c.b == idA) {
			return c.value, true
		}
	}
	return 0, false
}

// keyOption takes -k.
func (p *parser) keyOption(key string) *ParseError {
	if _, ok := p.list(); !ok || !p.calls && !p.perm && !p.exe && !p.fs {
		return faultf("-k needs a watch or a system call before it").hint("put -S all before it")
	}
	return p.key(key)
}

func (p *parser) key(key string) *ParseError {
	if n := len(strings.Join(append(slices.Clone(p.keys), key), "\x01")); n > maxKey {
		return faultf("keys of %d bytes: the kernel takes %d", n, maxKey)
	}
	if strings.Contains(key, "\x01") {
		p.warn("key", "the key holds the byte that separates keys", "take it out")
	}
	if key != "" || len(p.keys) > 0 {
		p.keys = append(p.keys, key)
	}
	return nil
}
