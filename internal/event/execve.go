package event

import "bytes"

// An arg is an argument of a program's start, or a piece of one.
type arg struct {
	number, piece int
	val           []byte
}

// parseExecve makes the command line of EXECVE records, which hold all of it,
// unlike PROCTITLE. A long argument comes in pieces, a1[0]= a1[1]=, and a long
// line in several records.
func (e *Event) parseExecve() {
	var args []arg
	argc := 0
	for i := range e.records {
		if e.records[i].typ != TypeExecve {
			continue
		}
		s := scanner{rest: e.Body(i)}
		for s.next() {
			if string(s.key) == "argc" {
				argc = int(decimal(s.val))
			} else if number, piece, ok := argKey(s.key); ok {
				args = append(args, arg{number, piece, e.string(&s)})
			}
		}
	}
	if len(args) == 0 {
		return
	}
	start := len(e.decoded)
	last := -1
	for _, a := range args {
		if a.number != last && last >= 0 {
			e.decoded = append(e.decoded, 0)
		}
		if a.number > last+1 || a.number < last {
			e.Partial = true
		}
		last = a.number
		e.decoded = append(e.decoded, a.val...)
	}
	if last+1 < argc && !e.Truncated {
		e.Partial = true
	}
	e.Title, e.TitleCut = e.decoded[start:len(e.decoded):len(e.decoded)], false
}

// argKey reads a12 and a12[3]; a12_len tells a length and is none.
func argKey(key []byte) (number, piece int, ok bool) {
	if len(key) < 2 || key[0] != 'a' {
		return 0, 0, false
	}
	n, rest, ok := digits(key[1:], 9)
	if !ok || len(rest) == 0 {
		return int(n), 0, ok
	}
	inside, ok := bytes.CutPrefix(rest, []byte("["))
	if !ok {
		return 0, 0, false
	}
	p, rest, ok := digits(inside, 9)
	return int(n), int(p), ok && string(rest) == "]"
}

// MaxTitle is what the kernel keeps of a command line, less the NUL byte at its end.
const MaxTitle = 127
