package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// withSuggestion adds the name that somebody may have meant to an error.
func withSuggestion(err error, typed string, names []string) error {
	if best := nearest(typed, names); best != "" {
		return hinted{err, "did you mean " + best + "?"}
	}
	return err
}

// nearest is the name that differs least from what was typed: by a third of its
// letters at most, or by what is missing at its end. Empty: none is near.
func nearest(typed string, names []string) (best string) {
	least := len(typed)/3 + 1
	for _, name := range names {
		if len(strings.TrimLeft(name, "-")) < 3 || len(typed) < 3 {
			continue
		}
		n := distance(strings.ToLower(typed), name)
		if len(typed) > 4 && strings.HasPrefix(name, typed) {
			n = 1
		}
		if n < least {
			least, best = n, name
		}
	}
	return best
}

// distance is how many letters must be added, left out, changed or swapped with the next.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}

// suggestVerb adds the verb that was meant to a complaint about arguments.
func suggestVerb(cmd *cobra.Command, args []string, err error) error {
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if len(args) == 0 || len(names) == 0 {
		return err
	}
	return withSuggestion(err, args[0], names)
}

// suggestFlag adds the flag that was meant to a complaint about flags.
func suggestFlag(cmd *cobra.Command, err error) error {
	_, typed, ok := strings.Cut(err.Error(), "unknown flag: ")
	if !ok {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
	return withSuggestion(err, typed, names)
}
