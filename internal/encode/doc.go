// Package encode writes events as text: as our own flat JSON, as OCSF, and as
// the lines of audit.log that they came from.
//
// # Guarantees
//
// Every event is one line of UTF-8, but for the raw format, which has a line for
// each record. No text of the host breaks a line or drives a terminal. No event is
// longer than the service takes; one that had to be cut says so.
//
// # Adding a field
//
// A field of every event goes into [event.Event] and, under its name, into
// appendNames or appendWho (json.go), ocsfUnmapped (ocsf.go), ofFiles
// (event/fields.go) and docs/event.schema.json.
package encode
