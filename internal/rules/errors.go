package rules

import (
	"fmt"
	"strings"
)

// A ParseError says where a rule is wrong, and what to write instead when that
// is knowable.
type ParseError struct {
	File string // empty for words of a command line
	Line int
	Msg  string
	Fix  string // may be empty
}

func (e *ParseError) Error() string {
	if e.File == "" {
		return e.Msg
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg)
}

// Hint returns the suggested correction. The command line prints it on a line
// of its own.
func (e *ParseError) Hint() string { return e.Fix }

// Errors are all the faults of a file.
type Errors []*ParseError

func (e Errors) Error() string {
	var lines []string
	for _, err := range e {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors one by one.
func (e Errors) Unwrap() []error {
	var all []error
	for _, err := range e {
		all = append(all, err)
	}
	return all
}

// A Warning is something that a rule does which its author may not want.
type Warning struct {
	File string
	Line int
	Code string // names the trap, such as no-renameat2
	Msg  string
	Fix  string // the cure
}

func (w Warning) String() string {
	if w.File == "" {
		return "warning: " + w.Msg
	}
	return fmt.Sprintf("%s:%d: warning: %s", w.File, w.Line, w.Msg)
}

// Hint returns the cure.
func (w Warning) Hint() string { return w.Fix }

func faultf(format string, args ...any) *ParseError {
	return &ParseError{Msg: fmt.Sprintf(format, args...)}
}

func (e *ParseError) hint(format string, args ...any) *ParseError {
	e.Fix = fmt.Sprintf(format, args...)
	return e
}
