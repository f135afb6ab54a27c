package rules

import (
	"slices"
	"strings"
)

// Hidden is a rule that matches nothing because an earlier one matches first, or what a
// rule of the exclude or filesystem list keeps from our events.
type Hidden struct {
	Rule Rule   // of the list exit, or zero
	What string // records that are left out, where Rule is zero
	By   Rule
}

// String says what is hidden, and by which rule.
func (h Hidden) String() string {
	if h.What == "" {
		return h.Rule.String() + " is hidden by " + h.By.String()
	}
	return h.What + " are left out by " + h.By.AddLine()
}

func typeNames(types []uint32) string {
	var names []string
	for _, t := range types {
		names = append(names, typeName(t))
	}
	return strings.Join(names, ", ")
}

// Excluded returns what the rules of the lists exclude and filesystem keep from our events.
func Excluded(list []Rule) (hidden []Hidden) {
	for i := range list {
		if what := list[i].leavesOut(); what != "" {
			hidden = append(hidden, Hidden{What: what, By: list[i]})
		}
	}
	return hidden
}

// leavesOut says which records the kernel leaves out because of r, empty for none of ours.
func (r *Rule) leavesOut() string {
	types := r.Excludes()
	switch chosen := r.chosen(); {
	case r.ignoresFiles():
		return "PATH records of files where " + chosen
	case types == nil:
		return ""
	case chosen != "":
		return "records of type " + typeNames(types) + " of processes where " + chosen
	}
	return "records of type " + typeNames(types)
}

// hiddenIn returns those wanted rules of a plan that a rule of the kernel hides
// which is nobody's or another source's.
func hiddenIn(kernel []Rule, p *Plan) []Hidden {
	after := p.after(kernel)
	hidden := Excluded(after)
	for i := range after {
		if p.next.Owner(&after[i]) == "" {
			continue
		}
		if by := Hider(after[:i], &after[i]); by != nil {
			hidden = append(hidden, Hidden{Rule: after[i], By: *by})
		}
	}
	return hidden
}

// after returns the kernel's rules once the plan is carried out.
func (p *Plan) after(kernel []Rule) []Rule {
	deleted := map[string]bool{}
	var front, back []Rule
	for _, s := range p.Steps {
		switch {
		case s.Delete:
			deleted[s.Rule.Sum()] = true
		case s.Rule.First:
			front = append(front, s.Rule)
		default:
			back = append(back, s.Rule)
		}
	}
	slices.Reverse(front) // the later of these is the one in front
	stay := slices.DeleteFunc(slices.Clone(kernel), func(r Rule) bool { return len(deleted) > 0 && deleted[r.Sum()] })
	return slices.Concat(front, stay, back)
}

// Hider returns the first of the rules before r that takes everything r would
// match and reports none of it, nil if there is none: the first rule that
// matches wins.
func Hider(before []Rule, r *Rule) *Rule {
	for i := range before {
		if b := &before[i]; b.Action == Never && b.List == r.List && b.covers(r) {
			return b
		}
	}
	return nil
}

// covers reports whether everything that r matches is matched by b for sure.
func (b *Rule) covers(r *Rule) bool {
	if b.takesCalls() {
		for i := range b.Mask[:maskWords-1] {
			if r.Mask[i]&^b.Mask[i] != 0 {
				return false
			}
		}
	}
	for _, f := range b.Fields {
		if f.ID != fieldKey && !slices.ContainsFunc(r.Fields, func(g Field) bool { return implies(g, f) }) {
			return false
		}
	}
	return true
}

// implies reports whether what matches g matches f as well. A rename touches
// two directories, and one rule field for a directory is enough for it to match,
// so a directory below another implies it.
func implies(g, f Field) bool {
	switch {
	case g == f:
		return true
	case f.ID == fieldDir && f.Op == Equal && (g.ID == fieldDir || g.ID == fieldPath) && g.Op == Equal:
		return below(g.Text, f.Text)
	case g.ID != f.ID || g.Op != Equal || isText(f.ID):
		return false
	}
	has, than := int64(g.Value), int64(f.Value)
	if f.ID == fieldExit {
		has, than = int64(int32(g.Value)), int64(int32(f.Value))
	}
	switch f.Op {
	case NotEqual:
		return has != than
	case Less:
		return has < than
	case LessEqual:
		return has <= than
	case Greater:
		return has > than
	case GreaterEqual:
		return has >= than
	}
	return false
}

// below reports whether path is dir or inside it.
func below(path, dir string) bool {
	return path == dir || dir == "/" || len(path) > len(dir) && path[:len(dir)] == dir && path[len(dir)] == '/'
}
