// Package ship delivers events to CloudWatch Logs until it has accepted them.
//
// A Shipper collects items in batches that the service accepts, sends several
// at a time, tries each for ever, and acknowledges strictly in order: an item
// is acknowledged when it and all before it are safe. Safe is what the service
// accepted, and what was handed to the sink because the service never will.
// What fails without an answer is sent again, so an item may arrive twice.
//
// # What the service does not take
//
// An event that is too old, or that makes a batch invalid, goes to the sink
// with the reason. One that is too far in the future is not the event's fault
// but the clock's: it is delivered with the service's own time. A line that is
// not UTF-8 is sent with replacement characters, since JSON has no others.
//
// # Memory
//
// One batch more than calls in flight, about 1.3 MiB each. Add blocks beyond.
//
// # Not here
//
// No journal and no events: an item is a time, a line, and a mark that means
// something to the caller. Nothing outside cloudwatch*.go knows AWS.
package ship
