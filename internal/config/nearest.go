package config

import (
	"slices"
	"strings"
)

// nearest returns a hint: the known name most like the unknown one, or all of
// them if none is.
func nearest(name string, known map[string]string) string {
	var names []string
	for n := range known {
		names = append(names, n)
	}
	slices.Sort(names)
	best, least := "", len(name)/2+1
	for _, n := range names {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	if len(names) > 20 {
		return ""
	}
	return "known here: " + strings.Join(names, ", ")
}

// distance is the number of letters to insert, delete or replace to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
