package rules

import (
	"slices"
)

// A Source is rules that belong together: the configuration's, or a file's.
type Source struct {
	Name       string
	Configured bool   // the configuration names it
	Rules      []Rule // in the order in which they are to be tried
	Settings   []Setting
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
	p := planner{state: st, at: map[string]int{}, plan: Plan{kernel: kernel, next: st.clone()}}
	for i := range kernel {
		p.at[kernel[i].Sum()] = i
	}
	for _, s := range sources {
		p.source(s)
	}
	p.plan.Steps = slices.Concat(p.add, p.move, p.again, p.drop(kernel))
	p.plan.Hidden = hiddenIn(kernel, p.plan)
	return p.plan
}

// A planner works out a plan. Rules are added before others are deleted, where
// order allows it, so that there is always one that sees an event.
type planner struct {
	state State
	at    map[string]int // where the kernel has the rule with a sum
	plan  Plan

	add, move, again []Step
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
		if loaded && !was.has(sum) || p.adding(sum) {
			continue // another source's, too: its place is not ours to choose
		}
		place := r.place()
		lists[place] = append(lists[place], r)
	}
	for _, place := range places {
		p.inOrder(lists[place])
	}
	for _, set := range s.Settings {
		want.Settings = append(want.Settings, set.String())
	}
	p.plan.next.put(want)
}

func (p *planner) adding(sum string) bool {
	for _, steps := range [][]Step{p.add, p.again} {
		if slices.ContainsFunc(steps, func(s Step) bool { return s.Rule.Sum() == sum }) {
			return true
		}
	}
	return false
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

// inOrder plans one place of one source: what stays is the longest beginning of
// rules that the kernel has in that order; all behind it is put, or put again,
// where the kernel puts new rules.
func (p *planner) inOrder(rules []Rule) {
	last, stays := -1, true
	for _, r := range rules {
		at, loaded := p.at[r.Sum()]
		behind := last < 0 || at > last
		if r.First {
			behind = last < 0 || at < last
		}
		switch {
		case loaded && stays && behind:
			last = at
		case loaded:
			stays = false
			p.move = append(p.move, Step{Delete: true, Rule: r, Moved: true})
			p.again = append(p.again, Step{Rule: r, Moved: true})
		case len(p.again) == 0:
			stays = false
			p.add = append(p.add, Step{Rule: r})
		default:
			p.again = append(p.again, Step{Rule: r})
		}
	}
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
