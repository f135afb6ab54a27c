package rules

import (
	"slices"
)

// A Source is rules that belong together: the configuration's, or a file's.
type Source struct {
	Name       string
	Configured bool   // the configuration names it
	Rules      []Rule // in the order in which they are to be tried

	// Loose means that rules with the same action and key may stand in any order
	// among each other: it makes no difference which of them reports an event.
	Loose bool

	Settings []Setting
}

// A Step adds a rule or deletes one.
type Step struct {
	Delete bool
	Rule   Rule
	Moved  bool // deleted only to be added again in its place
}

// String prints the step as rules plan does.
func (s Step) String() string {
	if s.Delete {
		return "- " + s.Rule.String()
	}
	return "+ " + s.Rule.AddLine()
}

// A Plan is what has to be done in the kernel, in this order.
type Plan struct {
	Steps    []Step
	Settings []Setting // to be carried out; those that hold already are left out

	// Foreign are rules that are wanted and were there before as somebody
	// else's. They stay theirs.
	Foreign []Rule

	// Hidden are rules of ours that will match nothing.
	Hidden []Hidden

	kernel []Rule // what it held
	next   State  // what is ours afterwards
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Steps) == 0 && len(p.Settings) == 0 }

// Next is what is ours once the plan is carried out.
func (p *Plan) Next() State { return p.next }

// Lines returns the plan's steps and settings as + and - lines.
func (p *Plan) Lines() []string {
	var lines []string
	early, late := splitSettings(p.Settings)
	for _, s := range early {
		lines = append(lines, "+ "+s.String())
	}
	for _, s := range p.Steps {
		lines = append(lines, s.String())
	}
	for _, s := range late {
		lines = append(lines, "+ "+s.String())
	}
	return lines
}

// MakePlan compares what sources want with the kernel's rules (in its order) and
// with what is ours there. Sources that are not named keep what they have; one
// without rules gives up its own.
func MakePlan(kernel []Rule, st State, sources []Source) Plan {
	p := planner{state: st, at: map[string]int{}, adding: map[string]bool{}, plan: Plan{kernel: kernel, next: st.clone()}}
	for i := range kernel {
		p.at[kernel[i].Sum()] = i
	}
	for _, s := range sources {
		p.source(s)
	}
	p.plan.Steps = slices.Concat(p.add, p.move, p.again, p.drop(kernel))
	p.plan.Hidden = hiddenIn(kernel, &p.plan)
	return p.plan
}

// A planner works out a plan. Rules are added before others are deleted, where
// order allows it, so that there is always one that sees an event.
type planner struct {
	state State
	at    map[string]int // where the kernel has the rule with a sum
	plan  Plan

	add, move, again []Step
	adding           map[string]bool // sums of those to be added
}

// source plans what one source needs.
func (p *planner) source(s Source) {
	was := p.state.source(s.Name)
	want := Applied{Source: s.Name, Configured: s.Configured}
	lists := map[string][]Rule{}
	for _, r := range s.Rules {
		sum := r.Sum()
		if want.has(sum) {
			continue
		}
		_, loaded := p.at[sum]
		if loaded && p.state.Owner(&r) == "" {
			p.plan.Foreign = append(p.plan.Foreign, r)
			continue
		}
		want.Rules = append(want.Rules, own(&r))
		if loaded && !was.has(sum) || p.adding[sum] {
			continue // another source's, too: its place is not ours to choose
		}
		place := r.place()
		lists[place] = append(lists[place], r)
	}
	for _, place := range places {
		p.inOrder(lists[place], s.Loose)
	}
	for _, set := range s.Settings {
		want.Settings = append(want.Settings, set.String())
	}
	p.plan.next.put(want)
}

// places are where a rule can be put: the end of a list, or its beginning.
var places = func() []string {
	var all []string
	for l := range IOUring + 1 {
		all = append(all, (&Rule{List: l}).place(), (&Rule{List: l, First: true}).place())
	}
	return all
}()

func (r *Rule) place() string {
	if r.First {
		return r.listName() + " first"
	}
	return r.listName()
}

// inOrder plans one place of one source: what stays is what the kernel has with
// all before it in that order; the rest is put, or put again, where the kernel
// puts new rules.
func (p *planner) inOrder(rules []Rule, loose bool) {
	order := keptOrder{loose: loose, last: map[string]int{}}
	for _, r := range rules {
		sum := r.Sum()
		at, loaded := p.at[sum]
		if r.First {
			at = -at // the later of these is the one in front
		}
		stays := order.take(&r, at, loaded)
		p.adding[sum] = p.adding[sum] || !stays
		switch {
		case stays:
		case loaded:
			p.move = append(p.move, Step{Delete: true, Rule: r, Moved: true})
			p.again = append(p.again, Step{Rule: r, Moved: true})
		case len(p.again) == 0:
			p.add = append(p.add, Step{Rule: r})
		default:
			p.again = append(p.again, Step{Rule: r})
		}
	}
}

// A keptOrder decides, rule by rule, which may stay where the kernel has them:
// those behind all that come before them, all of which stay, too.
type keptOrder struct {
	loose bool
	last  map[string]int // the place of the last one that stays, by group
	moved string         // the only group with a rule that does not stay
	many  bool           // there are several such groups
}

// group names rules that may stand in any order among each other.
func (o *keptOrder) group(r *Rule) string {
	if !o.loose {
		return ""
	}
	return r.actionName() + " " + r.Key()
}

func (o *keptOrder) take(r *Rule, at int, loaded bool) bool {
	group := o.group(r)
	stays := loaded && !o.many && (o.moved == "" || o.loose && o.moved == group)
	for g, last := range o.last {
		if at < last && (!o.loose || g != group) {
			stays = false
		}
	}
	if !stays {
		o.many = o.many || o.moved != "" && o.moved != group || !o.loose
		o.moved = group
		return false
	}
	if last, ok := o.last[group]; !ok || at > last {
		o.last[group] = at
	}
	return true
}

// drop returns the deletion of rules that were ours and that no source wants any
// more.
func (p *planner) drop(kernel []Rule) []Step {
	var steps []Step
	for _, r := range kernel {
		if p.state.Owner(&r) != "" && p.plan.next.Owner(&r) == "" {
			steps = append(steps, Step{Delete: true, Rule: r})
		}
	}
	return steps
}
