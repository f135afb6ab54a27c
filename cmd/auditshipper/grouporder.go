package main

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/auditshipper/auditshipper/internal/ship"
)

// merged joins events that are each in order of time.
func merged(all []iter.Seq2[ship.Stored, error]) iter.Seq2[ship.Stored, error] {
	if len(all) == 1 {
		return all[0]
	}
	type head struct {
		next func() (ship.Stored, error, bool)
		e    ship.Stored
		err  error
		ok   bool
	}
	return func(yield func(ship.Stored, error) bool) {
		var heads []*head
		for _, seq := range all {
			next, stop := iter.Pull2(seq)
			defer stop()
			h := &head{next: next}
			h.e, h.err, h.ok = next()
			heads = append(heads, h)
		}
		for {
			heads = slices.DeleteFunc(heads, func(h *head) bool { return !h.ok })
			if len(heads) == 0 {
				return
			}
			h := slices.MinFunc(heads, func(a, b *head) int { return cmp.Compare(a.e.Millis, b.e.Millis) })
			if !yield(h.e, h.err) || h.err != nil {
				return
			}
			h.e, h.err, h.ok = h.next()
		}
	}
}

// mostTied bounds the events of one millisecond that are put into order.
const mostTied = 10_000

// ordered puts events of the same millisecond into an order that does not depend
// on who found them: by group, stream and serial number.
func ordered(events iter.Seq2[ship.Stored, error]) iter.Seq2[ship.Stored, error] {
	return func(yield func(ship.Stored, error) bool) {
		var tied []ship.Stored
		flush := func() bool {
			slices.SortStableFunc(tied, compareTied)
			for _, e := range tied {
				if !yield(e, nil) {
					return false
				}
			}
			tied = tied[:0]
			return true
		}
		for e, err := range events {
			if err != nil {
				if flush() {
					yield(e, err)
				}
				return
			}
			if len(tied) > 0 && (tied[0].Millis != e.Millis || len(tied) == mostTied) && !flush() {
				return
			}
			tied = append(tied, e)
		}
		flush()
	}
}

func compareTied(a, b ship.Stored) int {
	return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Stream, b.Stream),
		cmp.Compare(serialOf(a.Message), serialOf(b.Message)), strings.Compare(a.Message, b.Message))
}

// serialOf is the number in the first id of a message, which ends like 123:48213.
func serialOf(message string) uint64 {
	for _, mark := range []string{`"id":"`, `msg=audit(`, `"uid":"`} {
		if _, rest, ok := strings.Cut(message, mark); ok {
			_, rest, _ = strings.Cut(rest, ":")
			n := 0
			for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
				n++
			}
			serial, _ := strconv.ParseUint(rest[:n], 10, 64) // 0 for a message of somebody else
			return serial
		}
	}
	return 0
}
