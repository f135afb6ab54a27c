package ship

// A Stored is a log event as the service gives it back.
type Stored struct {
	Millis    int64 // the event's own time, milliseconds since 1970
	Ingestion int64 // when the service took it
	Stream    string
	Message   string
}

// A Selection says which events of a group are wanted; its zero value, all.
// Events that do not match Pattern may come all the same: LocalStack knows no
// patterns.
type Selection struct {
	Streams  []string // at most 100
	Prefix   string   // of stream names, instead of Streams
	From, To int64    // both inclusive, milliseconds since 1970; 0 is open
	Pattern  string   // in CloudWatch Logs' filter syntax
}
