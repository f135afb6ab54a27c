package event

import "bytes"

// A LogName is the name that an enriched log has for a user. Known without a
// Name is one of whom the log's host knew no name: nobody else may give it one.
type LogName struct {
	Known bool
	Name  []byte
}

// logName is what auditd appended to s's record under a field's name in capitals.
// It does so for every field, in their order, hence of several the last belongs
// to the number that counts; in a program's record the first, which is the kernel's.
func (e *Event) logName(s *scanner, field string) (n LogName) {
	in := scanner{rest: s.extra}
	for in.next() {
		if string(in.key) == field {
			n = LogName{Known: true, Name: e.string(&in)}
			if s.prefix {
				break
			}
		}
	}
	if noName(n.Name) {
		n.Name = nil
	}
	return n
}

// noName says whether auditd wrote down that a number had no name.
func noName(name []byte) bool {
	s := string(name)
	return s == "unset" || s == "?" || bytes.HasPrefix(name, []byte("unknown(")) && s[len(s)-1] == ')'
}
