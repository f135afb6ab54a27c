package query

import "fmt"

// Left is what a source left out or could not put together.
type Left struct {
	GivenUp   int // events that left before their end was read
	Truncated int // events with more records than are kept
	Unsolved  int // events whose directories were not waited for to the end
	Long      int // lines that are too long for a record

	Unread []string // files that were not read, and why
}

// Words are a sentence for each kind of what was left out.
func (l Left) Words() (all []string) {
	for _, part := range []struct {
		n    int
		what string
	}{
		{l.GivenUp, fmt.Sprintf("%d events were given up before their end was read: more than %d MiB of later ones came first", l.GivenUp, maxHeldBytes>>20)},
		{l.Truncated, fmt.Sprintf("%d events have more than %d MiB or %d records; the rest of each is left out", l.Truncated, maxEventBytes>>20, maxEventRecords)},
		{l.Unsolved, fmt.Sprintf("%d events have the paths that were known when memory was full", l.Unsolved)},
		{l.Long, fmt.Sprintf("%d lines are longer than %d MiB and left out", l.Long, maxLine>>20)},
	} {
		if part.n > 0 {
			all = append(all, part.what)
		}
	}
	for _, file := range l.Unread {
		all = append(all, "not read: "+Safe(file))
	}
	return all
}
