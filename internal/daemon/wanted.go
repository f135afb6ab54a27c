package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/auditshipper/auditshipper/internal/config"
	"github.com/auditshipper/auditshipper/internal/host"
	"github.com/auditshipper/auditshipper/internal/rules"
)

// watchesSource is the name of the configuration's watches as a source of rules;
// every rule file is a source of its own, under its path.
const watchesSource = "configuration"

// Wanted are the rules that a configuration asks for.
type Wanted struct {
	Sources  []rules.Source
	Warnings []rules.Warning
	Waiting  []string // watches that wait for their file system, with the reason
}

// WantedRules returns what the configuration asks for on this machine now:
// watches whose file system is not mounted wait. It looks at the watched paths,
// for a bounded time.
func WantedRules(c config.Config, o rules.Options) (Wanted, error) {
	all, err1 := host.ReadMounts()
	fstab, err2 := host.Fstab()
	if err := errors.Join(err1, err2); err != nil {
		return Wanted{}, fmt.Errorf("read mounts: %w", err)
	}
	var table host.MountTable
	table.Set(all)
	mounts := host.Trusted(all)
	probe := newProber(&table, probeEvery, func() {})
	defer probe.close()
	probe.watch(pathsOf(c.Watches))
	probe.await(existsPatience)
	var w Wanted
	var armed []config.Watch
	for _, watch := range c.Watches {
		named := watch.Path
		watch.Path = probe.real(named)
		if why := mustWait(watch, mounts, fstab, false, probe.presence(named)); why != "" {
			w.Waiting = append(w.Waiting, named+" ("+why+")")
			continue
		}
		armed = append(armed, watch)
	}
	watches, warnings, err := watchRules(armed, probe)
	w.Warnings = warnings
	files, warnings, err2 := fileRules(c.Rules.Files, o)
	w.Sources = append([]rules.Source{watches}, files...)
	w.Warnings = append(w.Warnings, warnings...)
	return w, errors.Join(err, err2)
}

func pathsOf(watches []config.Watch) []string {
	var paths []string
	for _, w := range watches {
		paths = append(paths, w.Path)
	}
	return paths
}

// mustWait says what a watch waits for, nothing if it can be armed.
func mustWait(w config.Watch, mounts []host.Mount, fstab map[string]string, network bool, p presence) string {
	if m, ok := host.MountOf(mounts, w.Path); ok && m.Trigger() {
		return "not mounted until somebody goes there"
	}
	if needsMount(w, mounts, fstab, network) && !isMounted(w, mounts, fstab, network) {
		return "not mounted"
	}
	if p.known && !p.exists {
		return "missing"
	}
	return ""
}

// watchRules expands watches for this machine.
func watchRules(watches []config.Watch, p *prober) (rules.Source, []rules.Warning, error) {
	s := rules.Source{Name: watchesSource, Configured: true, Loose: true}
	m := rules.HostMachine()
	m.IsDir = func(path string) bool {
		seen := p.presence(path)
		return !seen.exists || seen.dir
	}
	var warnings []rules.Warning
	for _, w := range watches {
		list, warned, err := rules.Expand(rules.Watch{Path: w.Path, Ops: w.Ops, Key: w.Key, Failures: w.Failures}, m)
		if err != nil {
			return s, warnings, err
		}
		s.Rules = append(s.Rules, list...)
		warnings = append(warnings, warned...)
	}
	return s, warnings, nil
}

// fileRules reads the rule files that globs name, each once, in the order of the
// globs. A glob without a wildcard must name a file. Files with faults are left
// out; the error joins the faults.
func fileRules(globs []string, o rules.Options) ([]rules.Source, []rules.Warning, error) {
	var sources []rules.Source
	var warnings []rules.Warning
	var errs []error
	var seen []string
	for _, glob := range globs {
		names, err := filepath.Glob(glob)
		if err != nil {
			errs = append(errs, fmt.Errorf("rules.files: %q: %w", glob, err))
		}
		if len(names) == 0 && !hasWildcard(glob) {
			names = []string{glob} // its absence is an error
		}
		for _, name := range names {
			if slices.Contains(seen, name) {
				continue
			}
			seen = append(seen, name)
			s, warned, err := ReadRules(name, o)
			warnings = append(warnings, warned...)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			s.Configured = true
			sources = append(sources, s)
		}
	}
	return sources, warnings, errors.Join(errs...)
}

func hasWildcard(glob string) bool {
	escaped := filepath.Clean(glob)
	for _, c := range escaped {
		if c == '*' || c == '?' || c == '[' {
			return true
		}
	}
	return false
}

// ReadRules reads a rule file as a source of its own, named by its absolute
// path. The error is a rules.Errors where the file has faults.
func ReadRules(name string, o rules.Options) (rules.Source, []rules.Warning, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return rules.Source{}, nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return rules.Source{}, nil, err
	}
	defer f.Close()
	file, err := rules.ParseFile(name, f, o)
	if err != nil && !file.GoOn {
		return rules.Source{}, file.Warnings, err
	}
	return rules.Source{Name: path, Rules: file.Rules, Settings: file.Settings}, file.Warnings, nil
}
