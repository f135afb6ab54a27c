package rules

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// A List is one of the kernel's filter lists (AUDIT_FILTER_* in
// include/uapi/linux/audit.h).
type List uint32

// The lists that take rules.
const (
	User       List = 0
	Task       List = 1
	Exit       List = 4
	Exclude    List = 5
	Filesystem List = 6
	IOUring    List = 7 // called io_uring by auditctl 3.1 and later
)

// prepend is AUDIT_FILTER_PREPEND, sent in the flags of a rule that is to come
// first. The kernel does not list it.
const prepend = 0x10

// An Action says what the kernel does with what a rule matches.
type Action uint32

// The actions (AUDIT_NEVER, AUDIT_ALWAYS). The one between them, possible, was
// abolished.
const (
	Never  Action = 0
	Always Action = 2
)

// An Op compares a field with its value (AUDIT_EQUAL and so on).
type Op uint32

// The operators.
const (
	BitMask      Op = 0x08000000
	Less         Op = 0x10000000
	Greater      Op = 0x20000000
	NotEqual     Op = 0x30000000
	Equal        Op = 0x40000000
	BitTest      Op = 0x48000000
	LessEqual    Op = 0x50000000
	GreaterEqual Op = 0x60000000

	allOps = 0x78000000 // AUDIT_OPERATORS
)

// A Field is one condition of a rule.
type Field struct {
	ID    uint32 // AUDIT_PID and so on
	Op    Op
	Value uint32 // the length of Text for fields that are text
	Text  string
}

const (
	maskWords = 64 // AUDIT_BITMASK_SIZE
	maxFields = 64 // AUDIT_MAX_FIELDS
	maxKey    = 256
	pathMax   = 4096

	maskAt   = 12
	fieldsAt = maskAt + 4*maskWords
	valuesAt = fieldsAt + 4*maxFields
	flagsAt  = valuesAt + 4*maxFields
	buflenAt = flagsAt + 4*maxFields
	ruleLen  = buflenAt + 4 // of struct audit_rule_data without its text
)

// A Rule is one audit rule.
type Rule struct {
	List   List
	Watch  bool // written with -w
	First  bool // to be put before the others of its list (auditctl -A)
	Action Action
	Mask   [maskWords]uint32 // of system calls, or of io_uring operations
	Fields []Field
	File   string // where the rule was written, for messages
	Line   int
}

// Encode returns the rule as the kernel lists it, a struct audit_rule_data. It
// takes the same to delete the rule, and to add it as the last of its list.
func (r *Rule) Encode() []byte {
	b := make([]byte, ruleLen)
	put := func(at int, v uint32) { binary.NativeEndian.PutUint32(b[at:], v) }
	put(0, uint32(r.List))
	put(4, uint32(r.Action))
	put(8, uint32(len(r.Fields)))
	for i, w := range r.Mask {
		put(maskAt+4*i, w)
	}
	for i, f := range r.Fields {
		put(fieldsAt+4*i, f.ID)
		put(valuesAt+4*i, f.Value)
		put(flagsAt+4*i, uint32(f.Op))
		b = append(b, f.Text...)
	}
	put(buflenAt, uint32(len(b)-ruleLen))
	return b
}

// addRequest returns the bytes that add the rule: as the first of its list if it
// wants that.
func (r *Rule) addRequest() []byte {
	b := r.Encode()
	if r.First {
		binary.NativeEndian.PutUint32(b, uint32(r.List)|prepend)
	}
	return b
}

// Decode reads a struct audit_rule_data as the kernel lists it. Bytes after the
// rule's text are padding.
func Decode(b []byte) (Rule, error) {
	if len(b) < ruleLen {
		return Rule{}, fmt.Errorf("rule of %d bytes: shorter than %d", len(b), ruleLen)
	}
	get := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	r := Rule{List: List(get(0) &^ prepend), First: get(0)&prepend != 0, Action: Action(get(4))}
	for i := range r.Mask {
		r.Mask[i] = get(maskAt + 4*i)
	}
	n, size := get(8), uint64(get(buflenAt))
	if n > maxFields {
		return Rule{}, fmt.Errorf("rule with %d fields: more than %d", n, maxFields)
	}
	if size > uint64(len(b)-ruleLen) {
		return Rule{}, errors.New("rule's text is cut off")
	}
	text := b[ruleLen : ruleLen+size]
	for i := range int(n) {
		f := Field{ID: get(fieldsAt + 4*i), Value: get(valuesAt + 4*i), Op: Op(get(flagsAt + 4*i))}
		if isText(f.ID) {
			if uint64(f.Value) > uint64(len(text)) {
				return Rule{}, errors.New("rule's text is shorter than its fields say")
			}
			f.Text, text = string(text[:f.Value]), text[f.Value:]
		}
		r.Fields = append(r.Fields, f)
	}
	return r, nil
}

// field returns the first field with an id.
func (r *Rule) field(id uint32) (Field, bool) {
	i := slices.IndexFunc(r.Fields, func(f Field) bool { return f.ID == id })
	if i < 0 {
		return Field{}, false
	}
	return r.Fields[i], true
}

// Key returns the rule's keys as the kernel keeps them, joined by byte 1.
func (r *Rule) Key() string {
	f, _ := r.field(fieldKey)
	return f.Text
}

// add appends a field with a number.
func (r *Rule) add(id uint32, op Op, value uint32) {
	r.Fields = append(r.Fields, Field{ID: id, Op: op, Value: value})
}

// addText appends a field with a text.
func (r *Rule) addText(id uint32, op Op, text string) {
	r.Fields = append(r.Fields, Field{ID: id, Op: op, Value: uint32(len(text)), Text: text})
}

// all makes the rule match every system call. The upper half of the mask's last
// word stands for classes of calls (AUDIT_SYSCALL_CLASSES); the kernel replaces
// those bits by the calls and lists them as zero.
func (r *Rule) all() {
	for i := range r.Mask {
		r.Mask[i] = ^uint32(0)
	}
	r.Mask[maskWords-1] = 0xffff
}

// matchesAll reports whether the rule matches every system call.
func (r *Rule) matchesAll() bool {
	for _, w := range r.Mask[:maskWords-1] {
		if w != ^uint32(0) {
			return false
		}
	}
	return true
}

// set adds a system call to the mask and reports whether there is room for it.
func (r *Rule) set(nr int) bool {
	if nr < 0 || nr/32 >= maskWords-1 {
		return false
	}
	r.Mask[nr/32] |= 1 << (nr % 32)
	return true
}

// has reports whether a system call is in the mask.
func (r *Rule) has(nr int) bool {
	return nr >= 0 && nr/32 < maskWords && r.Mask[nr/32]&(1<<(nr%32)) != 0
}

// Dir returns the directory that the rule is for, empty if it is for none.
func (r *Rule) Dir() string {
	f, _ := r.field(fieldDir)
	return f.Text
}
