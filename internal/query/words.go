package query

import "fmt"

// Words is an error that says what ausearch or aureport would say.
type Words string

// Error implements error.
func (w Words) Error() string { return string(w) }

// Say makes an error that says what ausearch or aureport would.
func Say(format string, args ...any) error { return Words(fmt.Sprintf(format, args...)) }
