// Package event turns the kernel's audit records into events, whole.
//
// Records come in as they were journalled, interleaved. An [Assembler] puts those of
// one ID together, hands the event to whoever finds its paths in the order in which
// events began, and keeps it until it is returned. [State] has all the states of an
// event and who changes them. Package paths finds the paths, package encode makes text.
//
// # Guarantees
//
// Every record is in one event, and every event is returned once, complete or marked
// as partial. What events hold in memory is bounded: in records and bytes each, and
// in number while they are open. A mark tells a new Assembler where to go on.
//
// # Not here
//
// No clock, no files, no network, no users' names, no tree of directories. A time is
// what a record says, or what Tick brings.
package event
