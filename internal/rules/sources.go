package rules

import "slices"

// Gone returns empty sources for those that the configuration made and does not
// name any more, so that a plan gives up their rules.
func Gone(st State, named []Source) []Source {
	var gone []Source
	for _, name := range st.Configured() {
		if !slices.ContainsFunc(named, func(s Source) bool { return s.Name == name }) {
			gone = append(gone, Source{Name: name})
		}
	}
	return gone
}

// Without returns the source without the rules that drop reports true for.
func (s Source) Without(drop func(*Rule) bool) Source {
	var kept []Rule
	for i := range s.Rules {
		if !drop(&s.Rules[i]) {
			kept = append(kept, s.Rules[i])
		}
	}
	s.Rules = kept
	return s
}

// WithoutLate returns the source without the rules that cannot come any more, and
// those: a kernel whose rules are immutable lacks them, and auditctl will not load
// them at the next boot before it locks the rules again.
func (s Source) WithoutLate(loaded func(*Rule) bool) (Source, []Rule) {
	var late []Rule
	s = s.Without(func(r *Rule) bool {
		is := !AuditctlLoads(r) && !loaded(r)
		if is {
			late = append(late, *r)
		}
		return is
	})
	return s, late
}

// IsRemoved reports whether a person took the rule away since the boot named.
func (s *State) IsRemoved(r *Rule, boot string) bool {
	return s.Boot == boot && contains(s.Removed, r.Sum())
}

// Remove plans to take rules away that are ours. Those that a source still names
// are remembered, so that repairing does not bring them back; the rules that are
// not ours are returned.
func Remove(kernel []Rule, st State, remove []Rule, boot string) (p Plan, foreign []Rule) {
	next := st.clone()
	if next.Boot != boot {
		next.Removed, next.Boot = nil, boot
	}
	for i := range remove {
		r := &remove[i]
		if st.Owner(r) == "" {
			foreign = append(foreign, *r)
			continue
		}
		o := own(r)
		if !contains(next.Removed, o.Sum) {
			next.Removed = append(next.Removed, o)
		}
		for j, a := range next.Sources {
			next.Sources[j].Rules = slices.DeleteFunc(slices.Clone(a.Rules), func(x Owned) bool { return x.Sum == o.Sum })
		}
	}
	for _, a := range slices.Clone(next.Sources) {
		next.put(a)
	}
	p.next, p.kernel = next, kernel
	for _, r := range kernel {
		if st.Owner(&r) != "" && next.Owner(&r) == "" && slices.ContainsFunc(remove, func(x Rule) bool { return x.Sum() == r.Sum() }) {
			p.Steps = append(p.Steps, Step{Delete: true, Rule: r})
		}
	}
	return p, foreign
}
