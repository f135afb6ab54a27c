package ship

import (
	"strings"
	"time"
)

// A Stored is a log event as the service gives it back.
type Stored struct {
	Millis    int64 // the event's own time, milliseconds since 1970
	Ingestion int64 // when the service took it
	Group     string
	Stream    string
	Message   string
}

// A Selection says which events of a group are wanted; its zero value, all.
// Events that do not match Pattern may come all the same: LocalStack knows no
// patterns.
type Selection struct {
	Group    string   // name or ARN, instead of the connection's
	Streams  []string // at most 100
	Prefix   string   // of stream names, instead of Streams
	From, To int64    // both inclusive, milliseconds since 1970; 0 is open
	Pattern  string   // in CloudWatch Logs' filter syntax

	Pace time.Duration // between two pages at least
}

// GroupName is the name of a group that is given by its name or its ARN.
func GroupName(group string) string {
	if !strings.HasPrefix(group, "arn:") {
		return group
	}
	parts := strings.SplitN(group, ":", 7)
	return strings.TrimSuffix(parts[len(parts)-1], ":*")
}

// sessionName is a name for a role's session: 2 to 64 of the characters that are
// allowed there.
func sessionName(name string) string {
	clean := []byte("auditshipper")
	if name != "" {
		clean = []byte(name)
	}
	for i, c := range clean {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("_=,.@-", c) < 0 {
			clean[i] = '-'
		}
	}
	if len(clean) < 2 {
		clean = append(clean, '-', '-')
	}
	return string(clean[:min(len(clean), 64)])
}
