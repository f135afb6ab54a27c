// Package ship delivers events to CloudWatch Logs until it has accepted them.
//
// A Shipper collects items in batches that the service accepts, sends several
// at a time, tries each for ever, and acknowledges items strictly in order: an
// item is acknowledged when it and all before it are safe. What the service
// refuses for good is handed to a sink with the reason, never dropped.
//
// # Not here
//
// No journal and no events: an item is a time, a line, and a mark that means
// something to the caller. Nothing outside cloudwatch.go knows AWS.
package ship
