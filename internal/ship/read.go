package ship

// A Stored is a log event as the service gives it back.
type Stored struct {
	Millis    int64 // the event's own time, milliseconds since 1970
	Ingestion int64 // when the service took it
	Message   string
}
